//! Everything together, for one policy.

use std::collections::BTreeMap;

use crate::behavior::{self, Allowed, History};
use crate::decision::{Decision, Evidence, Limit, PodCounts, Reason};
use crate::explain;
use crate::measure::{Measurement, measure};
use crate::observation::{Observation, PodObservation};
use crate::pods::Groups;
use crate::policy::{MetricPolicy, Mode, Response, ScalingPolicy};
use crate::response::feed::{Feed, Serving};
use crate::response::{Proposal, Situation, proportional, step};
use crate::saturation;
use crate::statistic::Statistic;
use crate::time::Timestamp;

/// Decides for one policy, and remembers what the next decision needs: recommendations, scale
/// events and what it learned. Its memory is bounded.
#[derive(Debug, Clone)]
pub struct Autoscaler {
    policy: ScalingPolicy,
    /// `None` until the first decision, which seeds it with what there is.
    recommendations: Option<History>,
    ups: History,
    downs: History,
    /// One per metric that is answered by queueing.
    feeds: BTreeMap<FeedKey, Feed>,
}

/// Queueing answers one metric only, so container and statistic tell its uses apart.
type FeedKey = (Option<String>, Statistic);

/// A replica count and what led to it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) desired: u32,
    /// What the metrics would have.
    pub(crate) wanted: u32,
    pub(crate) reason: Reason,
    pub(crate) limits: Vec<Limit>,
    /// Why it holds; empty where the evidence speaks for itself.
    pub(crate) note: String,
}

impl Autoscaler {
    /// Starts without memory.
    #[must_use]
    pub fn new(policy: ScalingPolicy) -> Self {
        Self {
            policy,
            recommendations: None,
            ups: History::default(),
            downs: History::default(),
            feeds: BTreeMap::new(),
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
        let groups = Groups::sort(observation, self.policy.warmup);
        let counts = groups.counts(observation.windows, now);
        let evidence = self.evidence(observation, &groups, now);
        let outcome = self.outcome(observation, &groups, counts, &evidence, now);
        let current = observation.current_replicas;
        Decision {
            desired: outcome.desired,
            current,
            mode: self.policy.mode,
            reason: outcome.reason,
            message: explain::message(current, &outcome, &evidence),
            conditions: explain::conditions(&outcome),
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

    /// What each metric says.
    fn evidence(
        &mut self,
        observation: &Observation<'_>,
        groups: &Groups<'_>,
        now: Timestamp,
    ) -> Vec<Evidence> {
        let serving: Vec<&PodObservation> = groups
            .ready
            .iter()
            .chain(&groups.warming)
            .copied()
            .collect();
        let Self { policy, feeds, .. } = self;
        let window = policy.window;
        let mut all = Vec::with_capacity(policy.metrics.len());
        for metric in &policy.metrics {
            // Demand is served by every pod that receives requests, however young.
            let (pods, unready) = match metric.response {
                Response::Queueing => (&serving, groups.starting),
                _ => (&groups.ready, groups.unready()),
            };
            let measured = measure(metric, pods, observation.windows, window, now);
            let proposal = match metric.response {
                Response::Observe => None,
                Response::Queueing => {
                    let serving = Serving {
                        pods,
                        current: observation.current_replicas,
                        windows: observation.windows,
                    };
                    feeds
                        .entry(feed_key(metric))
                        .or_insert_with(|| Feed::new(window))
                        .propose(metric, &measured, &serving, now)
                }
                Response::Step | Response::Proportional => by_threshold(
                    policy,
                    metric,
                    &measured,
                    unready,
                    observation.current_replicas,
                ),
            };
            all.push(explain::evidence(metric, &measured, unready, proposal));
        }
        all
    }

    /// The HPA's order: switched off, outside the bounds, without data, and only then the metrics.
    fn outcome(
        &mut self,
        observation: &Observation<'_>,
        groups: &Groups<'_>,
        counts: PodCounts,
        evidence: &[Evidence],
        now: Timestamp,
    ) -> Outcome {
        let current = observation.current_replicas;
        let (min, max) = (self.policy.min_replicas, self.policy.max_replicas);
        if current == 0 {
            let note = "spec.replicas is 0, scaling is switched off".to_owned();
            return Outcome::hold(current, Reason::ScalingDisabled, note);
        }
        if self.policy.mode == Mode::Paused {
            return Outcome::hold(current, Reason::Paused, "the policy is paused".to_owned());
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
                let mut outcome = Outcome::hold(current, Reason::InsufficientData, note);
                outcome.limits.extend(partial.then_some(Limit::PartialData));
                return outcome;
            }
        };
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

/// The responses that compare a value with a threshold; `None` without a value.
fn by_threshold(
    policy: &ScalingPolicy,
    metric: &MetricPolicy,
    measured: &Measurement,
    unready: u32,
    current: u32,
) -> Option<Proposal> {
    let situation = Situation {
        value: measured.value?,
        threshold: metric.threshold?.value(),
        current,
        used: measured.used,
        missing: measured.missing,
        unready,
        tolerance_up: policy.behavior.scale_up.tolerance,
        tolerance_down: policy.behavior.scale_down.tolerance,
    };
    // A 95th percentile of seven events is their maximum: no ground for more replicas.
    let needed = metric
        .statistic
        .quantile()
        .map_or(0.0, |quantile| 1.0 / (1.0 - quantile));
    if situation.value > situation.threshold && (measured.events as f64) < needed.round() {
        let detail = format!(
            "above the threshold, but of {} events only",
            measured.events
        );
        return Some(Proposal::new(current, detail));
    }
    Some(match metric.response {
        Response::Step => step::propose(&situation),
        _ => proportional::propose(&situation),
    })
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

impl Outcome {
    fn hold(current: u32, reason: Reason, note: String) -> Self {
        Self {
            desired: current,
            wanted: current,
            reason,
            limits: Vec::new(),
            note,
        }
    }

    fn bound(bound: u32, reason: Reason, limit: Limit) -> Self {
        Self {
            desired: bound,
            wanted: bound,
            reason,
            limits: vec![limit],
            note: String::new(),
        }
    }

    fn normal(
        current: u32,
        wanted: u32,
        stabilized: Allowed,
        allowed: Allowed,
        (min, max): (u32, u32),
    ) -> Self {
        let reason = match wanted.cmp(&current) {
            std::cmp::Ordering::Greater => Reason::AboveThreshold,
            std::cmp::Ordering::Less => Reason::BelowThreshold,
            std::cmp::Ordering::Equal => Reason::WithinThreshold,
        };
        Self {
            // The bounds hold whatever was computed before.
            desired: allowed.replicas.clamp(min, max),
            wanted,
            reason,
            limits: [stabilized.limit, allowed.limit]
                .into_iter()
                .flatten()
                .collect(),
            note: String::new(),
        }
    }
}
