//! Sorts the pods of a deployment the way the HPA does.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use crate::Timestamp;
use crate::decision::PodCounts;
use crate::observation::{Observation, PodObservation, PodPhase};
use crate::sample::PodUid;
use crate::windows::PodWindows;

/// A pod, and what was measured of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MeasuredPod<'a> {
    pub(crate) pod: &'a PodObservation,
    pub(crate) windows: PodWindows<'a>,
}

impl Deref for MeasuredPod<'_> {
    type Target = PodObservation;

    fn deref(&self) -> &PodObservation {
        self.pod
    }
}

/// The pods of a deployment, sorted.
///
/// The order of the questions is the HPA's, except that readiness is asked before samples: a pod
/// that starts up is silent for a known reason.
///
/// During a rollout, pods of older ReplicaSets are judged until half of the replicas asked for are
/// newer pods beyond their warm-up; from then on those speak for the deployment, and the old ones
/// only serve. So neither what the new version does while it starts nor what the old one did in the
/// end moves the count, and a rollout that is stuck at its start does not blind the policy.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    /// Ready for longer than the warm-up: judged by their samples, or missing without.
    pub(crate) ready: Vec<MeasuredPod<'a>>,
    /// Ready and serving, yet too young to be judged by what they do.
    pub(crate) warming: Vec<MeasuredPod<'a>>,
    /// Ready and serving, of an older ReplicaSet, and spoken for by newer pods.
    pub(crate) leaving: Vec<MeasuredPod<'a>>,
    /// Ready for longer than the warm-up, with samples that contradict each other.
    pub(crate) contradictory: u32,
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
            leaving: Vec::new(),
            contradictory: 0,
            starting: 0,
            ignored: 0,
        };
        for pod in &observation.pods {
            let measured = || MeasuredPod {
                pod,
                windows: observation.windows.of(&pod.uid),
            };
            match pod.phase {
                _ if pod.terminating => groups.ignored += 1,
                PodPhase::Failed | PodPhase::Succeeded => groups.ignored += 1,
                PodPhase::Running if pod.ready => match pod.age {
                    Some(age) if age >= warmup => groups.ready.push(measured()),
                    _ => groups.warming.push(measured()),
                },
                PodPhase::Pending | PodPhase::Unknown | PodPhase::Running => groups.starting += 1,
            }
        }
        // Between the write and the first pod objects there is a gap, which must not look as if
        // the write had not happened.
        let there = groups.starting.saturating_add(groups.serving() as u32);
        groups.starting += observation.current_replicas.saturating_sub(there);
        groups.let_newer_speak(observation.current_replicas);
        groups
    }

    /// Moves the pods of older ReplicaSets out of those that are judged, once enough newer ones are.
    fn let_newer_speak(&mut self, current_replicas: u32) {
        let newer = self.ready.iter().filter(|pod| !pod.outdated).count();
        let enough = (current_replicas.div_ceil(2).max(1)) as usize;
        if newer >= enough {
            let (leaving, ready) = std::mem::take(&mut self.ready)
                .into_iter()
                .partition(|pod| pod.outdated);
            (self.leaving, self.ready) = (leaving, ready);
        }
    }

    /// Takes the pods that are not believed out of those whose samples count.
    pub(crate) fn set_aside<T>(&mut self, doubted: &BTreeMap<&PodUid, T>) {
        let believed = |pod: &MeasuredPod<'_>| !doubted.contains_key(&pod.uid);
        let (ready, warming) = (self.ready.len(), self.warming.len());
        self.ready.retain(believed);
        self.warming.retain(believed);
        self.leaving.retain(believed);
        self.contradictory = (ready - self.ready.len()) as u32;
        self.starting += (warming - self.warming.len()) as u32;
    }

    /// Those pods: first the settled ones, then the warming.
    pub(crate) fn all_serving(&self) -> Vec<MeasuredPod<'a>> {
        let settled = self.ready.iter().chain(&self.leaving);
        settled.chain(&self.warming).copied().collect()
    }

    /// Pods that receive requests.
    pub(crate) fn serving(&self) -> usize {
        self.ready.len() + self.warming.len() + self.leaving.len()
    }

    /// Pods that count as zero when the HPA's rule would scale up.
    pub(crate) fn unready(&self) -> u32 {
        self.starting.saturating_add(self.warming.len() as u32)
    }

    /// How many of each; a ready pod is missing when all of its containers are silent.
    pub(crate) fn counts(&self, now: Timestamp) -> PodCounts {
        let silent = |pod: &&MeasuredPod<'_>| {
            pod.containers.iter().all(|container| {
                let latest = pod.windows.recent(&container.name, Duration::ZERO, now);
                latest.is_none()
            })
        };
        let missing = self.ready.iter().filter(silent).count() as u32;
        PodCounts {
            ready: self.ready.len() as u32 - missing,
            unready: self.unready(),
            missing: missing.saturating_add(self.contradictory),
            contradictory: self.contradictory,
            leaving: self.leaving.len() as u32,
            ignored: self.ignored,
        }
    }
}
