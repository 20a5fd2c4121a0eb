//! Room for a connection of every node.
//!
//! Each agent takes a file descriptor, and the usual soft limit is 1,024 (or less), kept that low for
//! programs that use `select`; this one does not, so it takes what the hard limit allows, as Go's
//! runtime does. When all are used, accepting fails at once and again and again, so the accept loop
//! has to pause, or it would take a whole core to get nowhere.

use std::io;
use std::time::Duration;

use futures::{Stream, StreamExt};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::time::sleep;
use tracing::{info, warn};

/// Fewer than this many agents can be served is worth a warning.
const FEW: u64 = 4096;
/// How long accepting pauses after it failed; connections that wait keep waiting in the backlog.
const PAUSE: Duration = Duration::from_millis(100);

/// Raises the soft limit of open files to the hard one. A failure is logged: fewer agents can connect
/// then, which is no reason not to serve those.
pub(crate) fn raise_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| (soft, hard))
    });
    match raised {
        Ok((soft, hard)) if hard < FEW => warn!(
            soft,
            hard,
            "the hard limit of open files (ulimit -Hn) is low: each agent needs one, and those beyond \
             it cannot connect"
        ),
        Ok((soft, hard)) => info!(soft, hard, "limit of open files raised"),
        Err(error) => warn!(%error, "cannot raise the limit of open files (ulimit -n)"),
    }
}

/// `incoming`, with a pause after each failure.
pub(crate) fn unhurried<S>(
    incoming: impl Stream<Item = io::Result<S>>,
) -> impl Stream<Item = io::Result<S>> {
    incoming.then(|accepted| async move {
        if let Err(error) = &accepted {
            warn!(%error, "cannot accept an agent's connection");
            sleep(PAUSE).await;
        }
        accepted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn only_failures_hold_up() {
        let failure = || Err(io::Error::from_raw_os_error(24));
        let incoming = futures::stream::iter([Ok(1), failure(), failure(), Ok(2)]);
        let began = Instant::now();
        let accepted: Vec<_> = pin!(unhurried(incoming)).collect().await;
        assert_eq!(accepted.iter().filter(|one| one.is_ok()).count(), 2);
        assert_eq!(began.elapsed(), 2 * PAUSE);
    }

    #[test]
    fn the_limit_is_as_high_as_it_may_be() {
        raise_limit();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }
}
