//! The scaler between its edges: everything but sockets, files and signals.
//!
//! ```text
//! grpc (standby) ─▶ API server ─▶ watches in sync ─▶ election ─▶ lead: controller
//!  answers at once   waited for    (control)                      for one term
//! ```
//!
//! [`crate::run`] starts it on real ground: TCP, a directory of policies, the machine's clocks. The
//! fault tests start the same parts on a simulated network under a simulated clock.

mod control;
mod lead;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use kube::Client;
use scaler_core::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::ServerTlsConfig;
use tonic::transport::server::Connected;

use crate::admin::Readiness;
use crate::api_health::ApiHealth;
use crate::clock::Clock;
use crate::cluster::ClusterError;
use crate::config::ChangeLimits;
use crate::controller::Journal;
use crate::election::{Runtime, Timing};
use crate::ingest::{self, Nodes, Role, Shared};
use crate::policies::{Objects, PolicySet};
use crate::recording::Recorder;
use crate::workloads::Workloads;
use control::{Controlling, Gates};

/// The task that waits for the API server. Its error is a refusal that says what to do.
pub const API_SERVER: &str = "api-server";

/// What the parts stand on.
pub struct Ground<I, F> {
    /// Stamps everything.
    pub clock: Clock,
    /// The way to the API server, once there is one. An error ends the parts.
    pub connecting: F,
    /// The policies, followed by somebody else, who reads the objects among them from `objects`.
    pub policies: watch::Receiver<PolicySet>,
    /// Takes the policies that are objects of the cluster.
    pub objects: watch::Sender<Objects>,
    /// How the leader is elected; `None` for a scaler that is the only one.
    pub candidacy: Option<Candidacy>,
    /// Connections of agents.
    pub agents: I,
    /// Their encryption; without it there is none.
    pub tls: Option<ServerTlsConfig>,
    /// Time between reports that agents are asked for.
    pub interval: Duration,
    /// How replica counts may be written.
    pub writes: Writes,
    /// Takes everything down that is seen and decided, when that is wanted.
    pub recorder: Recorder,
}

/// How replica counts may be written.
#[derive(Debug, Clone, Copy)]
pub struct Writes {
    /// How often they may change.
    pub limits: ChangeLimits,
    /// Whether a scale-down first marks idle pods for deletion.
    pub pod_deletion_costs: bool,
}

/// The part of a scaler in the election of the leader.
#[derive(Debug, Clone)]
pub struct Candidacy {
    /// The Lease's name.
    pub lease: String,
    /// Its namespace; `None` is the client's own.
    pub namespace: Option<String>,
    /// This process, and no other.
    pub identity: String,
    /// Where agents find it, `HOST:PORT`; empty when that is not known.
    pub agents_address: String,
    /// How fast leadership moves.
    pub timing: Timing,
    /// The clock of leases.
    pub now: fn() -> Timestamp,
    /// Where it runs.
    pub runtime: Runtime,
}

/// How a task ended: its name, and its error if it had one.
pub type Ended = (&'static str, Option<String>);

/// The running parts. Dropping them aborts every task.
#[derive(Debug)]
pub struct Parts {
    /// What was decided.
    pub journal: Arc<Journal>,
    /// What must have happened once before the scaler is ready.
    pub readiness: Readiness,
    /// Whether the API server can be used.
    pub health: ApiHealth,
    /// Whether this scaler leads.
    pub role: watch::Receiver<Role>,
    /// Tasks that end when the scaler is stopped, and at no other time.
    pub tasks: JoinSet<Ended>,
}

/// Starts every part: agents are served at once, as by a standby; everything that needs the API
/// server follows when there is a client. `readiness` may hold gates of the caller already; this
/// scaler may lead once all of them are open. The tasks stop when `stop` is cancelled.
pub fn start<I, S, E, F>(
    ground: Ground<I, F>,
    mut readiness: Readiness,
    stop: CancellationToken,
) -> Parts
where
    I: Stream<Item = Result<S, E>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    F: Future<Output = Result<Client, ClusterError>> + Send + 'static,
{
    let Ground {
        clock,
        connecting,
        policies,
        objects,
        candidacy,
        agents,
        tls,
        interval,
        writes,
        recorder,
    } = ground;
    let journal = Arc::new(Journal::default());
    let health = ApiHealth::default();
    let gates = Gates::of(&mut readiness);
    let grpc_open = readiness.gate("grpc");
    let (role, role_known) = watch::channel(Role::Standby {
        leader_address: None,
        term: 0,
    });
    let shared = Arc::new(Shared {
        clock,
        interval,
        identity: candidacy.as_ref().map(|it| it.identity.clone()),
        workloads: Arc::new(Workloads::default()),
        policies,
        nodes: Nodes::default(),
        role: role_known.clone(),
        stop: stop.clone(),
    });

    let mut tasks = JoinSet::new();
    let served = ingest::serve(shared.clone(), tls, agents);
    tasks.spawn(async move { ("grpc", served.await.err().map(|error| format!("{error:?}"))) });
    grpc_open.send_replace(true);
    let controlling = Controlling {
        clock,
        candidacy,
        writes,
        recorder,
        shared,
        objects,
        role,
        journal: journal.clone(),
        health: health.clone(),
        readiness: readiness.clone(),
        gates,
    };
    tasks.spawn(async move {
        match controlling.run(connecting, stop).await {
            Ok(()) => ("controller", None),
            Err(refused) => (API_SERVER, Some(refused.to_string())),
        }
    });
    Parts {
        journal,
        readiness,
        health,
        role: role_known,
        tasks,
    }
}

/// Aborts a task with its owner.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
