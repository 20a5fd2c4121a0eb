//! What tests pass over on this kernel, so that silence never looks like success.

use std::collections::BTreeSet;

use probe_agent::hierarchy::Tree;

use crate::{alone, open};

/// Metrics, separated by commas, that this machine is known not to measure. Without it: none.
const KNOWN: &str = "VIPERSCALE_UNSUPPORTED";

#[test]
fn nothing_is_passed_over_that_was_not_known() {
    let _alone = alone();
    let known = std::env::var(KNOWN).unwrap_or_default();
    let known: BTreeSet<&str> = known.split(',').filter(|name| !name.is_empty()).collect();
    let kernel = open(Tree::V2);
    let mut news = Vec::new();
    for (metric, support) in kernel.support().iter() {
        println!("{metric:?}: {support}");
        let name = probe_agent::metric_name(metric);
        if !support.is_measured() && !known.contains(name.as_str()) {
            news.push(format!("{name} is {support}"));
        }
    }
    assert!(
        news.is_empty(),
        "tests pass over what this kernel does not measure; name it in {KNOWN} if that is known:\n{}",
        news.join("\n")
    );
}
