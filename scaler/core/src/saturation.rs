//! Are the nodes full, so that more replicas would only add to the crowd?

use std::collections::BTreeSet;
use std::time::Duration;

use crate::pods::MeasuredPod;
use crate::sample::{NodeSample, Scheduling};
use crate::time::Timestamp;
use crate::windows::Windows;

/// A node whose CPUs are busy or stolen for at least this share of the time is full.
const FULL: f64 = 0.95;
/// Pods throttled in at least this share of their quota periods wait for their own quota.
const THROTTLED_PERIODS: f64 = 0.25;
/// So do pods whose throttling explains at least this share of their waiting.
const THROTTLED_WAIT: f64 = 0.5;

/// Why more replicas of `pods` would not help; `None` when they may.
///
/// A container waits because of its own quota, which more replicas cure anywhere, or because its
/// node is full, which they cure only on another node. So: every node of these pods is full, no
/// other node that reports has room, and the waiting is not explained by the pods' own quotas.
pub(crate) fn explain(
    pods: &[MeasuredPod<'_>],
    windows: &Windows,
    window: Duration,
    now: Timestamp,
) -> Option<String> {
    let nodes: BTreeSet<&str> = pods.iter().filter_map(|pod| pod.node.as_deref()).collect();
    if nodes.is_empty() {
        return None;
    }
    let mut busiest = 0.0f64;
    for node in &nodes {
        let busy = busy_share(windows, node, window, now)?;
        if busy < FULL {
            return None;
        }
        busiest = busiest.max(busy);
    }
    // The window dilutes what has just begun: after a step of load, the newest samples alone may
    // show that the pods have met their quota.
    for window in [window, Duration::ZERO] {
        let (scheduling, seconds) = scheduling_of(pods, window, now);
        if waits_for_its_quota(&scheduling, seconds) {
            return None;
        }
    }
    let has_room =
        |node: &str| busy_share(windows, node, window, now).is_some_and(|busy| busy < FULL);
    if windows.nodes().any(has_room) {
        return None;
    }
    Some(format!(
        "all {} nodes of the ready pods are full ({:.0} % busy) and no other has room; the waiting is not for the pods' own CPU quota",
        nodes.len(),
        busiest * 100.0
    ))
}

/// The share of CPU time that a node's CPUs were not idle; `None` when the node is silent.
fn busy_share(windows: &Windows, node: &str, window: Duration, now: Timestamp) -> Option<f64> {
    let capacity = |sample: &NodeSample| sample.interval.as_secs_f64() * f64::from(sample.cpus);
    let (mut busy, mut all) = (0.0, 0.0);
    for sample in windows.recent_node(node, window, now)? {
        busy += sample.busy.as_secs_f64() + sample.stolen.as_secs_f64();
        all += capacity(sample);
    }
    (all > 0.0).then(|| (busy / all).min(1.0))
}

/// What the scheduler did to all containers of `pods`, and the container-seconds it is over.
fn scheduling_of(pods: &[MeasuredPod<'_>], window: Duration, now: Timestamp) -> (Scheduling, f64) {
    let mut sum = Scheduling::default();
    let mut seconds = 0.0;
    for pod in pods {
        for container in &pod.containers {
            let samples = pod.windows.recent(&container.name, window, now);
            for sample in samples.into_iter().flatten() {
                if let Some(scheduling) = sample.scheduling() {
                    sum.merge(&scheduling);
                    seconds += sample.interval().as_secs_f64();
                }
            }
        }
    }
    (sum, seconds)
}

/// Whether the quota explains the waiting; also true when nobody waits at all.
fn waits_for_its_quota(scheduling: &Scheduling, seconds: f64) -> bool {
    let wait = scheduling.wait.as_secs_f64();
    if wait <= 0.0 {
        return true;
    }
    if scheduling.quota_periods > 0 {
        let share = scheduling.throttled_periods as f64 / scheduling.quota_periods as f64;
        if share >= THROTTLED_PERIODS {
            return true;
        }
    }
    // Throttling holds back every runnable thread at once, so its time counts once for each.
    let runnable = (wait + scheduling.on_cpu.as_secs_f64()) / seconds.max(f64::MIN_POSITIVE);
    scheduling.throttled.as_secs_f64() * runnable.max(1.0) / wait >= THROTTLED_WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn scheduling(wait_ms: u64, throttled_ms: u64, throttled_periods: u64) -> Scheduling {
        Scheduling {
            on_cpu: Duration::from_millis(200),
            wait: Duration::from_millis(wait_ms),
            throttled: Duration::from_millis(throttled_ms),
            throttled_periods,
            quota_periods: 10,
            ..Scheduling::default()
        }
    }

    #[test]
    fn throttling_explains_waiting_of_all_runnable_threads() {
        assert!(
            waits_for_its_quota(&scheduling(700, 700, 9), 1.0),
            "one thread, all throttled"
        );
        assert!(
            waits_for_its_quota(&scheduling(7000, 700, 1), 1.0),
            "ten threads, all throttled"
        );
        assert!(
            !waits_for_its_quota(&scheduling(700, 10, 1), 1.0),
            "the node is full"
        );
        assert!(
            waits_for_its_quota(&scheduling(0, 0, 0), 1.0),
            "nobody waits"
        );
    }

    #[test]
    fn a_silent_node_is_not_full() {
        let mut windows = Windows::default();
        let sample = NodeSample {
            received_at: Timestamp::from_secs(1),
            interval: SECOND,
            cpus: 2,
            busy: Duration::from_millis(1950),
            ..NodeSample::default()
        };
        windows.record_node("local", sample);
        let share = |now| busy_share(&windows, "local", SECOND, Timestamp::from_secs(now));
        assert_eq!(share(1), Some(0.975));
        assert_eq!(share(60), None);
    }
}
