//! Everything together, for one policy.

mod evidence;
mod handover;
mod memory;

use std::collections::BTreeMap;

use crate::behavior::{self, History};
use crate::contradiction;
use crate::decision::{Decision, Evidence, Limit, PodCounts, Reason};
use crate::explain;
use crate::fallback::Silence;
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::pods::Groups;
use crate::policy::{MetricPolicy, Mode, Response, ScalingPolicy};
use crate::response::feed::Feed;
use crate::saturation;
use crate::statistic::Statistic;
use crate::time::Timestamp;

pub use handover::Learned;
pub use memory::Memory;

/// Decides for one policy, and remembers what the next decision needs: recommendations, scale
/// events and what it learned. Its memory is bounded.
#[derive(Debug, Clone)]
pub struct Autoscaler {
    policy: ScalingPolicy,
    /// `None` until the first decision, which seeds it with what there is.
    recommendations: Option<History>,
    ups: History,
    downs: History,
    /// Before this moment what is measured does not cover a whole window, so nothing is taken away.
    settled_at: Option<Timestamp>,
    /// One per metric that is answered by queueing.
    feeds: BTreeMap<FeedKey, Feed>,
    silence: Silence,
}

/// Queueing answers one metric only, so container and statistic tell its uses apart.
type FeedKey = (Option<String>, Statistic);

