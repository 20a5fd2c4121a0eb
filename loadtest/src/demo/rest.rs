//! Was the shop at rest before the load step, and was a growth after it the step's doing? Pure.
//!
//! A deployment is *at rest* when, in the last [`REST_SECONDS`] before the step, its replica count did not change, its
//! metrics were measured, and none of them was over its threshold. A growth is *the step's* when
//!
//! - its deployment was at rest,
//! - its patch came late enough for the decision to rest on a report about time after the step, and
//! - a metric that asked for more had more to do than at any time of that rest.
//!
//! The shop was at rest when every deployment was that changed in those seconds or grew after them. The others are not
//! asked: on a busy machine some pod always waits for a neighbour now and then, and where nothing follows from it, it
//! disturbs nothing.

use serde::Serialize;

use super::timeline::{ReplicaChange, Timeline};
use crate::viperscale::{ChangeDecision, Evidence};

/// Seconds before the step that are looked at; what a statistic of the shop's policies looks back over.
pub(super) const REST_SECONDS: f64 = 5.0;

/// Seconds that a report needs at most to become a patch: one that came sooner after the step was decided before it.
const REPORT_TO_PATCH_SECONDS: f64 = 0.1;

/// Seconds by which the scaler's and the API server's account of one change may differ.
const SAME_CHANGE_SECONDS: f64 = 1.0;

/// What the metrics of a deployment said at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Seconds since the run began, of the decision.
    pub at: f64,
    /// The deployment.
    pub deployment: String,
    /// Its metrics.
    pub evidence: Vec<Evidence>,
}

/// A deployment that was not at rest when the step began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unrest {
    /// The deployment.
    pub deployment: String,
    /// How it showed.
    pub reason: String,
}

/// The last seconds before the step.
pub(super) struct Rest<'a> {
    timeline: &'a Timeline,
    step_at: f64,
}

impl<'a> Rest<'a> {
    /// Those of `timeline`, whose step began at `step_at`.
    pub(super) fn before(step_at: f64, timeline: &'a Timeline) -> Self {
        Self { timeline, step_at }
    }

    /// Every deployment that changed, or grew afterwards, and was not at rest; by name.
    pub(super) fn unrest(&self) -> Vec<Unrest> {
        let grew = self.timeline.growths_after(self.step_at);
        let moved = self.changes().chain(grew);
        let mut deployments: Vec<&String> = moved.map(|change| &change.deployment).collect();
        deployments.sort();
        deployments.dedup();
        let unrest = |deployment: &String| {
            Some(Unrest {
                deployment: deployment.clone(),
                reason: self.unrest_of(deployment)?,
            })
        };
        deployments.into_iter().filter_map(unrest).collect()
    }

    /// Whether `change`, which came after the step, came because of it.
    pub(super) fn was_ended_by(
        &self,
        change: &ReplicaChange,
        decisions: &[ChangeDecision],
    ) -> bool {
        let same = |decision: &&ChangeDecision| {
            decision.deployment == change.deployment
                && (decision.from, decision.to) == (change.from, change.to)
                && (decision.at - change.at).abs() <= SAME_CHANGE_SECONDS
        };
        // Without a decision of the scaler, somebody else changed it.
        let Some(decision) = decisions.iter().find(same) else {
            return false;
        };
        change.at >= self.step_at + REPORT_TO_PATCH_SECONDS
            && self.unrest_of(&change.deployment).is_none()
            && decision
                .evidence
                .iter()
                .filter(|evidence| evidence.proposal > Some(change.from))
                .any(|evidence| self.is_more(&change.deployment, evidence))
    }

    /// Why `deployment` was not at rest; none when it was.
    fn unrest_of(&self, deployment: &str) -> Option<String> {
        if let Some(change) = self.changes().find(|c| c.deployment == deployment) {
            let (from, to, before) = (change.from, change.to, self.step_at - change.at);
            return Some(format!("{from} -> {to} {before:.1} s before the step"));
        }
        let mut measured = false;
        for sighting in self.sightings().filter(|s| s.deployment == deployment) {
            if let Some(over) = sighting.evidence.iter().find(|metric| metric.is_over()) {
                let before = self.step_at - sighting.at;
                return Some(format!(
                    "{} {} over its threshold {before:.1} s before the step",
                    over.metric, over.value_text
                ));
            }
            measured |= sighting.evidence.iter().any(|e| e.value.is_some());
        }
        (!measured).then(|| "not measured before the step".to_owned())
    }

    /// Whether `evidence` has more to do than its metric had at any time of the rest: a higher demand, or a higher value
    /// where none is computed. While all pods warm up there is no demand; such times say nothing about it.
    fn is_more(&self, deployment: &str, evidence: &Evidence) -> bool {
        let load = |of: &Evidence| match evidence.demand_cores {
            Some(_) => of.demand_cores,
            None => of.value,
        };
        let before = self
            .sightings()
            .filter(|sighting| sighting.deployment == deployment)
            .flat_map(|sighting| &sighting.evidence)
            .filter(|earlier| earlier.metric == evidence.metric)
            .filter_map(load)
            .max_by(f64::total_cmp);
        before.is_some() && load(evidence) > before
    }

    fn is_within(&self, at: f64) -> bool {
        (self.step_at - REST_SECONDS..self.step_at).contains(&at)
    }

