//! How often one stream may report.

use std::time::Duration;

use scaler_core::Timestamp;

/// Reports that may come at once: an agent's queue after an outage (30 by default) and what it sends
/// again to a new leader (10), with room for an agent that was told to keep more.
const BURST: f64 = 60.0;
/// Reports per interval in the long run: an agent sends one, and catches up with a few.
const PER_INTERVAL: f64 = 4.0;

/// A token bucket. Without it one agent could fill the controller's queue, which all share.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    tokens: f64,
    at: Timestamp,
}

impl Pace {
    /// For a stream that opened at `now` and is to report every `interval`.
    pub(super) fn new(interval: Duration, now: Timestamp) -> Self {
        Pace {
            interval,
            tokens: BURST,
            at: now,
        }
    }

    /// Whether a report that arrives at `now` may be looked at.
    pub(super) fn allows(&mut self, now: Timestamp) -> bool {
        let intervals = now.since(self.at).as_secs_f64() / self.interval.as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + intervals * PER_INTERVAL).min(BURST);
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_honest_agent_is_never_held_up_and_a_flood_is() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(second, Timestamp::from_secs(0));
        let queued = (0..40).all(|_| pace.allows(Timestamp::from_secs(0)));
        assert!(queued, "after an outage");
        assert!((1..100).all(|at| pace.allows(Timestamp::from_secs(at))));
        let flood = (0..10_000).filter(|_| pace.allows(Timestamp::from_secs(100)));
        assert!(flood.count() <= 60);
        let next = (0..10_000).filter(|_| pace.allows(Timestamp::from_secs(101)));
        assert_eq!(next.count(), 4);
    }
}