impl Autoscaler {
    /// Starts without memory.
    #[must_use]
    pub fn new(policy: ScalingPolicy) -> Self {
        Self {
            policy,
            recommendations: None,
            ups: History::default(),
            downs: History::default(),
            settled_at: None,
            feeds: BTreeMap::new(),
            silence: Silence::default(),
        }
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &ScalingPolicy {
        &self.policy
    }

    /// Puts a new version of the policy in force. The memory stays, save what was learned about
    /// metrics that are measured differently from now on.
    pub fn set_policy(&mut self, policy: ScalingPolicy) {
        if policy.window != self.policy.window {
            self.feeds.clear();
        }
        self.policy = policy;
        let metrics = &self.policy.metrics;
        self.feeds.retain(|key, _| {
            metrics
                .iter()
                .any(|metric| metric.response == Response::Queueing && feed_key(metric) == *key)
        });
    }

    /// What shall be done now. Call it about once a second; carrying it out is the caller's
    /// business, who then calls [`Autoscaler::scaled`].
    pub fn decide(&mut self, observation: &Observation<'_>, now: Timestamp) -> Decision {
        self.decide_as_if(observation, observation.current_replicas, now)
    }

    /// What would be done now, if the deployment asked for `current` replicas though its pods and
    /// what they do are those of `observation`: for asking what another policy would have done
    /// about a recorded load.
    ///
    /// What each metric asks for follows from the pods that were measured, since it was them who
    /// carried the load; bounds, stabilisation and rate limits follow from `current`. How the
    /// waiting would have answered to another number of pods nobody knows, so it stays as it was.
    pub fn decide_as_if(
        &mut self,
        observation: &Observation<'_>,
        current: u32,
        now: Timestamp,
    ) -> Decision {
        let mut groups = Groups::sort(observation, self.policy.warmup);
        let serving = groups.all_serving();
        let windows = observation.windows;
        let ScalingPolicy {
            metrics, window, ..
        } = &self.policy;
        let doubts = contradiction::find(metrics, &serving, windows, *window, now);
        groups.set_aside(&doubts);
        let counts = groups.counts(now);
        let evidence = self.evidence(observation, &groups, now);
        self.silence.hear(&evidence, now);
        let situation = (observation, current);
        let mut outcome = self.outcome(situation, &groups, counts, &evidence, now);
        if let (Reason::InsufficientData, Some(doubt)) = (outcome.reason, doubts.values().next()) {
            outcome.note = format!("{} (contradictory samples: {doubt})", outcome.note);
        }
        let conflict = observation.circumstances.conflict();
        Decision {
            desired: outcome.desired,
            current,
            mode: self.policy.mode,
            reason: outcome.reason,
            message: explain::message(self.policy.mode, current, &outcome, &evidence),
            conditions: explain::conditions(self.policy.mode, &outcome, conflict.as_deref()),
            evidence,
            limits: outcome.limits,
            pods: counts,
        }
    }

    /// Remembers that the replica count was changed, for the rate limits. Call it after the write
    /// succeeded.
    pub fn scaled(&mut self, from: u32, to: u32, now: Timestamp) {
        let rules = &self.policy.behavior;
        let (history, rules) = match to > from {
            true => (&mut self.ups, &rules.scale_up),
            false => (&mut self.downs, &rules.scale_down),
        };
        if to != from {
            history.store(to.abs_diff(from), rules.longest_period(), now);
        }
    }

    /// The HPA's order: switched off, outside the bounds, without data, and only then the metrics.
    fn outcome(
        &mut self,
        (observation, current): (&Observation<'_>, u32),
        groups: &Groups<'_>,
        counts: PodCounts,
        evidence: &[Evidence],
        now: Timestamp,
    ) -> Outcome {
        let (min, max) = (self.policy.min_replicas, self.policy.max_replicas);
        if current == 0 {
            let note = "spec.replicas is 0, scaling is switched off".to_owned();
            return Outcome::hold(current, Reason::ScalingDisabled, note);
        }
        if self.policy.mode == Mode::Paused {
            return Outcome::hold(current, Reason::Paused, "the policy is paused".to_owned());
        }
        if let Some(why) = &observation.circumstances.outdated {
            return Outcome::hold(current, Reason::ClusterSilent, why.clone())
                .limited_by(Limit::ClusterSilent);
        }
        let recommendations = self.recommendations.get_or_insert_with(|| {
            FromIterator::from_iter([behavior::Entry {
                replicas: current,
                at: now,
            }])
        });
        let keep = self
            .policy
            .behavior
            .scale_up
            .stabilization_window
            .max(self.policy.behavior.scale_down.stabilization_window);
        // A dry run beside another autoscaler is how people compare the two.
        if self.policy.mode == Mode::Active
            && let Some(conflict) = observation.circumstances.conflict()
        {
            // The other one's count is as good as a recommendation: once it is gone, the way down
            // takes a whole window.
            recommendations.renew(current, keep, now);
            return Outcome::hold(current, Reason::Conflict, conflict).limited_by(Limit::Conflict);
        }
        if current < min {
            return Outcome::bound(min, Reason::TooFewReplicas, Limit::TooFewReplicas);
        }
        if current > max {
            return Outcome::bound(max, Reason::TooManyReplicas, Limit::TooManyReplicas);
        }
        let wanted = match largest_proposal(evidence, current) {
            Ok(wanted) => wanted,
            // Nothing is recommended, so nothing is remembered, as in the HPA: else a gap would
            // hold the replicas for a whole window after it.
            Err(partial) => {
                let note = explain::silence(evidence, counts);
                let at_least = self.policy.fallback.filter(|_| !partial);
                if let Some(wanted) =
                    at_least.and_then(|fallback| fallback.wanted(self.silence.lasts(now), current))
                {
                    recommendations.renew(wanted, keep, now);
                    let rules = &self.policy.behavior;
                    let changes = (&self.ups, &self.downs);
                    let allowed =
                        behavior::limit_rate(rules, changes, current, wanted, (min, max), now);
                    return Outcome::fallback(wanted, allowed, (min, max), note);
                }
                let mut outcome = Outcome::hold(current, Reason::InsufficientData, note);
                outcome.limits.extend(partial.then_some(Limit::PartialData));
                return outcome;
            }
        };
        if wanted < current && self.settled_at.is_some_and(|settled| now < settled) {
            let note = format!(
                "decisions began less than {:?} ago: nothing is taken away before the window is full",
                self.policy.window
            );
            return Outcome::hold(current, Reason::InsufficientData, note);
        }
        if wanted > current
            && let Some(note) =
                saturation::explain(&groups.ready, observation.windows, self.policy.window, now)
        {
            recommendations.renew(current, keep, now);
            let mut outcome = Outcome::hold(current, Reason::NodeSaturated, note);
            outcome.wanted = wanted;
            outcome.limits.push(Limit::NodeSaturated);
            return outcome;
        }
        let rules = &self.policy.behavior;
        let stabilized = behavior::stabilize(rules, recommendations, current, wanted, now);
        recommendations.renew(wanted, keep, now);
        let changes = (&self.ups, &self.downs);
        let allowed = behavior::limit_rate(
            rules,
            changes,
            current,
            stabilized.replicas,
            (min, max),
            now,
        );
        Outcome::normal(current, wanted, stabilized, allowed, (min, max))
    }
}

fn feed_key(metric: &MetricPolicy) -> FeedKey {
    (metric.container.clone(), metric.statistic)
}

/// The largest proposal wins. Without any, or when the largest is below `current` and a metric has
/// no data (`Err(true)`), nothing may be done.
fn largest_proposal(evidence: &[Evidence], current: u32) -> Result<u32, bool> {
    let proposing = || {
        evidence
            .iter()
            .filter(|metric| metric.response != Response::Observe)
    };
    let largest = proposing()
        .filter_map(|metric| metric.proposal)
        .max()
        .ok_or(false)?;
    let partial = proposing().any(|metric| metric.proposal.is_none());
    match partial && largest < current {
        true => Err(true),
        false => Ok(largest),
    }
}
