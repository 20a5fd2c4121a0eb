//! Waiting for conditions, with a deadline instead of a hopeful sleep.

use std::time::Duration;

use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_millis(100);

/// Waits until `condition` tells something.
///
/// # Panics
/// When it has not by the deadline; `what` says what was waited for.
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    condition: impl AsyncFn() -> Option<T>,
) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(told) = condition().await {
            return told;
        }
        assert!(
            Instant::now() < end,
            "within {} s there was not: {what}",
            deadline.as_secs()
        );
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Checks that `condition` holds whenever it is looked at for `duration`.
///
/// # Panics
/// At the first time that it does not.
pub async fn throughout(what: &str, duration: Duration, condition: impl AsyncFn() -> bool) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        assert!(condition().await, "it did not hold throughout: {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}
