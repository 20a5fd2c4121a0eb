//! The words of policies: what the variants of closed choices are called.

use super::{Mode, Response};
use crate::behavior::SelectPolicy;

impl Mode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Active, Self::DryRun, Self::Paused];

    /// The name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::DryRun => "DryRun",
            Self::Paused => "Paused",
        }
    }
}

impl Response {
    /// All responses.
    pub const ALL: [Self; 4] = [
        Self::Step,
        Self::Proportional,
        Self::Queueing,
        Self::Observe,
    ];

    /// The name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Step => "Step",
            Self::Proportional => "Proportional",
            Self::Queueing => "Queueing",
            Self::Observe => "Observe",
        }
    }
}

impl SelectPolicy {
    /// All ways to select.
    pub const ALL: [Self; 3] = [Self::Max, Self::Min, Self::Disabled];

    /// The name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "Max",
            Self::Min => "Min",
            Self::Disabled => "Disabled",
        }
    }
}
