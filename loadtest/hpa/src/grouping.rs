//! Sorting pods by what their samples are worth.

use std::collections::BTreeSet;

use crate::client::{PodSample, PodSamples};
use crate::pod::{Phase, Pod};
use crate::settings::Settings;
use crate::time::Moment;

/// Pods by what their samples are worth; a pod is in exactly one group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodGroups {
    /// Pods whose samples count.
    pub ready: usize,
    /// Pods that are not ready, or whose CPU sample is from before they were.
    pub unready: BTreeSet<String>,
    /// Pods without a sample.
    pub missing: BTreeSet<String>,
    /// Pods that are gone or going.
    pub ignored: BTreeSet<String>,
}

/// Sorts `pods` by their samples of `resource` (`None` for custom metrics).
///
/// Readiness is only looked at for CPU: starting up burns CPU that says nothing about load.
pub fn group_pods(
    pods: &[&Pod],
    samples: &PodSamples,
    resource: Option<&str>,
    settings: &Settings,
    now: Moment,
) -> PodGroups {
    let mut groups = PodGroups::default();
    for pod in pods {
        let name = pod.name.clone();
        if pod.being_deleted || pod.phase == Phase::Failed {
            groups.ignored.insert(name);
        } else if pod.phase == Phase::Pending {
            groups.unready.insert(name);
        } else if let Some(sample) = samples.get(&pod.name) {
            if resource == Some("cpu") && !cpu_sample_counts(pod, sample, settings, now) {
                groups.unready.insert(name);
            } else {
                groups.ready += 1;
            }
        } else {
            groups.missing.insert(name);
        }
    }
    groups
}

fn cpu_sample_counts(pod: &Pod, sample: &PodSample, settings: &Settings, now: Moment) -> bool {
    let (Some(condition), Some(start)) = (pod.ready, pod.start_time) else {
        return false;
    };
    if start.plus(settings.cpu_initialization_period) > now {
        // Young: the sample must lie wholly after the pod became ready.
        condition.ready && sample.timestamp >= condition.last_transition.plus(sample.window)
    } else {
        // Old: an unready pod still counts, unless it never was ready, which is guessed from its
        // last transition being close to its start.
        condition.ready || start.plus(settings.initial_readiness_delay) <= condition.last_transition
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pod::ReadyCondition;

    /// One running pod (times in seconds, now = 0): is its CPU sample worth anything?
    fn counts(start: i64, ready: bool, transition: i64, sample_at: i64, window: u64) -> bool {
        let last_transition = Moment::from_secs(transition);
        let pod = Pod {
            name: "p".to_owned(),
            phase: Phase::Running,
            start_time: Some(Moment::from_secs(start)),
            ready: Some(ReadyCondition {
                ready,
                last_transition,
            }),
            ..Pod::default()
        };
        let timestamp = Moment::from_secs(sample_at);
        let window = Duration::from_secs(window);
        let sample = PodSample {
            value_milli: 1,
            timestamp,
            window,
        };
        let samples = PodSamples::from([("p".to_owned(), sample)]);
        let settings = Settings::default();
        group_pods(&[&pod], &samples, Some("cpu"), &settings, Moment::default()).ready == 1
    }

    #[test]
    fn the_initialization_period_ends_exactly_at_its_length() {
        assert!(
            !counts(-299, true, -20, -10, 15),
            "young: the sample began before readiness"
        );
        assert!(counts(-300, true, -20, -10, 15), "not young any more");
    }

    #[test]
    fn a_young_pods_sample_must_begin_when_it_was_ready_or_later() {
        assert!(
            counts(-60, true, -25, -10, 15),
            "begins exactly at the transition"
        );
        assert!(!counts(-60, true, -24, -10, 15));
        assert!(!counts(-60, false, -60, -1, 1), "unready");
    }

    #[test]
    fn an_old_unready_pod_counts_if_it_was_ever_ready() {
        assert!(
            counts(-1000, false, -970, 0, 15),
            "changed exactly 30 s after its start"
        );
        assert!(!counts(-1000, false, -971, 0, 15));
    }
}
