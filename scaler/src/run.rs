//! `scaler run`: starts everything in an order that leaves nothing half-started, and stops it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tracing::{error, info, warn};

use crate::admin::{self, Admin, Readiness};
use crate::apply::{Applier, Leadership, Limits};
use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::config::Config;
use crate::controller::{self, Inputs, Journal, REPORT_QUEUE};
use crate::events::Events;
use crate::ingest::{self, Nodes, Shared};
use crate::policies::{self, PolicySet};
use crate::workloads::{Resource, Workloads};
use crate::{cluster, metrics, telemetry, workloads};

/// How long tasks may take to end after a request to stop; writes under way take less.
const STOP_PATIENCE: Duration = Duration::from_secs(8);
/// What shells report for a process that SIGINT ended.
const ABORTED: i32 = 130;

/// Runs until SIGTERM or SIGINT; a second one aborts at once.
///
/// # Errors
/// When it cannot start, and when a part that must run ends by itself.
pub fn main(args: RunArgs) -> anyhow::Result<ExitCode> {
    let config = Config::try_from(args)?;
    telemetry::install(config.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = CancellationToken::new();
        let stop_on_signal = stop.clone();
        tokio::spawn(async move {
            let mut signalled = async || {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            };
            signalled().await;
            info!("stopping; a second signal aborts");
            stop_on_signal.cancel();
            signalled().await;
            warn!("aborted");
            std::process::exit(ABORTED);
        });
        let starting = async {
            let client = cluster::connect(config.kubeconfig.as_deref()).await?;
            anyhow::Ok(Scaler::start(config, client, stop.clone()).await?)
        };
        let scaler = tokio::select! {
            scaler = starting => scaler?,
            () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
        };
        scaler.finished().await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Why the scaler does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(
        "{option} {address}: {source}; stop what listens there, or name another address with {option} \
         (or {variable})"
    )]
    Listen {
        /// The option that names the address.
        option: &'static str,
        /// The environment variable that names it too.
        variable: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Why a running scaler ended.
#[derive(Debug, Error)]
#[error("{task} ended unexpectedly{}", problem.as_ref().map(|p| format!(": {p}")).unwrap_or_default())]
pub struct TaskEnded {
    task: &'static str,
    problem: Option<String>,
}

/// How a task ended: its name, and its error if it had one.
type Ended = (&'static str, Option<String>);

/// A running scaler.
#[derive(Debug)]
pub struct Scaler {
    /// Where agents connect.
    pub grpc_address: SocketAddr,
    /// Where the admin endpoints are.
    pub admin_address: SocketAddr,
    tasks: JoinSet<Ended>,
    /// Tasks that only end by being aborted.
    _followers: JoinSet<()>,
    stop: CancellationToken,
}

impl Scaler {
    /// Starts every part. They stop when `stop` is cancelled.
    ///
    /// # Errors
    /// When an address is in use; nothing has been started then.
    pub async fn start(
        config: Config,
        client: Client,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let (grpc, grpc_address) = listen(
            "--grpc-address",
            "VIPERSCALE_GRPC_ADDRESS",
            config.grpc_address,
        )
        .await?;
        let (admin, admin_address) = listen(
            "--admin-address",
            "VIPERSCALE_ADMIN_ADDRESS",
            config.admin_address,
        )
        .await?;

        let clock = Clock::start();
        let journal = Arc::new(Journal::default());
        let workloads = Arc::new(Workloads::default());
        let mut readiness = Readiness::default();
        let mut followers = JoinSet::new();
        for resource in Resource::ALL {
            let synced = readiness.gate(resource.name());
            let workloads = workloads.clone();
            followers.spawn(workloads::watch(
                resource,
                client.clone(),
                workloads,
                clock,
                synced,
            ));
        }
        let policies = follow_policies(&config, &mut readiness, &mut followers);
        let grpc_open = readiness.gate("grpc");

        let (reports, reports_received) = mpsc::channel(REPORT_QUEUE);
        let shared = Arc::new(Shared {
            clock,
            interval: config.interval,
            workloads: workloads.clone(),
            policies: policies.clone(),
            nodes: Nodes::default(),
            reports,
            stop: stop.clone(),
        });
        let (events, write_events) = Events::start(client.clone());
        let limits = Limits::new(config.change_limits);
        let applier = Arc::new(Applier::new(client, limits, Leadership::always(), events));
        let inputs = Inputs {
            clock,
            interval: config.interval,
            workloads,
            policies,
            reports: reports_received,
            applier,
            journal: journal.clone(),
        };

        let mut tasks = JoinSet::new();
        let admin_state = Admin {
            clock,
            readiness: readiness.clone(),
            journal,
            metrics: metrics::install(),
            stop: stop.clone(),
        };
        tasks.spawn(async move {
            (
                "admin",
                admin::serve(admin_state, admin)
                    .await
                    .err()
                    .map(|e| e.to_string()),
            )
        });
        let served = ingest::serve(
            shared.clone(),
            config.tls,
            TcpIncoming::from(grpc).with_nodelay(Some(true)),
        );
        tasks.spawn(async move { ("grpc", served.await.err().map(|error| format!("{error:?}"))) });
        grpc_open.send_replace(true);
        tasks.spawn(async move {
            write_events.await;
            ("events", None)
        });
        let stop_controller = stop.clone();
        let mut everything_known = readiness;
        tasks.spawn(async move {
            tokio::select! {
                () = everything_known.wait() => {}
                () = stop_controller.cancelled() => return ("controller", None),
            }
            info!("ready");
            // Only now: half-known workloads would look like missing deployments and targets.
            let _distribute = AbortOnDrop(tokio::spawn(ingest::distribute(shared)));
            controller::run(inputs, stop_controller).await;
            ("controller", None)
        });
        info!(%grpc_address, %admin_address, "scaler started");
        Ok(Scaler {
            grpc_address,
            admin_address,
            tasks,
            _followers: followers,
            stop,
        })
    }

    /// Waits until it was stopped and everything has ended.
    ///
    /// # Errors
    /// When a part ended by itself; the others are stopped then.
    pub async fn finished(mut self) -> Result<(), TaskEnded> {
        let first = self.tasks.join_next().await;
        let failure = match first {
            _ if self.stop.is_cancelled() => None,
            Some(Ok((task, problem))) => Some(TaskEnded { task, problem }),
            Some(Err(error)) => Some(TaskEnded {
                task: "task",
                problem: Some(error.to_string()),
            }),
            None => None,
        };
        if let Some(failure) = &failure {
            error!(
                task = failure.task,
                problem = failure.problem.as_deref(),
                "task ended"
            );
        }
        self.stop.cancel();
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(STOP_PATIENCE, rest).await.is_err() {
            warn!("not everything stopped in time");
        }
        info!("stopped");
        failure.map_or(Ok(()), Err)
    }
}

/// Aborts a task with its owner.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(
    option: &'static str,
    variable: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen {
        option,
        variable,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}

fn follow_policies(
    config: &Config,
    readiness: &mut Readiness,
    followers: &mut JoinSet<()>,
) -> watch::Receiver<PolicySet> {
    let loaded = readiness.gate("policies");
    let (published, policies) = watch::channel(PolicySet::default());
    followers.spawn(policies::watch(config.policies.clone(), published));
    let mut first = policies.clone();
    followers.spawn(async move {
        if first.changed().await.is_ok() {
            loaded.send_replace(true);
        }
    });
    policies
}
