//! When intervals end. Pure: `now` is an argument.

use std::time::{Duration, Instant};

/// A fixed grid of instants on the monotonic clock.
///
/// Lateness does not accumulate: a tick served late leaves the grid where it is. Ticks missed
/// meanwhile are skipped, not made up for in a burst, and so is one that is closer than half an
/// interval: what can be measured in the rest is too little to be a sample.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    interval: Duration,
    next: Instant,
}

impl Ticks {
    /// The shortest interval that is served: below it the agent would be busy with itself.
    pub const SHORTEST: Duration = Duration::from_millis(100);

    /// A grid whose first tick is one interval after `now`. Intervals shorter than
    /// [`Ticks::SHORTEST`] are lengthened to it.
    pub fn starting(now: Instant, interval: Duration) -> Self {
        let interval = interval.max(Self::SHORTEST);
        Self {
            interval,
            next: now + interval,
        }
    }

    /// The distance of two ticks.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// When the next tick is due.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Whether a tick is due.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Moves on to the first tick that is at least half an interval after `now`; returns how many
    /// were skipped on the way.
    pub fn advance(&mut self, now: Instant) -> u64 {
        let late = now.saturating_duration_since(self.next);
        let skipped = (late + self.interval / 2).as_nanos() / self.interval.as_nanos();
        // Bounded by what a Duration holds, divided by 100 ms: far below u32::MAX for any real gap.
        let steps = u32::try_from(skipped + 1).unwrap_or(u32::MAX);
        self.next += self.interval * steps;
        u64::from(steps - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_late_tick_does_not_shift_the_grid() {
        let start = Instant::now();
        let mut ticks = Ticks::starting(start, SECOND);
        assert!(!ticks.is_due(start));
        assert_eq!(ticks.advance(start + Duration::from_millis(1_400)), 0);
        assert_eq!(ticks.next(), start + 2 * SECOND);
    }

    #[test]
    fn missed_ticks_are_skipped() {
        let start = Instant::now();
        let mut ticks = Ticks::starting(start, SECOND);
        assert_eq!(ticks.advance(start + Duration::from_millis(4_200)), 3);
        assert_eq!(ticks.next(), start + 5 * SECOND);
    }

    #[test]
    fn a_tick_that_would_come_too_soon_is_skipped() {
        let start = Instant::now();
        let mut ticks = Ticks::starting(start, SECOND);
        assert_eq!(ticks.advance(start + Duration::from_millis(1_970)), 1);
        assert_eq!(ticks.next(), start + 3 * SECOND, "and not 30 ms later");
    }

    #[test]
    fn an_interval_of_zero_does_not_spin() {
        let start = Instant::now();
        assert_eq!(
            Ticks::starting(start, Duration::ZERO).interval(),
            Ticks::SHORTEST
        );
    }

    proptest! {
        #[test]
        fn the_next_tick_is_on_the_grid_half_to_one_and_a_half_intervals_away(
            interval_ms in 100u64..10_000,
            delays_ms in prop::collection::vec(0u64..50_000, 1..20),
        ) {
            let (start, interval) = (Instant::now(), Duration::from_millis(interval_ms));
            let mut ticks = Ticks::starting(start, interval);
            let mut now = start;
            for delay in delays_ms {
                now = now.max(ticks.next()) + Duration::from_millis(delay);
                ticks.advance(now);
                prop_assert!(!ticks.is_due(now));
                let away = ticks.next() - now;
                prop_assert!(away >= interval / 2 && away <= interval * 3 / 2);
                let since_start = (ticks.next() - start).as_nanos();
                prop_assert_eq!(since_start % interval.as_nanos(), 0);
            }
        }
    }
}