    fn sightings(&self) -> impl Iterator<Item = &'a Sighting> {
        let all = self.timeline.sightings.iter();
        all.filter(|sighting| self.is_within(sighting.at))
    }

    fn changes(&self) -> impl Iterator<Item = &'a ReplicaChange> {
        let all = self.timeline.changes.iter();
        all.filter(|change| self.is_within(change.at))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::demo) fn evidence(value: f64, demand: f64, proposal: u32) -> Evidence {
        Evidence {
            metric: "runqLatency".to_owned(),
            value_text: format!("{value}ms"),
            value: Some(value),
            threshold: Some(5.0),
            proposal: Some(proposal),
            demand_cores: Some(demand),
        }
    }

    /// Ten seconds of `cart` at rest, and the step.
    pub(in crate::demo) fn rested() -> Timeline {
        let mut timeline = Timeline::default();
        timeline.replicas(0.0, "cart", 1);
        for second in 0..10 {
            timeline.sighting(Sighting {
                at: f64::from(second) + 0.5,
                deployment: "cart".to_owned(),
                evidence: vec![evidence(1.0, 0.05, 1)],
            });
        }
        timeline.step_at = Some(10.0);
        timeline
    }

    pub(in crate::demo) fn growth(at: f64, evidence: Evidence) -> ChangeDecision {
        ChangeDecision {
            at,
            deployment: "cart".to_owned(),
            from: 1,
            to: 3,
            reason: "AboveThreshold".to_owned(),
            message: String::new(),
            evidence: vec![evidence],
        }
    }

    /// Whether a patch at `at`, decided on `evidence`, counts.
    fn counts(timeline: &mut Timeline, at: f64, evidence: Evidence) -> bool {
        timeline.replicas(at, "cart", 3);
        let summary = timeline.summary(&[growth(at + 0.02, evidence)]);
        assert_eq!(summary.scaled, summary.first_patch_seconds.is_some());
        summary.scaled
    }

    #[test]
    fn growth_with_more_to_do_than_at_rest_is_the_steps() {
        assert!(counts(&mut rested(), 11.2, evidence(30.0, 0.4, 3)));
        assert!(rested().summary(&[]).at_rest);
    }

    #[test]
    fn growth_on_no_more_than_the_base_load_is_not() {
        assert!(!counts(&mut rested(), 11.2, evidence(30.0, 0.05, 3)));
    }

    #[test]
    fn times_without_a_demand_say_nothing_about_it() {
        let warming = Sighting {
            at: 6.0,
            deployment: "cart".to_owned(),
            evidence: vec![Evidence {
                demand_cores: None,
                ..evidence(2.0, 0.0, 1)
            }],
        };
        let mut timeline = rested();
        timeline.sightings.push_back(warming);
        assert!(counts(&mut timeline, 11.2, evidence(30.0, 0.4, 3)));
    }

    #[test]
    fn a_metric_that_asks_for_nothing_proves_nothing() {
        assert!(!counts(&mut rested(), 11.2, evidence(30.0, 0.4, 1)));
    }

    #[test]
    fn growth_that_was_decided_before_the_step_is_not_the_steps() {
        assert!(!counts(&mut rested(), 10.05, evidence(30.0, 0.4, 3)));
    }

    #[test]
    fn growth_that_the_scaler_did_not_decide_is_not_the_steps() {
        let mut timeline = rested();
        timeline.replicas(11.2, "cart", 3);
        assert!(!timeline.summary(&[]).scaled);
        let other = growth(14.0, evidence(30.0, 0.4, 3));
        assert!(!timeline.summary(&[other]).scaled);
    }

    #[test]
    fn a_metric_over_its_threshold_shortly_before_the_step_is_unrest() {
        let at = |at| {
            let mut timeline = rested();
            timeline.sightings.push_back(Sighting {
                at,
                deployment: "cart".to_owned(),
                evidence: vec![evidence(7.0, 0.05, 1)],
            });
            timeline.replicas(11.2, "cart", 3);
            timeline
        };
        let mut timeline = at(9.0);
        let unrest = timeline.summary(&[]).unrest;
        assert_eq!(unrest.len(), 1);
        assert_eq!(unrest[0].deployment, "cart");
        assert!(unrest[0].reason.contains("runqLatency 7ms"), "{unrest:?}");
        assert!(unrest[0].reason.contains("1.0 s before"), "{unrest:?}");
        assert!(!counts(&mut timeline, 11.2, evidence(30.0, 0.4, 3)));

        for early_or_late in [4.9, 10.1] {
            assert!(at(early_or_late).summary(&[]).at_rest, "{early_or_late}");
        }
    }

    #[test]
    fn what_led_to_nothing_is_no_unrest() {
        let mut timeline = rested();
        timeline.sightings.push_back(Sighting {
            at: 9.0,
            deployment: "ad".to_owned(),
            evidence: vec![evidence(7.0, 0.05, 1)],
        });
        assert!(timeline.summary(&[]).at_rest);
    }

    #[test]
    fn a_change_shortly_before_the_step_is_unrest() {
        let mut timeline = rested();
        timeline.replicas(8.0, "cart", 2);
        let summary = timeline.summary(&[]);
        assert!(!summary.at_rest);
        assert_eq!(summary.unrest[0].reason, "1 -> 2 2.0 s before the step");
    }

    #[test]
    fn a_deployment_without_measurements_is_not_at_rest() {
        let mut timeline = rested();
        timeline.replicas(0.0, "ad", 1);
        timeline.replicas(11.2, "ad", 2);
        assert_eq!(timeline.summary(&[]).unrest[0].deployment, "ad");
    }

    #[test]
    fn without_a_step_there_was_no_rest_before_it() {
        let timeline = Timeline {
            step_at: None,
            ..rested()
        };
        assert!(!timeline.summary(&[]).at_rest);
    }
}
