//! Pods and samples for the tests of semantics.

use std::time::Duration;

use stock_hpa::Moment;
use stock_hpa::behavior::{PolicyKind, ScalingPolicy};
use stock_hpa::client::{PodSample, PodSamples};
use stock_hpa::pod::{Container, Phase, Pod, ReadyCondition};

pub(crate) const NOW: Moment = Moment::from_secs(0);

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// An old pod requesting 1000 thousandths of everything.
pub(crate) fn pod(at: usize, ready: bool) -> Pod {
    let start = Moment::from_secs(-10_000);
    let requests = [("cpu".to_owned(), 1000), ("memory".to_owned(), 1000)].into();
    Pod {
        name: at.to_string(),
        labels: [("app".to_owned(), "shop".to_owned())].into(),
        phase: Phase::Running,
        start_time: Some(start),
        ready: Some(ReadyCondition {
            ready,
            last_transition: start,
        }),
        containers: vec![Container {
            name: "c".to_owned(),
            requests,
            restart_always: false,
        }],
        ..Pod::default()
    }
}

pub(crate) fn samples(values: &[i64]) -> PodSamples {
    let sample = |&value_milli| PodSample {
        value_milli,
        timestamp: NOW,
        window: secs(15),
    };
    values
        .iter()
        .enumerate()
        .map(|(at, value)| (at.to_string(), sample(value)))
        .collect()
}

pub(crate) fn policy(kind: PolicyKind, value: i32, period: u64) -> ScalingPolicy {
    ScalingPolicy {
        kind,
        value,
        period: secs(period),
    }
}
