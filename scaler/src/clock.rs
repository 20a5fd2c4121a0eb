//! The scaler's clock: the only place where time enters.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp as WallTime;
use scaler_core::Timestamp;
use tokio::time::Instant;

/// Where the clock starts, so that pods older than this process have a start too.
const HEAD_START: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A monotonic clock, and a wall clock beside it. Copies of one clock agree.
///
/// The monotonic one is the async runtime's: where a test pauses that, this stands still too.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    wall: fn() -> WallTime,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self::with_wall(WallTime::now)
    }

    /// The same with another wall clock, for tests in which that one jumps.
    pub fn with_wall(wall: fn() -> WallTime) -> Self {
        Clock {
            started: Instant::now(),
            wall,
        }
    }

    /// This moment.
    pub fn now(&self) -> Timestamp {
        Timestamp::new(HEAD_START + self.started.elapsed())
    }

    /// This moment by the machine's wall clock; for people, in statuses and Events.
    pub fn wall(&self) -> WallTime {
        (self.wall)()
    }

    /// The wall time of `at`, when it is `now`.
    ///
    /// For people too; nothing is computed with it.
    pub fn wall_time(&self, at: Timestamp, now: WallTime) -> WallTime {
        now.checked_sub(self.now().since(at)).unwrap_or(now)
    }

    /// A moment told by another machine's wall clock; never in the future.
    ///
    /// Only for what happened before this process watched: what it sees happen, it stamps itself.
    pub fn at_wall_time(&self, wall: WallTime) -> Timestamp {
        let age = self.wall().duration_since(wall);
        let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
        Timestamp::new(self.now().since_start().saturating_sub(age))
    }
}

/// Limits of changes are counted on this clock too.
impl governor::clock::Clock for Clock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.started.elapsed()
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

    #[tokio::test(start_paused = true)]
    async fn it_stands_still_with_the_runtime() {
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(clock.now().since(before), Duration::from_secs(7));
    }
}
