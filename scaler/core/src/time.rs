//! Moments on the scaler's own clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment: the time since an arbitrary start on the scaler's monotonic clock.
///
/// No clock crosses machines: a report of a node agent is stamped when it arrives, so that
/// timestamps can be compared with one another and with nothing else.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The moment `since_start` after the arbitrary start.
    #[must_use]
    pub const fn new(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The moment `seconds` after the arbitrary start.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Time since the arbitrary start.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Time since `earlier`; zero when `earlier` is in fact later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `duration` later, or the last one that can be told.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}
