//! `spec.behavior`: per-direction windows, rate limits and tolerances, and their defaults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

/// `spec.behavior`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Behavior {
    /// Rules for adding replicas; absent: all defaults.
    pub scale_up: Option<ScalingRules>,
    /// Rules for removing replicas; absent: all defaults.
    pub scale_down: Option<ScalingRules>,
}

/// Rules of one direction; what is absent was not written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScalingRules {
    /// How far back recommendations are remembered.
    pub stabilization_window: Option<Duration>,
    /// Which of the policies wins.
    pub select_policy: Option<SelectPolicy>,
    /// Rate limits.
    pub policies: Option<Vec<ScalingPolicy>>,
    /// Fraction by which the ratio may miss 1 without a change in this direction.
    pub tolerance: Option<f64>,
}

/// Which of several policies wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: no change in this direction.
    Disabled,
}

/// A rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScalingPolicy {
    /// Unit of `value`.
    pub kind: PolicyKind,
    /// Pods, or percent of the replicas at the period's start.
    pub value: i32,
    /// The period the limit holds for.
    pub period: Duration,
}

/// Unit of a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyKind {
    /// A number of pods.
    Pods,
    /// Percent of the replicas at the period's start.
    Percent,
}

/// Rules with nothing left open: what the controller works with.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How far back recommendations are remembered.
    pub stabilization_window: Duration,
    /// Which of the policies wins.
    pub select_policy: SelectPolicy,
    /// Rate limits.
    pub policies: Vec<ScalingPolicy>,
}

impl Behavior {
    /// Both sides with the API server's defaults filled in.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        let fill = |rules: &Option<ScalingRules>, direction| {
            Some(rules.clone().unwrap_or_default().with_defaults(direction))
        };
        Self {
            scale_up: fill(&self.scale_up, Direction::Up),
            scale_down: fill(&self.scale_down, Direction::Down),
        }
    }

    /// The rules of one side, complete; `window` is the controller's own down-scale window.
    pub fn rules(&self, direction: Direction, window: Duration) -> Rules {
        let side = match direction {
            Direction::Up => &self.scale_up,
            Direction::Down => &self.scale_down,
        };
        side.clone()
            .unwrap_or_default()
            .with_defaults(direction)
            .resolve(window)
    }
}

impl ScalingRules {
    /// The rules with the API server's defaults filled in. The scale-down window stays absent: it is
    /// the controller's own setting.
    #[must_use]
    pub fn with_defaults(self, direction: Direction) -> Self {
        let period = Duration::from_secs(15);
        let pods = ScalingPolicy {
            kind: PolicyKind::Pods,
            value: 4,
            period,
        };
        let percent = ScalingPolicy {
            kind: PolicyKind::Percent,
            value: 100,
            period,
        };
        let (window, policies) = match direction {
            Direction::Up => (Some(Duration::ZERO), vec![pods, percent]),
            Direction::Down => (None, vec![percent]),
        };
        Self {
            stabilization_window: self.stabilization_window.or(window),
            select_policy: self.select_policy.or(Some(SelectPolicy::Max)),
            policies: self.policies.or(Some(policies)),
            tolerance: self.tolerance,
        }
    }

    /// The rules with nothing left open; `window` fills an absent window.
    pub fn resolve(self, window: Duration) -> Rules {
        Rules {
            stabilization_window: self.stabilization_window.unwrap_or(window),
            select_policy: self.select_policy.unwrap_or(SelectPolicy::Max),
            policies: self.policies.unwrap_or_default(),
        }
    }
}

impl Rules {
    /// The longest period of any policy: events older than it matter to none of them.
    pub fn longest_period(&self) -> Duration {
        self.policies
            .iter()
            .map(|policy| policy.period)
            .max()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwritten_scale_down_window_is_the_controllers() {
        let behavior = Behavior::default().with_defaults();
        let window = Duration::from_secs(123);
        assert_eq!(
            behavior.rules(Direction::Down, window).stabilization_window,
            window
        );
        assert_eq!(
            behavior.rules(Direction::Up, window).stabilization_window,
            Duration::ZERO
        );
        assert_eq!(
            behavior,
            Behavior::default().with_defaults().with_defaults()
        );
    }
}
