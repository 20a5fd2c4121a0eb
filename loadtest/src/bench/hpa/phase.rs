//! When to step up the load: which phases of the chain's three periods lead where.
//!
//! Let the pod be looked at every `window` seconds around the step, next after `sample`. That look
//! averages idle and busy time; the poll after it shows it to the sync after that one, which patches
//! when it sees more than the tolerance. So the first patch of a step `now` can be told beforehand:
//!
//! ```text
//!   look          step          look      poll      sync = first patch
//! ───┴──────────────┼─────────────┴─────────┴─────────┴───────────▶
//!    └── idle ──────┴── busy ─────┘
//! ```
//!
//! What was measured is a first patch after 9.5-17.9 s, to 2 or 3 replicas, and doublings at the next
//! three syncs. For the doublings each poll has to show looks that the one before did not: the pod's
//! next look, at most 20 s later, has to come before the next poll, and the second look at the pods
//! that the first patch made, at most 20 s after their start, before the poll but one.

use std::ops::RangeInclusive;

use serde::Serialize;

/// Seconds between polls, and between syncs.
const PERIOD: f64 = 15.0;
/// Within these the first patch was measured, with half a second to spare.
const FIRST_PATCH: RangeInclusive<f64> = 9.5..=17.5;
/// The busy share of a window that leads to 2 or 3 replicas: of a limit of twice the request, 55 % to
/// 150 % of it, with something to spare.
const BUSY_SHARE: RangeInclusive<f64> = 0.3..=0.7;
/// The least time from a look to its poll: of the next look's 20 s, what exceeds a period, and
/// something to spare.
const LOOK_BEFORE_POLL: f64 = 5.3;
/// The most time from a poll to its sync: of the two periods until the poll but one, what remains
/// after 20 s, a pod's start and something to spare.
const SYNC_AFTER_POLL: f64 = 8.0;

/// Where the three periods stand at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Phases {
    /// Seconds between the last look at the container and the next one.
    pub window_seconds: f64,
    /// Seconds until the container is looked at next.
    pub next_sample_seconds: f64,
    /// Seconds until all containers are polled next.
    pub next_poll_seconds: f64,
    /// Seconds until the controller looks at the autoscaler next.
    pub next_sync_seconds: f64,
}

impl Phases {
    /// In how many seconds the load may step up to come out as measured. `None` before the next
    /// look: whatever the moment.
    pub(super) fn fitting(&self) -> Option<RangeInclusive<f64>> {
        let sample = self.next_sample_seconds;
        let poll = next_after(self.next_poll_seconds, sample);
        let patch = next_after(self.next_sync_seconds, poll);
        if poll - sample < LOOK_BEFORE_POLL || patch - poll > SYNC_AFTER_POLL {
            return None;
        }
        let busy = |share: f64| sample - share * self.window_seconds;
        let earliest = busy(*BUSY_SHARE.end())
            .max(patch - FIRST_PATCH.end())
            .max(0.0);
        let latest = busy(*BUSY_SHARE.start()).min(patch - FIRST_PATCH.start());
        (earliest <= latest).then_some(earliest..=latest)
    }
}

/// The first of the moments `next`, `next` + [`PERIOD`], ... that is not before `moment`.
fn next_after(next: f64, moment: f64) -> f64 {
    next + ((moment - next) / PERIOD).ceil().max(0.0) * PERIOD
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_moment_fits_that_leads_to_the_measured_patch() {
        let phases = Phases {
            window_seconds: 15.0,
            next_sample_seconds: 12.0,
            next_poll_seconds: 3.0,
            next_sync_seconds: 5.0,
        };
        // Look at 12, poll at 18, patch at 20: the step is 17.5 to 9.5 s before that, and the look
        // sees 0.3 to 0.7 of its 15 s busy.
        assert_eq!(phases.fitting(), Some(2.5..=7.5));
    }

    #[test]
    fn no_moment_fits_a_look_too_late_for_its_poll_or_a_sync_long_after_it() {
        let good = Phases {
            window_seconds: 15.0,
            next_sample_seconds: 12.0,
            next_poll_seconds: 3.0,
            next_sync_seconds: 5.0,
        };
        let late_look = Phases {
            next_poll_seconds: 1.5,
            ..good
        };
        assert_eq!(
            late_look.fitting(),
            None,
            "the poll is 4.5 s after the look"
        );
        let late_sync = Phases {
            next_sync_seconds: 12.5,
            ..good
        };
        assert_eq!(
            late_sync.fitting(),
            None,
            "the sync is 9.5 s after the poll"
        );
    }

    proptest! {
        #[test]
        fn what_fits_is_ahead_and_before_the_look(
            window_seconds in 10.0..30.0f64,
            sample in 0.0..1.0f64,
            next_poll_seconds in 0.0..15.0f64,
            next_sync_seconds in 0.0..15.0f64,
        ) {
            let next_sample_seconds = sample * window_seconds;
            let phases =
                Phases { window_seconds, next_sample_seconds, next_poll_seconds, next_sync_seconds };
            if let Some(fitting) = phases.fitting() {
                prop_assert!(*fitting.start() >= 0.0);
                prop_assert!(*fitting.end() < next_sample_seconds);
            }
        }
    }
}
