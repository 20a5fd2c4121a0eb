//! How long to wait before a container is restarted (pure).

use std::time::Duration;

/// Delay before the second restart; doubles from there.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(60);
/// A run at least this long counts as healthy and starts the series again.
const HEALTHY: Duration = Duration::from_secs(120);

/// The delays of `CrashLoopBackOff`: none, 1 s, 2 s, 4 s, … up to 60 s. The first restart is
/// immediate as in the kubelet; the rest are the shorter delays of its
/// `ReduceDefaultCrashLoopBackOffDecay`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// The delay before the next start, after a run (or a failed start) that lasted `ran_for`.
    pub(super) fn after(&mut self, ran_for: Duration) -> Duration {
        if ran_for >= HEALTHY {
            *self = Self::default();
        }
        let delay = self.next;
        self.next = (delay * 2).clamp(FIRST, LONGEST);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_a_minute_and_forgives_a_long_run() {
        let mut backoff = Backoff::default();
        let seconds: Vec<u64> = (0..9).map(|_| backoff.after(FIRST).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.after(HEALTHY), Duration::ZERO);
        assert_eq!(backoff.after(Duration::ZERO), FIRST);
    }
}
