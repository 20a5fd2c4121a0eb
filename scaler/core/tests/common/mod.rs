//! A deployment to decide about, built in a few words.

#![allow(dead_code)] // each test binary uses its own part

use std::collections::BTreeMap;
use std::time::Duration;

use scaler_core::{
    Circumstances, ContainerObservation, ContainerSample, Log2Histogram, Metric, MetricDelta,
    NodeSample, Observation, PodObservation, PodPhase, ScalingPolicy, Scheduling, Timestamp,
    Windows, policy,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const FAULTS: &str = "{name: userPageFaults, threshold: 1000}";
pub(crate) const WAITING: &str = "{name: runqLatency, threshold: 2ms}";
pub(crate) const NO_LIMITS: &str = "maxReplicas: 20, behavior: {scaleUp: {policies: [{type: Pods, value: 100, periodSeconds: 1}]}, \
     scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 100, periodSeconds: 1}]}}";

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// A policy for deployment `a`; `metrics` and `rest` are YAML flow text.
pub(crate) fn policy(metrics: &str, rest: &str) -> ScalingPolicy {
    let text = format!(
        "apiVersion: viperscale.dev/v1alpha1\n\
         kind: ScalingPolicy\n\
         metadata: {{name: a, namespace: b}}\n\
         spec: {{scaleTargetRef: {{kind: Deployment, name: a}}, metrics: [{metrics}], {rest}}}\n"
    );
    policy::load(&text, "test")
        .unwrap_or_else(|errors| panic!("{errors:#?}"))
        .remove(0)
}

/// A running pod that has been ready for long.
pub(crate) fn pod(index: usize) -> PodObservation {
    PodObservation {
        uid: format!("pod-{index}").into(),
        name: format!("a-{index}").into(),
        node: Some("local".into()),
        phase: PodPhase::Running,
        terminating: false,
        ready: true,
        outdated: false,
        age: Some(Duration::from_secs(600)),
        containers: vec![ContainerObservation {
            name: "server".into(),
            cpu_limit: Some(0.2),
        }],
    }
}

pub(crate) fn pods(count: usize) -> Vec<PodObservation> {
    (0..count).map(pod).collect()
}

/// What one container did in one second: so many faults, and so many waits of so many ns.
pub(crate) fn sample(at: Timestamp, faults: u64, waits: u64, wait_ns: u64) -> ContainerSample {
    let mut histogram = Log2Histogram::default();
    histogram.record(wait_ns, waits);
    let waiting = MetricDelta {
        count: waits,
        sum: waits.saturating_mul(wait_ns),
        histogram,
        sampling: 1.0,
        relative_error: 0.0,
    };
    let faults = MetricDelta {
        count: faults,
        sum: faults,
        sampling: 1.0,
        ..MetricDelta::default()
    };
    ContainerSample {
        received_at: at,
        interval: SECOND,
        metrics: BTreeMap::from([
            (Metric::RunqLatency, waiting),
            (Metric::UserPageFaults, faults),
        ]),
        scheduling: None,
    }
}

/// Windows in which pods 0.. had these faults in the second before `now`.
pub(crate) fn with_faults(faults: &[u64], now: u64) -> Windows {
    let mut windows = Windows::default();
    for (index, faults) in faults.iter().enumerate() {
        windows.record(&pod(index).uid, "server", sample(at(now), *faults, 0, 0));
    }
    windows
}

/// The scheduling of a container whose quota of 0.2 cores is used up.
pub(crate) fn throttled() -> Scheduling {
    Scheduling {
        on_cpu: Duration::from_millis(200),
        wait: Duration::from_millis(2000),
        voluntary_switches: 40,
        involuntary_switches: 30,
        throttled: Duration::from_millis(700),
        throttled_periods: 9,
        quota_periods: 10,
    }
}

/// The scheduling of a container that waits for a CPU which others use.
pub(crate) fn crowded_out() -> Scheduling {
    Scheduling {
        throttled: Duration::ZERO,
        throttled_periods: 0,
        ..throttled()
    }
}

pub(crate) fn node(at: Timestamp, busy: f64) -> NodeSample {
    NodeSample {
        received_at: at,
        interval: SECOND,
        // As many as the largest deployment of these tests can use.
        cpus: 64,
        busy: Duration::from_secs_f64(64.0 * busy),
        ..NodeSample::default()
    }
}

pub(crate) fn observe(
    current: u32,
    pods: Vec<PodObservation>,
    windows: &Windows,
) -> Observation<'_> {
    Observation {
        current_replicas: current,
        pods,
        windows,
        circumstances: Circumstances::default(),
    }
}
