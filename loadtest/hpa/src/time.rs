//! Moments on the caller's clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since an origin of the caller's choice (the Unix epoch in a cluster).
///
/// Signed, because the stock controller compares with times long before any sensible origin: a time
/// that was "never set" is an ordinary, very early moment here.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Moment(i64);

impl Moment {
    /// The moment this many milliseconds after the origin (before it, when negative).
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment this many seconds after the origin (before it, when negative).
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the origin.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The moment `length` later; saturates.
    #[must_use]
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }

    /// The moment `length` earlier; saturates.
    #[must_use]
    pub fn minus(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(millis(length)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_the_origin_are_ordinary_numbers() {
        let never = Moment::from_secs(-1_000_000_000);
        assert!(never.plus(Duration::from_secs(60)) < Moment::default());
        assert_eq!(never.since(Moment::default()), Duration::ZERO);
        assert_eq!(
            Moment::from_secs(5).minus(Duration::from_secs(7)),
            Moment::from_millis(-2000)
        );
        assert_eq!(Moment(i64::MAX).plus(Duration::MAX), Moment(i64::MAX));
    }
}
