//! The two that are compared.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An autoscaler that takes part in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Autoscaler {
    /// Kubernetes' HorizontalPodAutoscaler, behind its metrics chain.
    Hpa,
    /// Ours.
    Viperscale,
}

impl Autoscaler {
    /// Both, the rival first.
    pub const ALL: [Self; 2] = [Self::Hpa, Self::Viperscale];

    /// As in file names: `hpa`, `viperscale`.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Hpa => "hpa",
            Self::Viperscale => "viperscale",
        }
    }

    /// As in tables and legends: `HPA`, `Viperscale`.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Hpa => "HPA",
            Self::Viperscale => "Viperscale",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn rival(self) -> Self {
        match self {
            Self::Hpa => Self::Viperscale,
            Self::Viperscale => Self::Hpa,
        }
    }
}

impl fmt::Display for Autoscaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}
