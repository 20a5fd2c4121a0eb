//! How a report gets into the controller's queue, which is bounded.

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;

use super::Shared;
use super::nodes::Registration;
use crate::controller::NodeReport;

/// Room in the controller's queue, or what becomes of the report without it.
///
/// When all agents send their last reports again, to a new leader or after an outage, there are more
/// than the queue holds. So a stream whose report finds no room waits and reads no further, and the
/// rest waits with the agent. It waits for half an interval: that is as fast as two reports an
/// interval, so that a stream whose reports all find no room still comes to its newest ones, and what
/// is stamped when it is read is not stamped much too late.
pub(super) async fn room<'a>(
    reports: &'a mpsc::Sender<NodeReport>,
    shared: &Shared,
    registration: &Registration,
) -> Result<mpsc::Permit<'a, NodeReport>, &'static str> {
    match reports.try_reserve() {
        Ok(room) => return Ok(room),
        Err(TrySendError::Closed(())) => return Err("stopped"),
        Err(TrySendError::Full(())) => {}
    }
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => Err("stopped"),
        () = registration.replaced.cancelled() => Err("stopped"),
        room = timeout(shared.interval / 2, reports.reserve()) => match room {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) => Err("stopped"),
            Err(_) => Err("dropped"),
        },
    }
}
