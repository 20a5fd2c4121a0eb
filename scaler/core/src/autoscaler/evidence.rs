//! What each metric of a policy says about the pods.

use super::{Autoscaler, feed_key};
use crate::decision::Evidence;
use crate::explain;
use crate::measure::{Measurement, Wanted, measure};
use crate::observation::Observation;
use crate::pods::Groups;
use crate::policy::{MetricPolicy, Response, ScalingPolicy};
use crate::response::feed::{Feed, Serving};
use crate::response::{Proposal, Situation, proportional, step};
use crate::time::Timestamp;

impl Autoscaler {
    /// What each metric says.
    pub(super) fn evidence(
        &mut self,
        observation: &Observation<'_>,
        groups: &Groups<'_>,
        now: Timestamp,
    ) -> Vec<Evidence> {
        let serving = groups.all_serving();
        let settled = serving.len() - groups.warming.len();
        let Self { policy, feeds, .. } = self;
        let window = policy.window;
        // Demand is served by every pod that receives requests, however young or old; but how long they
        // wait is not judged while they start.
        let judged = |metric: &MetricPolicy| match (metric.response, settled) {
            (Response::Queueing, 0) => (serving.len(), groups.starting),
            (Response::Queueing, _) => (settled, groups.unready()),
            _ => (groups.ready.len(), groups.unready()),
        };
        let wanted: Vec<Wanted<'_>> = policy
            .metrics
            .iter()
            .map(|metric| Wanted {
                policy: metric,
                pods: judged(metric).0,
            })
            .collect();
        let mut all = Vec::with_capacity(policy.metrics.len());
        let measured = measure(&wanted, &serving, window, now);
        for (metric, mut measured) in policy.metrics.iter().zip(measured) {
            let (_, unready) = judged(metric);
            measured.missing = measured.missing.saturating_add(groups.contradictory);
            let proposal = match metric.response {
                Response::Observe => None,
                Response::Queueing => {
                    let serving = Serving {
                        pods: &serving,
                        settled,
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
        // While a rollout has more pods than were asked for, each of them counts for fewer.
        used: measured.used.min(current.max(1)),
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
