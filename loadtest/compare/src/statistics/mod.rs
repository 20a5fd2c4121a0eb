//! Medians over few trials, and what can be said about them.

use serde::{Deserialize, Serialize};

/// A median over trials with its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Median over the trials.
    pub median: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// Trials behind it.
    pub trials: u32,
    /// Trials whose value is only known to be at least what was counted, because the event did not come before
    /// the horizon. When they are half or more, the median itself is only a lower bound.
    pub at_least: u32,
}

impl Estimate {
    /// Whether the median is only a lower bound.
    #[must_use]
    pub const fn is_lower_bound(&self) -> bool {
        self.at_least * 2 >= self.trials && self.at_least > 0
    }
}
