//! What this kernel can measure.

use std::collections::BTreeMap;
use std::fmt;

use super::Metric;

/// Whether one metric can be measured here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// As documented.
    Supported,
    /// In another way; the text says how it differs.
    Degraded(String),
    /// Not at all; the text says why.
    Unsupported(String),
}

impl Support {
    /// Whether anything is measured.
    pub fn is_measured(&self) -> bool {
        !matches!(self, Self::Unsupported(_))
    }

    /// How it differs, or why it is missing; empty when supported.
    pub fn detail(&self) -> &str {
        match self {
            Self::Supported => "",
            Self::Degraded(detail) | Self::Unsupported(detail) => detail,
        }
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supported => f.write_str("supported"),
            Self::Degraded(how) => write!(f, "degraded: {how}"),
            Self::Unsupported(why) => write!(f, "unsupported: {why}"),
        }
    }
}

/// Support of all fifteen metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportTable(BTreeMap<Metric, Support>);

impl Default for SupportTable {
    /// Nothing is known.
    fn default() -> Self {
        let missing = || Support::Unsupported("it was not tried".to_owned());
        Self(crate::metrics().map(|metric| (metric, missing())).collect())
    }
}

impl SupportTable {
    /// Support of one metric.
    pub fn get(&self, metric: Metric) -> &Support {
        static UNSPECIFIED: Support = Support::Unsupported(String::new());
        self.0.get(&metric).unwrap_or(&UNSPECIFIED)
    }

    /// All metrics in the order of the protocol.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, &Support)> {
        self.0.iter().map(|(metric, support)| (*metric, support))
    }

    pub(super) fn set(&mut self, metric: Metric, support: Support) {
        self.0.insert(metric, support);
    }
}
