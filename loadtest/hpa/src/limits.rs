//! Bounds and rate limits of one step.

use serde::{Deserialize, Serialize};

use crate::behavior::{PolicyKind, Rules, ScalingPolicy, SelectPolicy};
use crate::history::{ScaleEvent, change_within};
use crate::settings::Settings;
use crate::time::Moment;

/// What limited a step; a reason of the `ScalingLimited` condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// Nothing.
    DesiredWithinRange,
    /// `minReplicas`.
    TooFewReplicas,
    /// `maxReplicas`.
    TooManyReplicas,
    /// The rate upwards.
    ScaleUpLimit,
    /// The rate downwards.
    ScaleDownLimit,
}

/// Replicas a step goes from and to, and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Replicas now.
    pub current: i32,
    /// Replicas wanted.
    pub desired: i32,
    /// `minReplicas`.
    pub min: i32,
    /// `maxReplicas`.
    pub max: i32,
}

/// The changes of the past that count against the rates.
#[derive(Debug, Clone, Copy)]
pub struct Events<'a> {
    /// Replicas added.
    pub up: &'a [ScaleEvent],
    /// Replicas removed.
    pub down: &'a [ScaleEvent],
}

impl Limit {
    /// The reason, as the condition names it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::DesiredWithinRange => "DesiredWithinRange",
            Self::TooFewReplicas => "TooFewReplicas",
            Self::TooManyReplicas => "TooManyReplicas",
            Self::ScaleUpLimit => "ScaleUpLimit",
            Self::ScaleDownLimit => "ScaleDownLimit",
        }
    }

    /// The condition's message.
    pub fn message(self) -> &'static str {
        match self {
            Self::DesiredWithinRange => "the desired count is within the acceptable range",
            Self::TooFewReplicas => {
                "the desired replica count is less than the minimum replica count"
            }
            Self::TooManyReplicas => {
                "the desired replica count is more than the maximum replica count"
            }
            Self::ScaleUpLimit => {
                "the desired replica count is increasing faster than the maximum scale rate"
            }
            Self::ScaleDownLimit => {
                "the desired replica count is decreasing faster than the maximum scale rate"
            }
        }
    }
}

impl Step {
    /// Without `behavior`: within the bounds, and at most a multiple of the current replicas.
    pub fn limit(self, settings: &Settings) -> (i32, Limit) {
        let rate = (settings.scale_up_limit_factor * f64::from(self.current))
            .max(settings.scale_up_limit_minimum) as i32;
        let (most, limit) = if self.max > rate {
            (rate, Limit::ScaleUpLimit)
        } else {
            (self.max, Limit::TooManyReplicas)
        };
        if self.desired < self.min {
            (self.min, Limit::TooFewReplicas)
        } else if self.desired > most {
            (most, limit)
        } else {
            (self.desired, Limit::DesiredWithinRange)
        }
    }

    /// With `behavior`: within the bound of the direction, and its rate.
    ///
    /// A rate that is used up holds the replicas where they are; it never turns them back.
    pub fn limit_with_rules(
        self,
        up: &Rules,
        down: &Rules,
        events: Events<'_>,
        now: Moment,
    ) -> (i32, Limit) {
        if self.desired > self.current {
            let rate = scale_up_limit(self.current, events, up, now).max(self.current);
            let (most, limit) = if self.max > rate {
                (rate, Limit::ScaleUpLimit)
            } else {
                (self.max, Limit::TooManyReplicas)
            };
            if self.desired > most {
                return (most, limit);
            }
        } else if self.desired < self.current {
            let rate = scale_down_limit(self.current, events, down, now).min(self.current);
            let (least, limit) = if self.min < rate {
                (rate, Limit::ScaleDownLimit)
            } else {
                (self.min, Limit::TooFewReplicas)
            };
            if self.desired < least {
                return (least, limit);
            }
        }
        (self.desired, Limit::DesiredWithinRange)
    }
}

/// The most replicas the rules allow now. Without policies: no limit for `Min`, none left for `Max`,
/// as in the stock controller (the API server refuses such rules).
pub fn scale_up_limit(current: i32, events: Events<'_>, rules: &Rules, now: Moment) -> i32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = period_start(current, events, policy, now);
        match policy.kind {
            PolicyKind::Pods => start.saturating_add(policy.value),
            // Rounded up: else a small deployment with a small percentage would never grow.
            PolicyKind::Percent => {
                (f64::from(start) * (1.0 + f64::from(policy.value) / 100.0)).ceil() as i32
            }
        }
    });
    match rules.select_policy {
        SelectPolicy::Disabled => current,
        SelectPolicy::Min => proposals.min().unwrap_or(i32::MAX),
        SelectPolicy::Max => proposals.max().unwrap_or(i32::MIN),
    }
}

/// The fewest replicas the rules allow now; the smallest change leaves the most replicas.
pub fn scale_down_limit(current: i32, events: Events<'_>, rules: &Rules, now: Moment) -> i32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = period_start(current, events, policy, now);
        match policy.kind {
            PolicyKind::Pods => start.saturating_sub(policy.value),
            // Truncated toward zero.
            PolicyKind::Percent => {
                (f64::from(start) * (1.0 - f64::from(policy.value) / 100.0)) as i32
            }
        }
    });
    match rules.select_policy {
        SelectPolicy::Disabled => current,
        SelectPolicy::Min => proposals.max().unwrap_or(i32::MIN),
        SelectPolicy::Max => proposals.min().unwrap_or(i32::MAX),
    }
}

/// Replicas at the start of the policy's period: changes of both directions undone.
fn period_start(current: i32, events: Events<'_>, policy: &ScalingPolicy, now: Moment) -> i32 {
    current
        .saturating_sub(change_within(policy.period, events.up, now))
        .saturating_add(change_within(policy.period, events.down, now))
}
