//! The scaler's clock: the only place where time enters.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp as WallTime;
use scaler_core::Timestamp;

/// Where the clock starts, so that pods older than this process have a start too.
const HEAD_START: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A monotonic clock. Copies of one clock agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Clock {
            started: Instant::now(),
        }
    }

    /// This moment.
    pub fn now(&self) -> Timestamp {
        Timestamp::new(HEAD_START + self.started.elapsed())
    }

    /// A moment told by another machine's wall clock; never in the future.
    ///
    /// Only for what happened before this process watched: what it sees happen, it stamps itself.
    pub fn at_wall_time(&self, wall: WallTime) -> Timestamp {
        let age = WallTime::now().duration_since(wall);
        let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
        Timestamp::new(self.now().since_start().saturating_sub(age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::SignedDuration;

    #[test]
    fn wall_time_becomes_an_age() {
        let clock = Clock::start();
        let age = |wall| clock.now().since(clock.at_wall_time(wall)).as_secs();
        assert_eq!(age(WallTime::now() - SignedDuration::from_secs(90)), 90);
        assert_eq!(
            age(WallTime::now() + SignedDuration::from_secs(90)),
            0,
            "not the future"
        );
    }
}
