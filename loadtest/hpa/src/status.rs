//! The autoscaler's status: replicas, conditions, readings.

use crate::spec::{MetricId, MetricSource, ObjectRef};
use crate::time::Moment;

/// `status` of the autoscaler. `observedGeneration` is absent: the stock controller never sets it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Status {
    /// Replicas of the scale's spec, as the last pass found them.
    pub current_replicas: i32,
    /// Replicas the last pass wanted.
    pub desired_replicas: i32,
    /// When the scale was last written.
    pub last_scale_time: Option<Moment>,
    /// Readings in the order of the spec; `None` where the metric failed.
    pub current_metrics: Vec<Option<MetricStatus>>,
    /// Conditions in the order they were first set.
    pub conditions: Vec<Condition>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is about.
    pub kind: ConditionKind,
    /// `True` or `False`.
    pub status: bool,
    /// Why, in one word.
    pub reason: String,
    /// Why, for humans.
    pub message: String,
    /// When `status` last changed.
    pub last_transition: Option<Moment>,
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionKind {
    /// The scale can be read and written, and nothing holds back a change.
    AbleToScale,
    /// The metrics can be read.
    ScalingActive,
    /// The wanted replicas were outside of bounds or rates.
    ScalingLimited,
    /// This autoscaler itself scaled to zero, and so may come back.
    ScaledToZero,
}

/// One metric's reading.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricStatus {
    /// What was measured.
    pub source: MetricSource,
    /// What it was.
    pub current: Reading,
}

/// A metric's current value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Percent of the requests.
    pub average_utilization_percent: Option<i32>,
    /// Thousandths per pod.
    pub average_value_milli: Option<i64>,
    /// Thousandths in all.
    pub value_milli: Option<i64>,
}

impl ConditionKind {
    /// The type as the API names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AbleToScale => "AbleToScale",
            Self::ScalingActive => "ScalingActive",
            Self::ScalingLimited => "ScalingLimited",
            Self::ScaledToZero => "ScaledToZero",
        }
    }

    /// The condition the API names so.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::AbleToScale,
            Self::ScalingActive,
            Self::ScalingLimited,
            Self::ScaledToZero,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

impl Status {
    /// Sets a condition, in its place if it is there. The transition moves only with the status.
    pub fn set_condition(
        &mut self,
        kind: ConditionKind,
        status: bool,
        reason: &str,
        message: impl Into<String>,
        now: Moment,
    ) {
        let (reason, message) = (reason.to_owned(), message.into());
        let new = Condition {
            kind,
            status,
            reason,
            message,
            last_transition: Some(now),
        };
        match self
            .conditions
            .iter_mut()
            .find(|condition| condition.kind == kind)
        {
            Some(old) if old.status == status => {
                *old = Condition {
                    last_transition: old.last_transition,
                    ..new
                };
            }
            Some(old) => *old = new,
            None => self.conditions.push(new),
        }
    }

    /// Whether a condition is there and true.
    pub fn is_true(&self, kind: ConditionKind) -> bool {
        self.conditions
            .iter()
            .any(|condition| condition.kind == kind && condition.status)
    }
}

impl MetricStatus {
    /// The resource, or the metric's name.
    pub fn name(&self) -> &str {
        match &self.source {
            MetricSource::Resource { resource }
            | MetricSource::ContainerResource { resource, .. } => resource,
            MetricSource::Pods {
                metric: MetricId { name, .. },
            }
            | MetricSource::Object {
                metric: MetricId { name, .. },
                ..
            }
            | MetricSource::External {
                metric: MetricId { name, .. },
            }
            | MetricSource::Unknown(name) => name,
        }
    }

    /// The object described, for Object metrics.
    pub fn object(&self) -> Option<&ObjectRef> {
        match &self.source {
            MetricSource::Object { object, .. } => Some(object),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_moves_only_with_the_status() {
        let mut status = Status::default();
        let mut set = |value, reason: &str, at| {
            let kind = ConditionKind::ScalingActive;
            status.set_condition(kind, value, reason, "", Moment::from_secs(at));
            let condition = &status.conditions[0];
            (condition.reason.clone(), condition.last_transition.unwrap())
        };
        assert_eq!(set(true, "A", 1), ("A".to_owned(), Moment::from_secs(1)));
        assert_eq!(set(true, "B", 2), ("B".to_owned(), Moment::from_secs(1)));
        assert_eq!(set(false, "C", 3), ("C".to_owned(), Moment::from_secs(3)));
    }
}
