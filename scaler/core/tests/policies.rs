//! The policies that this repository ships.

use std::path::Path;

use scaler_core::{Metric, policy};

#[test]
fn all_shipped_policies_are_good_and_show_the_three_metrics() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut all = Vec::new();
    #[allow(
        clippy::disallowed_methods,
        reason = "a test may read what the repository ships"
    )]
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        all.extend(policy::load(&text, name).unwrap_or_else(|errors| panic!("{errors:#?}")));
    }
    assert_eq!(policy::check_set(&all), Ok(()));
    assert_eq!(all.len(), 10, "every deployment of the shop but redis-cart");
    for policy in &all {
        assert_eq!(policy.name, policy.deployment);
        assert_eq!((policy.min_replicas, policy.max_replicas), (1, 20));
        for wanted in [
            Metric::RunqLatency,
            Metric::UserPageFaults,
            Metric::SentBytes,
        ] {
            let shown = policy.metrics.iter().any(|metric| metric.metric == wanted);
            assert!(shown, "{} does not measure {wanted}", policy.name);
        }
    }
}
