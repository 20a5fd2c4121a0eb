//! Stabilisation and rate limits, as in `autoscaling/v2`.
//!
//! Words and semantics are the HPA's; the defaults are not all, because they were made for a control
//! loop that looks every 15 s at numbers a minute old:
//!
//! | | HPA | here | why |
//! |---|---|---|---|
//! | scale-up window | 0 s | 0 s | |
//! | scale-up limits | 4 pods or 100 % per 15 s | 10 pods or 300 % per 5 s | the whole answer to a step of 8x within a few decisions, and still no runaway |
//! | scale-down window | 300 s | 60 s | metrics are seconds old, pods start in seconds |
//! | scale-down limits | 100 % per 15 s | 1 pod or 50 % per 15 s | a wrong scale-down shows before the next one |
//! | tolerance | 0.1 | 0.1 | |

pub mod history;
pub mod normalize;

pub use history::{Entry, History};
pub use normalize::{Allowed, Changes, limit_rate, scale_down_limit, scale_up_limit, stabilize};

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

impl Rules {
    /// The longest period of the rate limits: for how long changes must be remembered.
    #[must_use]
    pub fn longest_period(&self) -> Duration {
        self.policies
            .iter()
            .map(|policy| policy.period)
            .max()
            .unwrap_or_default()
    }
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
