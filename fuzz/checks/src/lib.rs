//! What must hold for any bytes that come from outside. Each function takes the bytes of one input,
//! and panics when something does not hold; that it comes to an end, soon and in bounded memory, is
//! for its caller to see.
//!
//! ```text
//!  fuzz/fuzz_targets (libFuzzer) ──────────┐
//!                                          ├─▶ one function each ─▶ the parser of scaler or agent
//!  tests/mutations.rs (proptest, stable) ──┘
//!  both start from fuzz/corpus
//! ```
//!
//! | function | bytes | from whom |
//! |---|---|---|
//! | [`policy_yaml`] | policy files | people |
//! | [`agent_message`] | messages of agents to the scaler | nodes, one of which may be broken into |
//! | [`configuration`] | messages of the scaler to agents | whoever listens where the scaler should |
//! | [`cgroup_path`] | paths below the cgroup mount | container runtimes |
//! | [`btf`] | the kernel's description of its types | kernels newer than this program |

mod cluster;

use probe_agent::cgroup::membership;
use probe_agent::kernel::offsets_in;
use probe_agent::plan::{DEFAULT_INTERVAL, LONGEST_INTERVAL, Plan, SHORTEST_INTERVAL, Selection};
use prost::Message;
use scaler_core::policy::{self, Response};
use scaler_core::{Autoscaler, Timestamp, Windows};
use viperscale_proto::{frugal, v1 as wire};

/// The most problems that are told of one file.
const MOST_PROBLEMS: usize = 100;

/// Policy files: policies that make sense as a whole, or problems that name a line of the text.
pub fn policy_yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // What ends a line in YAML.
    let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let lines = text.matches(breaks).count() + 1;
    match policy::load(text, "fuzz.yaml") {
        Ok(policies) => {
            assert!(!policies.is_empty(), "neither policies nor problems");
            for policy in &policies {
                assert!((1..=policy.max_replicas).contains(&policy.min_replicas));
                assert!(!policy.window.is_zero());
                let line = policy.origin.line;
                assert!(line.is_some_and(|line| (1..=lines + 1).contains(&line)));
                let proposes = |metric: &policy::MetricPolicy| metric.response != Response::Observe;
                assert!(policy.metrics.iter().any(proposes));
                for metric in &policy.metrics {
                    assert!(metric.sampling > 0.0 && metric.sampling <= 1.0);
                    assert_eq!(proposes(metric), metric.threshold.is_some());
                }
            }
            // Clashes are found, or there are none; whichever.
            let _ = policy::check_set(&policies);
        }
        Err(problems) => {
            assert!((1..=MOST_PROBLEMS).contains(&problems.len()));
            for problem in problems {
                assert!((1..=lines + 1).contains(&problem.line), "{problem}");
                assert!(!problem.message.is_empty());
            }
        }
    }
}

/// Messages of an agent of node `n1`: only its own pods are believed, and whatever the numbers are,
/// decisions stay inside the bounds.
pub fn agent_message(bytes: &[u8]) {
    // As the stream's codec does.
    if frugal::weigh::<wire::AgentMessage>(bytes).is_err() {
        return;
    }
    let Ok(message) = wire::AgentMessage::decode(bytes) else {
        return;
    };
    let index = cluster::index();
    let received_at = Timestamp::from_secs(1_000);
    let Ok(Some(report)) = scaler::ingest::judge(&"n1".into(), message, received_at, &index) else {
        return;
    };
    let mut windows = Windows::default();
    for container in report.containers {
        let pod = index.pod(container.pod.as_str());
        let on_this_node = pod.and_then(|pod| pod.node.as_deref()) == Some("n1");
        assert!(on_this_node, "{} was believed", container.pod);
        assert!(container.sample.received_at <= received_at);
        windows.record(&container.pod, &container.container, container.sample);
    }
    if let Some(sample) = report.sample {
        windows.record_node("n1", sample);
    }
    for policy in cluster::policies() {
        let bounds = policy.min_replicas..=policy.max_replicas;
        let mut autoscaler = Autoscaler::new(policy);
        for second in [1_000, 1_001, 1_010] {
            let now = Timestamp::from_secs(second);
            let decision = autoscaler.decide(&cluster::observation(&windows), now);
            assert!(bounds.contains(&decision.desired), "{decision:?}");
        }
    }
}

/// Messages of a scaler: a plan whose parts are each kept or rejected, at a pace that can be kept.
pub fn configuration(bytes: &[u8]) {
    if frugal::weigh::<wire::ScalerMessage>(bytes).is_err() {
        return;
    }
    let Ok(message) = wire::ScalerMessage::decode(bytes) else {
        return;
    };
    let Some(wire::scaler_message::Message::Configuration(configuration)) = message.message else {
        return;
    };
    let wanted: Vec<usize> = configuration
        .targets
        .iter()
        .map(|target| target.metrics.len())
        .collect();
    let plan = Plan::from_configuration(configuration, DEFAULT_INTERVAL);
    assert!((SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&plan.interval));
    let Selection::Targets(targets) = plan.selection else {
        panic!("a configuration names targets");
    };
    assert_eq!(targets.len(), wanted.len());
    for (target, wanted) in targets.iter().zip(wanted) {
        assert!(target.settings.iter().count() + target.rejected.len() <= wanted);
        for (metric, rate) in target.settings.iter() {
            let probability = rate.probability();
            assert!(probability > 0.0 && probability <= 1.0, "{metric:?}");
        }
    }
}

/// Paths below the cgroup mount: a container's root is a prefix of the path, and a container itself.
pub fn cgroup_path(bytes: &[u8]) {
    let Ok(path) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(found) = membership(path) {
        assert!(path.starts_with(found.root), "{found:?}");
        assert_eq!(found.container.as_str().len(), 64);
        let again = membership(found.root).expect("the root of a container is one");
        assert_eq!(
            (&again.pod, &again.container),
            (&found.pod, &found.container)
        );
        assert_eq!(again.root, found.root);
    }
}

/// The kernel's description of its types: offsets, or a reason.
pub fn btf(bytes: &[u8]) {
    if let Err(error) = offsets_in(bytes) {
        assert!(!error.to_string().is_empty());
    }
}

/// A check by its name, which is also that of its corpus.
pub type Check = (&'static str, fn(&[u8]));

/// All of them.
pub const CHECKS: [Check; 5] = [
    ("policy_yaml", policy_yaml),
    ("agent_message", agent_message),
    ("configuration", configuration),
    ("cgroup_path", cgroup_path),
    ("btf", btf),
];
