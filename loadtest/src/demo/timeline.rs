//! What happened when, and the summary that follows from it; pure, so that every figure of the
//! summary can be tested on a made-up timeline.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::rest::{REST_SECONDS, Rest, Sighting, Unrest};
use crate::viperscale::ChangeDecision;

/// Seconds without a failed request after which the shop counts as recovered.
const QUIET_SECONDS: f64 = 5.0;

/// A change of `spec.replicas`, as the API server announced it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicaChange {
    /// Seconds since the run began.
    pub at: f64,
    /// The deployment.
    pub deployment: String,
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
}

/// One second of load, as Locust counted it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LoadSecond {
    /// Seconds since the run began, at the start of this second.
    pub at: f64,
    /// Requests answered during it.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
}

/// Everything a summary needs.
#[derive(Debug, Default)]
pub struct Timeline {
    /// When the load step began; none while it has not.
    pub step_at: Option<f64>,
    /// Replica changes in order of time.
    pub changes: Vec<ReplicaChange>,
    /// Seconds of load in order of time.
    pub load: Vec<LoadSecond>,
    /// Largest `spec.replicas` seen by deployment.
    pub peaks: BTreeMap<String, u32>,
    /// What metrics said lately, up to the step.
    pub sightings: VecDeque<Sighting>,
}

/// What the demo ends with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Whether the base load was at rest when the step began; if not, what came after the step may
    /// not be its doing.
    pub at_rest: bool,
    /// The deployments that were not.
    pub unrest: Vec<Unrest>,
    /// Whether a deployment grew because of the step.
    pub scaled: bool,
    /// From the load step to the first patch that raises a replica count because of it.
    pub first_patch_seconds: Option<f64>,
    /// The deployment of that patch.
    pub first_patch_deployment: Option<String>,
    /// From the load step to the end of the last second with a failed request; 0 when none failed,
    /// none while requests still failed shortly before the end.
    pub recovered_seconds: Option<f64>,
    /// Requests answered in the whole run.
    pub total_requests: u64,
    /// Those that failed.
    pub failed_requests: u64,
    /// Failed before the load step.
    pub failed_requests_before_step: u64,
    /// Failed after it and before the recovery (all of them when it did not recover).
    pub failed_requests_after_step: u64,
    /// The largest replica count of the deployment that grew first; of any, when none grew because
    /// of the step.
    pub peak_replicas: u32,
    /// The largest replica count of every deployment.
    pub peak_replicas_by_deployment: BTreeMap<String, u32>,
    /// All changes of replica counts.
    pub replica_changes: Vec<ReplicaChange>,
}

impl Timeline {
    /// Notes that a deployment asks for `replicas`.
    pub fn replicas(&mut self, at: f64, deployment: &str, replicas: u32) {
        let known = self
            .changes
            .iter()
            .rev()
            .find(|change| change.deployment == deployment);
        let from = known.map_or_else(|| self.peaks.get(deployment).copied(), |c| Some(c.to));
        let peak = self.peaks.entry(deployment.to_owned()).or_insert(replicas);
        *peak = replicas.max(*peak);
        if let Some(from) = from.filter(|&from| from != replicas) {
            let deployment = deployment.to_owned();
            self.changes.push(ReplicaChange {
                at,
                deployment,
                from,
                to: replicas,
            });
        }
    }

    /// Notes what the metrics of a deployment said, unless the step has begun; forgets what is too
    /// old to matter to a step that begins from now on.
    pub fn sighting(&mut self, sighting: Sighting) {
        if self.step_at.is_none() {
            // Twice, because the news of the step arrives after it.
            let oldest = sighting.at - 2.0 * REST_SECONDS;
            while self.sightings.front().is_some_and(|s| s.at < oldest) {
                self.sightings.pop_front();
            }
            self.sightings.push_back(sighting);
        }
    }

    /// Notes that a request ended.
    ///
    /// Requests may end slightly out of order; one from before the newest second counts there, and
    /// seconds without any request are filled in, because silence is also an answer.
    pub fn request(&mut self, at: f64, ok: bool) {
        let second = at.max(0.0).floor();
        let next = self.load.last().map_or(second, |last| last.at + 1.0);
        let mut missing = next;
        while missing <= second {
            self.load.push(LoadSecond {
                at: missing,
                requests: 0,
                failures: 0,
            });
            missing += 1.0;
        }
        if let Some(last) = self.load.iter_mut().rev().find(|last| last.at <= second) {
            last.requests += 1;
            last.failures += u64::from(!ok);
        }
    }

