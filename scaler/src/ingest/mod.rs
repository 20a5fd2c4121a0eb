//! The agents' side: takes their reports in, and tells them what to measure.
//!
//! ```text
//! stream ─▶ Hello ─▶ session ─▶ validate (against the pods of that node) ─▶ controller
//!    ▲                  │
//!    └── Configuration ─┴── targets: pods of the node × policies in force ◀─ distribute
//! ```

mod convert;
mod distribute;
mod identity;
mod nodes;
mod service;
mod session;
mod targets;
#[cfg(test)]
mod testing;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tonic::transport::{Server, ServerTlsConfig};
use viperscale_proto::v1::telemetry_server::TelemetryServer;

pub use distribute::distribute;
pub use nodes::Nodes;

use crate::clock::Clock;
use crate::controller::NodeReport;
use crate::policies::PolicySet;
use crate::workloads::Workloads;

/// The largest report: 500 containers with every metric at full resolution take about 1.5 MiB.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// How soon a peer that vanished without a word is noticed, together.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What every stream needs.
#[derive(Debug)]
pub struct Shared {
    /// The clock that stamps arrivals.
    pub clock: Clock,
    /// Time between reports that agents are asked for.
    pub interval: Duration,
    /// What runs in the cluster.
    pub workloads: Arc<Workloads>,
    /// The policies in force.
    pub policies: watch::Receiver<PolicySet>,
    /// The connected nodes.
    pub nodes: Nodes,
    /// Where checked reports go.
    pub reports: mpsc::Sender<NodeReport>,
    /// Ends every stream.
    pub stop: CancellationToken,
}

/// Serves agents on `incoming` until [`Shared::stop`].
///
/// # Errors
/// When the TLS configuration is unusable, or the transport fails.
pub async fn serve<I, S, E>(
    shared: Arc<Shared>,
    tls: Option<ServerTlsConfig>,
    incoming: I,
) -> Result<(), tonic::transport::Error>
where
    I: Stream<Item = Result<S, E>>,
    S: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        // An agent needs one; a second one replaces the first.
        .max_concurrent_streams(8);
    if let Some(tls) = tls {
        server = server.tls_config(tls)?;
    }
    let stop = shared.stop.clone();
    let telemetry = TelemetryServer::new(service::Service::new(shared))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    server
        .add_service(telemetry)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await
}
