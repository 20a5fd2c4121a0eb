//! Whether a container that ended is started again, and after how long (pure).

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

/// When a container is started again after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    /// Whatever the exit code.
    Always,
    /// Unless the exit code is 0.
    OnFailure,
    /// Never.
    Never,
}

impl RestartPolicy {
    /// The policy of that name; anything unknown is Kubernetes' default.
    pub(super) fn named(name: Option<&str>) -> Self {
        match name {
            Some("OnFailure") => Self::OnFailure,
            Some("Never") => Self::Never,
            _ => Self::Always,
        }
    }

    /// Whether a run that ended with `exit_code` is followed by another.
    pub(super) fn restarts_after(self, exit_code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => exit_code != 0,
            Self::Never => false,
        }
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

    #[test]
    fn restart_policies() {
        for (name, after_success, after_failure) in [
            (None, true, true),
            (Some("Always"), true, true),
            (Some("OnFailure"), false, true),
            (Some("Never"), false, false),
        ] {
            let policy = RestartPolicy::named(name);
            assert_eq!(policy.restarts_after(0), after_success, "{name:?}");
            assert_eq!(policy.restarts_after(137), after_failure, "{name:?}");
        }
    }
}
