//! Delays between attempts to watch.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use kube::runtime::utils::Backoff;
use tokio::time::Instant;

/// Delays start small again after this long without a failure.
const CALM: Duration = Duration::from_secs(60);
/// Only for an iterator that ended, which this one does not.
const LONGEST: Duration = Duration::from_secs(10);

/// Delays of 0.5 to 1 s first, doubling, never more than 10 s, so that the end of an outage is noticed
/// while it matters; each is drawn between its step and twice that.
///
/// A success does not make them small again: kube's watcher announces each list (`Init`) before it
/// tries it, which counts as one, so that its own delays never grow while lists fail.
#[derive(Debug)]
pub(crate) struct Delays {
    growing: ExponentialBackoff,
    last: Option<Instant>,
}

impl Delays {
    pub(crate) fn new() -> Self {
        Delays {
            growing: growing(),
            last: None,
        }
    }
}

fn growing() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(5))
        .with_factor(2.0)
        .without_max_times()
        .with_jitter()
        .build()
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let last = self.last.replace(now);
        if last.is_some_and(|last| now.duration_since(last) > CALM) {
            self.growing = growing();
        }
        Some(self.growing.next().unwrap_or(LONGEST))
    }
}

impl Backoff for Delays {
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn they_grow_while_attempts_fail_and_shrink_after_a_calm_minute() {
        let mut delays = Delays::new();
        let first = delays.next().unwrap();
        assert!(first >= Duration::from_millis(500) && first <= Duration::from_secs(1));
        for _attempt in 0..20 {
            delays.reset(); // as before each list
            let delay = delays.next().unwrap();
            assert!(delay <= LONGEST);
            advance(delay).await;
        }
        assert!(delays.next().unwrap() >= Duration::from_secs(5));
        advance(CALM + Duration::from_secs(1)).await;
        assert!(delays.next().unwrap() <= Duration::from_secs(1));
    }
}
