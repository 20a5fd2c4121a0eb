//! Which number stands for the events of a window.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::metric::{Kind, Metric};
use crate::unit::Unit;

/// The number that a policy compares with its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statistic {
    /// Sum over count: the mean of the events.
    Avg,
    /// The median of the events.
    P50,
    /// The 90th percentile of the events.
    P90,
    /// The 95th percentile of the events.
    P95,
    /// The 99th percentile of the events.
    P99,
    /// Per pod and second.
    Rate,
    /// Of a ratio: its value. Of times: time per pod and elapsed time (1 = one thread all the time).
    Share,
}

impl Statistic {
    /// All statistics.
    pub const ALL: [Self; 7] = [
        Self::Avg,
        Self::P50,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::Rate,
        Self::Share,
    ];

    /// The name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Rate => "rate",
            Self::Share => "share",
        }
    }

    /// The quantile in (0, 1) that a percentile asks for; `None` for the others.
    #[must_use]
    pub const fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            Self::Avg | Self::Rate | Self::Share => None,
        }
    }

    /// Whether `metric` has this statistic.
    ///
    /// Percentiles and means need events with values; a share needs a ratio or times, because bytes
    /// and events are parts of no whole; a rate needs something that adds up.
    #[must_use]
    pub const fn exists_for(self, metric: Metric) -> bool {
        match self {
            Self::Avg | Self::P50 | Self::P90 | Self::P95 | Self::P99 => {
                matches!(metric.kind(), Kind::Distribution)
            }
            Self::Rate => !matches!(metric.kind(), Kind::Ratio),
            Self::Share => matches!(metric.unit(), Unit::Time | Unit::Share),
        }
    }

    /// The unit of this statistic of `metric`, and so of its threshold.
    #[must_use]
    pub const fn unit_for(self, metric: Metric) -> Unit {
        match self {
            Self::Rate => metric.unit().per_second(),
            Self::Share => Unit::Share,
            _ => metric.unit(),
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