    /// The summary of what has happened so far; `decisions` are those that changed a replica count.
    pub fn summary(&self, decisions: &[ChangeDecision]) -> Summary {
        let rest = self.step_at.map(|step_at| Rest::before(step_at, self));
        let unrest = rest.as_ref().map(Rest::unrest).unwrap_or_default();
        let first = rest.and_then(|rest| {
            self.growths_after(self.step_at?)
                .find(|growth| rest.was_ended_by(growth, decisions))
        });
        let failures = |range: &dyn Fn(f64) -> bool| -> u64 {
            self.load
                .iter()
                .filter(|second| range(second.at))
                .map(|second| second.failures)
                .sum()
        };
        let step_at = self.step_at.unwrap_or(f64::INFINITY);
        let largest = self.peaks.values().copied().max().unwrap_or(0);
        Summary {
            at_rest: self.step_at.is_some() && unrest.is_empty(),
            unrest,
            scaled: first.is_some(),
            first_patch_seconds: first.map(|change| change.at - step_at),
            first_patch_deployment: first.map(|change| change.deployment.clone()),
            recovered_seconds: self.recovered_seconds(),
            total_requests: self.load.iter().map(|second| second.requests).sum(),
            failed_requests: failures(&|_| true),
            failed_requests_before_step: failures(&|at| at < step_at),
            failed_requests_after_step: failures(&|at| at >= step_at),
            peak_replicas: first
                .and_then(|change| self.peaks.get(&change.deployment).copied())
                .unwrap_or(largest),
            peak_replicas_by_deployment: self.peaks.clone(),
            replica_changes: self.changes.clone(),
        }
    }

    /// Changes to more replicas since `at`, in order of time.
    pub(super) fn growths_after(&self, at: f64) -> impl Iterator<Item = &ReplicaChange> {
        let changes = self.changes.iter();
        changes.filter(move |change| change.at >= at && change.to > change.from)
    }

    fn recovered_seconds(&self) -> Option<f64> {
        let step_at = self.step_at?;
        let end = self.load.last()?.at + 1.0;
        let mut bad = self
            .load
            .iter()
            .rev()
            .filter(|s| s.at >= step_at && s.failures > 0);
        let Some(last_bad) = bad.next() else {
            return Some(0.0);
        };
        let recovered_at = last_bad.at + 1.0;
        (end - recovered_at >= QUIET_SECONDS).then_some(recovered_at - step_at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rest::tests::{evidence, growth, rested};
    use super::*;

    fn timeline(failures: &[u64]) -> Timeline {
        let second = |(i, &failures): (usize, &u64)| LoadSecond {
            at: i as f64,
            requests: 10,
            failures,
        };
        Timeline {
            step_at: Some(3.0),
            load: failures.iter().enumerate().map(second).collect(),
            ..Timeline::default()
        }
    }

    #[test]
    fn the_first_growth_after_the_step_counts() {
        let mut timeline = rested();
        timeline.replicas(10.5, "cart", 1);
        timeline.replicas(11.25, "cart", 3);
        timeline.replicas(16.0, "cart", 5);
        let summary = timeline.summary(&[growth(11.27, evidence(30.0, 0.4, 3))]);
        assert_eq!(summary.first_patch_seconds, Some(1.25));
        assert_eq!(summary.first_patch_deployment.as_deref(), Some("cart"));
        assert_eq!(summary.peak_replicas, 5);
        assert_eq!(summary.replica_changes.len(), 2);
    }

    #[test]
    fn without_growth_nothing_was_scaled() {
        let mut timeline = timeline(&[0; 12]);
        timeline.replicas(0.0, "cart", 1);
        let summary = timeline.summary(&[]);
        assert!(!summary.scaled);
        assert_eq!(
            (summary.first_patch_seconds, summary.peak_replicas),
            (None, 1)
        );
    }

    #[test]
    fn recovery_ends_with_the_last_bad_second() {
        let summary = timeline(&[1, 0, 0, 0, 4, 2, 0, 1, 0, 0, 0, 0, 0, 0]).summary(&[]);
        assert_eq!(summary.recovered_seconds, Some(5.0));
        assert_eq!(summary.failed_requests_before_step, 1);
        assert_eq!(summary.failed_requests_after_step, 7);
    }

    #[test]
    fn failures_until_shortly_before_the_end_are_no_recovery() {
        let summary = timeline(&[0, 0, 0, 0, 4, 2, 0, 1, 0, 0, 0]).summary(&[]);
        assert_eq!(summary.recovered_seconds, None);
    }

    #[test]
    fn requests_are_counted_by_second_and_gaps_are_filled() {
        let mut timeline = Timeline::default();
        for (at, ok) in [(0.2, true), (0.9, false), (3.5, true), (2.9, false)] {
            timeline.request(at, ok);
        }
        let counts: Vec<_> = timeline
            .load
            .iter()
            .map(|s| (s.requests, s.failures))
            .collect();
        assert_eq!(counts, [(2, 1), (0, 0), (1, 1), (1, 0)]);
    }

    #[test]
    fn no_failures_need_no_recovery() {
        assert_eq!(timeline(&[0; 12]).summary(&[]).recovered_seconds, Some(0.0));
    }
}
