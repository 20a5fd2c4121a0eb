//! One stream, opened again each time that it has ended.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tonic::transport::Endpoint;

use super::session::{Session, SessionEnd};
use super::shared::Common;
use crate::instruments;

/// Delays between attempts: the first is 0.2 to 0.4 s, they double, and none exceeds 10 s. Each is
/// drawn between its step and twice that, so that the agents of a cluster do not come back at once.
pub(super) fn backoff() -> ExponentialBackoff {
    delays(Duration::from_millis(200), Duration::from_secs(5))
}

/// Delays after attempts that ended at a scaler which another stream has reached: from some 20 s to some
/// four minutes. Behind the address of a Service there may be another scaler next time, and where there
/// is none, the handshakes of 5,000 agents must cost it next to nothing.
fn elsewhere() -> ExponentialBackoff {
    delays(Duration::from_secs(15), Duration::from_secs(150))
}

fn delays(first: Duration, last: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(last)
        .with_factor(2.0)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Holds one stream, until it has ended and is not wanted any more.
pub(super) async fn hold(endpoint: Endpoint, common: &Common, mut wanted: watch::Receiver<bool>) {
    let (mut delays, mut detours) = (backoff(), elsewhere());
    let mut last = String::new();
    while *wanted.borrow() {
        let began = Instant::now();
        let (end, answered) = Session::run(&endpoint, common).await;
        if let SessionEnd::AlreadyReached(scaler) = &end {
            let delay = detours.next().unwrap_or(Duration::from_secs(300));
            tracing::debug!(uri = %endpoint.uri(), scaler, retry_in = ?delay, "reached already");
            tokio::select! {
                () = common.until_left(scaler) => {}
                // One that is wanted again after this begins anew.
                _ = wanted.wait_for(|wanted| !wanted) => {}
                () = sleep(delay) => {}
            }
            delays = backoff();
            continue;
        }
        detours = elsewhere();
        instruments::stream_failed();
        // One that is answered and ended at once, again and again, is no success.
        if answered && began.elapsed() > Duration::from_secs(10) {
            delays = backoff();
        }
        let delay = delays.next().unwrap_or(Duration::from_secs(10));
        // One that is never there, such as the IPv6 address of a name, is no news after a while.
        let end = end.to_string();
        if answered || end != last {
            log_end(&end, answered, delay);
        } else {
            tracing::debug!(error = %end, retry_in = ?delay, "no stream");
        }
        last = end;
        sleep(delay).await;
    }
}

fn log_end(end: &str, answered: bool, retry_in: Duration) {
    if answered {
        tracing::warn!(error = %end, ?retry_in, "stream ended");
    } else {
        tracing::warn!(error = %end, ?retry_in, "no stream");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_start_small_and_stay_bounded() {
        let delays: Vec<Duration> = backoff().take(50).collect();
        let (least, most) = (Duration::from_millis(200), Duration::from_secs(10));
        assert!(
            delays.iter().all(|delay| (least..=most).contains(delay)),
            "{delays:?}"
        );
        assert!(delays[0] < Duration::from_millis(400));
        assert!(
            delays[49] >= Duration::from_secs(5),
            "they grow to the limit"
        );
    }

    #[test]
    fn delays_of_two_agents_differ() {
        let (one, other): (Vec<_>, Vec<_>) =
            (backoff().take(5).collect(), backoff().take(5).collect());
        assert_ne!(one, other);
    }
}
