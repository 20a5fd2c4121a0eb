//! From what the metrics ask for to what may be done now.
//!
//! Source: the behaviour of `autoscaling/v2` when `spec.behavior` is set (KEP-853); the tables of
//! Kubernetes' own tests are replayed in `tests/hpa.rs`.

use std::time::Duration;

use super::history::History;
use super::{Amount, Behavior, Rules, SelectPolicy};
use crate::decision::Limit;
use crate::time::Timestamp;

/// The allowed number of replicas, and what kept it from the wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Replicas.
    pub replicas: u32,
    /// `None` when the wanted number is allowed.
    pub limit: Option<Limit>,
}

/// Takes the most cautious recommendation of each direction's window.
///
/// Up to the lowest, down to the highest recommendation of its window, `desired` among them;
/// between the two nothing changes.
#[must_use]
pub fn stabilize(
    behavior: &Behavior,
    recommendations: &History,
    current: u32,
    desired: u32,
    now: Timestamp,
) -> Allowed {
    let within = |rules: &Rules| recommendations.within(rules.stabilization_window, now);
    let up = within(&behavior.scale_up).fold(desired, u32::min);
    let down = within(&behavior.scale_down).fold(desired, u32::max);
    let replicas = current.max(up).min(down);
    let limit = match replicas == desired {
        true => None,
        false if desired >= current => Some(Limit::ScaleUpStabilized),
        false => Some(Limit::ScaleDownStabilized),
    };
    Allowed { replicas, limit }
}

/// Applies the rate limits, then `[min, max]`.
///
/// What was added and removed within a period is undone to find where the period began; each limit
/// counts from there.
#[must_use]
pub fn limit_rate(
    behavior: &Behavior,
    (ups, downs): (&History, &History),
    current: u32,
    desired: u32,
    (min, max): (u32, u32),
    now: Timestamp,
) -> Allowed {
    let changes = Changes { ups, downs, now };
    if desired > current {
        let limit = scale_up_limit(&behavior.scale_up, changes, current).max(current);
        let (bound, reason) = match limit < max {
            true => (limit, Limit::ScaleUpLimit),
            false => (max, Limit::TooManyReplicas),
        };
        if desired > bound {
            return Allowed {
                replicas: bound,
                limit: Some(reason),
            };
        }
    } else if desired < current {
        let limit = scale_down_limit(&behavior.scale_down, changes, current).min(current);
        let (bound, reason) = match limit > min {
            true => (limit, Limit::ScaleDownLimit),
            false => (min, Limit::TooFewReplicas),
        };
        if desired < bound {
            return Allowed {
                replicas: bound,
                limit: Some(reason),
            };
        }
    }
    Allowed {
        replicas: desired,
        limit: None,
    }
}

/// The past changes that rate limits count.
#[derive(Debug, Clone, Copy)]
pub struct Changes<'a> {
    /// Replicas added.
    pub ups: &'a History,
    /// Replicas removed.
    pub downs: &'a History,
    /// The end of every period.
    pub now: Timestamp,
}

impl Changes<'_> {
    /// Replicas when the period began. Signed: a past larger than the present is possible after
    /// somebody else's change.
    fn start(&self, current: u32, period: Duration) -> i64 {
        let sum = |history: &History| {
            history
                .within(period, self.now)
                .fold(0i64, |sum, change| sum + i64::from(change))
        };
        i64::from(current) - sum(self.ups) + sum(self.downs)
    }
}

/// The most replicas that `rules` allow now; percentages round up.
#[must_use]
pub fn scale_up_limit(rules: &Rules, changes: Changes<'_>, current: u32) -> u32 {
    select(rules, current, false, |amount, period| {
        let start = changes.start(current, period);
        match amount {
            Amount::Pods(pods) => start + i64::from(pods),
            Amount::Percent(percent) => ceil_percent(start, 100 + i64::from(percent)),
        }
    })
}

/// The fewest replicas that `rules` allow now; percentages of what remains are truncated.
#[must_use]
pub fn scale_down_limit(rules: &Rules, changes: Changes<'_>, current: u32) -> u32 {
    select(rules, current, true, |amount, period| {
        let start = changes.start(current, period);
        match amount {
            Amount::Pods(pods) => start - i64::from(pods),
            Amount::Percent(percent) => start.saturating_mul(100 - i64::from(percent)) / 100,
        }
    })
}

/// The limit that `selectPolicy` points at: the largest change or the smallest.
fn select(
    rules: &Rules,
    current: u32,
    downwards: bool,
    limit: impl Fn(Amount, Duration) -> i64,
) -> u32 {
    let limits = rules
        .policies
        .iter()
        .map(|policy| limit(policy.amount, policy.period));
    let chosen = match (rules.select_policy, downwards) {
        (SelectPolicy::Disabled, _) => None,
        (SelectPolicy::Max, false) | (SelectPolicy::Min, true) => limits.max(),
        (SelectPolicy::Min, false) | (SelectPolicy::Max, true) => limits.min(),
    };
    match chosen {
        None => current,
        Some(limit) => u32::try_from(limit.max(0)).unwrap_or(u32::MAX),
    }
}

/// `count` percent of `start`, rounded up.
fn ceil_percent(start: i64, percent: i64) -> i64 {
    let hundredfold = start.saturating_mul(percent);
    hundredfold.div_euclid(100) + i64::from(hundredfold.rem_euclid(100) > 0)
}
