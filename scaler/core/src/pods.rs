//! Sorts the pods of a deployment the way the HPA does.

use std::time::Duration;

use crate::Timestamp;
use crate::decision::PodCounts;
use crate::observation::{Observation, PodObservation, PodPhase};
use crate::windows::Windows;

/// The pods of a deployment, sorted.
///
/// The order of the questions is the HPA's, except that readiness is asked before samples: a pod
/// that starts up is silent for a known reason.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    /// Ready for longer than the warm-up: judged by their samples, or missing without.
    pub(crate) ready: Vec<&'a PodObservation>,
    /// Ready and serving, yet too young to be judged by what they do.
    pub(crate) warming: Vec<&'a PodObservation>,
    /// Pending, not ready, or asked for and not even there.
    pub(crate) starting: u32,
    /// Terminating, failed or finished.
    pub(crate) ignored: u32,
}

impl<'a> Groups<'a> {
    pub(crate) fn sort(observation: &'a Observation<'_>, warmup: Duration) -> Self {
        let mut groups = Self {
            ready: Vec::new(),
            warming: Vec::new(),
            starting: 0,
            ignored: 0,
        };
        for pod in &observation.pods {
            match pod.phase {
                _ if pod.terminating => groups.ignored += 1,
                PodPhase::Failed | PodPhase::Succeeded => groups.ignored += 1,
                PodPhase::Running if pod.ready => match pod.age {
                    Some(age) if age >= warmup => groups.ready.push(pod),
                    _ => groups.warming.push(pod),
                },
                PodPhase::Pending | PodPhase::Unknown | PodPhase::Running => groups.starting += 1,
            }
        }
        // Between the write and the first pod objects there is a gap, which must not look as if
        // the write had not happened.
        let there = groups.starting.saturating_add(groups.serving() as u32);
        groups.starting += observation.current_replicas.saturating_sub(there);
        groups
    }

    /// Pods that receive requests.
    pub(crate) fn serving(&self) -> usize {
        self.ready.len() + self.warming.len()
    }

    /// Pods that count as zero when the HPA's rule would scale up.
    pub(crate) fn unready(&self) -> u32 {
        self.starting.saturating_add(self.warming.len() as u32)
    }

    /// How many of each; a ready pod is missing when all of its containers are silent.
    pub(crate) fn counts(&self, windows: &Windows, now: Timestamp) -> PodCounts {
        let silent = |pod: &&&PodObservation| {
            pod.containers.iter().all(|container| {
                windows
                    .recent(&pod.uid, &container.name, Duration::ZERO, now)
                    .is_none()
            })
        };
        let missing = self.ready.iter().filter(silent).count() as u32;
        PodCounts {
            ready: self.ready.len() as u32 - missing,
            unready: self.unready(),
            missing,
            ignored: self.ignored,
        }
    }
}
