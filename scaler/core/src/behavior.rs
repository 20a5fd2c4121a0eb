//! Stabilisation and rate limits, as in `autoscaling/v2`.

use std::time::Duration;

/// `spec.behavior`, complete: what the user left out has its default.
#[derive(Debug, Clone, PartialEq)]
pub struct Behavior {
    /// Rules for more replicas.
    pub scale_up: Rules,
    /// Rules for fewer replicas.
    pub scale_down: Rules,
}

/// The rules of one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// `stabilizationWindowSeconds`: the most cautious recommendation inside it counts.
    pub stabilization_window: Duration,
    /// Which of the policies counts.
    pub select_policy: SelectPolicy,
    /// Rate limits; at least one unless `select_policy` is `Disabled`.
    pub policies: Vec<RateLimit>,
    /// How far value over threshold may be from 1 without consequence.
    pub tolerance: f64,
}

/// Which rate limit counts when there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction at all.
    Disabled,
}

/// How much may change within how much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Pods or percent.
    pub amount: Amount,
    /// The time over which changes are added up.
    pub period: Duration,
}

/// How much may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many pods.
    Pods(u32),
    /// So many percent of the replicas at the period's start.
    Percent(u32),
}

impl Default for Behavior {
    fn default() -> Self {
        let limit = |amount, seconds| RateLimit {
            amount,
            period: Duration::from_secs(seconds),
        };
        Self {
            scale_up: Rules {
                stabilization_window: Duration::ZERO,
                select_policy: SelectPolicy::Max,
                policies: vec![limit(Amount::Pods(10), 5), limit(Amount::Percent(300), 5)],
                tolerance: 0.1,
            },
            scale_down: Rules {
                stabilization_window: Duration::from_secs(60),
                select_policy: SelectPolicy::Max,
                policies: vec![limit(Amount::Pods(1), 15), limit(Amount::Percent(50), 15)],
                tolerance: 0.1,
            },
        }
    }
}
