//! The agents' side: takes their reports in, and tells them what to measure.
//!
//! ```text
//! stream ─▶ Hello ─▶ session ─▶ validate (against the pods of that node) ─▶ controller
//!    ▲                  │
//!    └── Configuration ─┴── targets: pods of the node × policies in force ◀─ distribute
//! ```
//!
//! # What a node agent may do to others: nothing
//!
//! It is privileged on its node and may be taken over there, so it is believed about the pods that
//! the API server says live on its node, within what that node and those pods can do.
//!
//! | It tries | What stops it |
//! |---|---|
//! | to be another node | its certificate must name the node ([`identity`]); without `--tls-client-ca` nobody is asked, and an impostor only silences the real agent, which makes decisions hold |
//! | to speak of another node's pods, of pods that are gone, of containers that are none, twice of one | [`validate`]: left out, counted, logged once |
//! | to claim more CPU time than its CPUs, or than its pod's limit, allow; more events than a CPU can count; a distribution that is not that of its events | [`plausible`]: left out, counted |
//! | to repeat old reports | each interval has a number and counts once ([`heard`]); an age places it in the past |
//! | to pass for fresh for longer by claiming long intervals | a report of more than ten intervals is passed over |
//! | to flood: many reports, huge messages, streams, names, connections | [`pace`] per stream; 2 MiB per message; 8 streams per connection; names without pods give way; no queue grows, what does not fit holds up the stream that brought it for half an interval, and is then dropped and counted |
//! | to hold on: no Hello, half a message, not reading | 10 s for the Hello; the stream's own buffers only; configurations replace each other; its silence makes decisions hold |
//! | to write into logs | what it says is logged escaped and cut |
//!
//! What remains: about its **own** pods it can lie within those bounds, so a deployment with pods on
//! that node can be scaled by it, inside the policy's `[min, max]` and rate limits.

mod convert;
mod distribute;
mod familiar;
mod heard;
mod identity;
mod nodes;
mod outbound;
mod pace;
mod plausible;
mod room;
mod service;
mod session;
mod targets;
#[cfg(test)]
mod testing;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use scaler_core::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tonic::transport::{Server, ServerTlsConfig};
use viperscale_proto::v1 as wire;
use viperscale_proto::v1::telemetry_server::TelemetryServer;

pub(crate) use convert::{metric_from_wire, metric_to_wire};
pub use distribute::distribute;
pub use nodes::Nodes;

use crate::clock::Clock;
use crate::controller::NodeReport;
use crate::policies::PolicySet;
use crate::workloads::{Index, Workloads};

/// The largest report: 500 containers with every metric at full resolution take about 1.5 MiB. No
/// more than that, because decoding makes up to fifty times as much of a message of empty samples.
const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of one stream that may have arrived unread, ten reports of thirty containers or so: those of a
/// stream that waits for the controller. What is beyond waits with the agent, in whose bounded queue the
/// oldest gives way.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same of one connection, on which an agent has a second stream while the first one ends.
const CONNECTION_WINDOW: u32 = 2 * STREAM_WINDOW;
/// How soon a peer that vanished without a word is noticed, together.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What this scaler does with agents now.
#[derive(Debug, Clone)]
pub enum Role {
    /// It leads: agents get their targets, and their reports go to the controller of this term.
    Leader {
        /// The leadership.
        term: u64,
        /// The controller's queue; when it stays full a report is dropped and counted, as if it had
        /// not come.
        reports: mpsc::Sender<NodeReport>,
    },
    /// It does not: streams are kept for the moment when it does, and reports are not taken.
    Standby {
        /// Where agents find the leader, `HOST:PORT`, as far as known.
        leader_address: Option<String>,
        /// The newest leadership that is known.
        term: u64,
    },
}

/// What every stream needs.
#[derive(Debug)]
pub struct Shared {
    /// The clock that stamps arrivals.
    pub clock: Clock,
    /// Time between reports that agents are asked for.
    pub interval: Duration,
    /// Which scaler this is, for agents that come by several addresses; `None` says nothing.
    pub identity: Option<String>,
    /// What runs in the cluster.
    pub workloads: Arc<Workloads>,
    /// The policies in force.
    pub policies: watch::Receiver<PolicySet>,
    /// The connected nodes.
    pub nodes: Nodes,
    /// Whether reports are taken, and where they go.
    pub role: watch::Receiver<Role>,
    /// Ends every stream.
    pub stop: CancellationToken,
}

/// CPUs of a node whose Hello was not kept.
const JUDGED_CPUS: u32 = 4;

/// What a message of an agent of `node` amounts to, once its stream has begun: a report as the
/// controller gets it, or nothing. For tests that throw messages at it.
///
/// # Errors
/// Why the stream would be ended.
pub fn judge(
    node: &Arc<str>,
    message: wire::AgentMessage,
    received_at: Timestamp,
    index: &Index,
) -> Result<Option<NodeReport>, String> {
    let report = match message.message {
        Some(wire::agent_message::Message::Report(report)) => report,
        Some(wire::agent_message::Message::Hello(hello)) => {
            return match validate::node_name(&hello) {
                Ok(_) => Ok(None),
                Err(invalid) => Err(invalid.to_string()),
            };
        }
        None => return Err(validate::Invalid::Empty.to_string()),
    };
    if validate::is_too_short(&report) {
        return Ok(None);
    }
    let mut familiar = familiar::Familiar::default();
    let (report, _) =
        validate::report(node, JUDGED_CPUS, report, received_at, index, &mut familiar)
            .map_err(|invalid| invalid.to_string())?;
    Ok((!validate::is_outdated(&report)).then_some(report))
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
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
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
