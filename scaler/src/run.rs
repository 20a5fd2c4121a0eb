//! `scaler run`: starts everything in an order that leaves nothing half-started, and stops it.
//!
//! Ports are taken first, so that probes and agents are answered while the API server is away; what
//! lies between the edges is [`crate::parts`].

mod listen;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tracing::{error, info, warn};

use crate::admin::{self, Admin, Readiness};
use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::cluster::{self, ClusterError};
use crate::config::Config;
use crate::election::{self, Runtime, boot_time};
use crate::parts::{self, API_SERVER, Candidacy, Ground, Parts, Writes};
use crate::policies::{self, Objects, PolicySet};
use crate::recording::Recorder;
use crate::{descriptors, metrics, telemetry};

pub use listen::StartError;
use listen::listen;

/// How long tasks may take to end after a request to stop; writes under way take less.
const STOP_PATIENCE: Duration = Duration::from_secs(8);
/// Observations of latencies wait in memory until then, 2,000 a second in a large cluster; scrapes
/// digest them too, but not every installation is scraped.
const METRICS_UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// What shells report for a process that SIGINT ended.
const ABORTED: i32 = 130;

/// Runs until SIGTERM or SIGINT; a second one aborts at once.
///
/// # Errors
/// When it cannot start, and when a part that must run ends by itself.
pub fn main(args: RunArgs) -> anyhow::Result<ExitCode> {
    let config = Config::try_from(args)?;
    telemetry::install(config.log_format);
    descriptors::raise_limit();
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
        let kubeconfig = config.kubeconfig.clone();
        let connecting = async move { cluster::connect_patiently(kubeconfig.as_deref()).await };
        let scaler = Scaler::start_connecting(config, connecting, stop).await?;
        scaler.finished().await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Why a running scaler ended.
#[derive(Debug, Error)]
#[error("{}", self.text())]
pub struct TaskEnded {
    task: &'static str,
    problem: Option<String>,
}

impl TaskEnded {
    fn text(&self) -> String {
        match (self.task, &self.problem) {
            // Not an end but a refusal, which says what to do.
            (API_SERVER, Some(problem)) => problem.clone(),
            (task, Some(problem)) => format!("{task} ended unexpectedly: {problem}"),
            (task, None) => format!("{task} ended unexpectedly"),
        }
    }
}

/// A running scaler.
#[derive(Debug)]
pub struct Scaler {
    /// Where agents connect.
    pub grpc_address: SocketAddr,
    /// Where the admin endpoints are.
    pub admin_address: SocketAddr,
    parts: Parts,
    /// Follow the policies and digest metrics; they end by being aborted.
    _followers: JoinSet<()>,
    stop: CancellationToken,
}

impl Scaler {
    /// Starts every part with a client that is known to work. They stop when `stop` is cancelled.
    ///
    /// # Errors
    /// When an address is in use; nothing has been started then.
    pub async fn start(
        config: Config,
        client: Client,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        Self::start_connecting(config, std::future::ready(Ok(client)), stop).await
    }

    /// Takes the ports and serves at once, as a standby that says what it waits for; everything that
    /// needs the API server follows when `connecting` has a client. When it has an error instead,
    /// [`Scaler::finished`] tells.
    ///
    /// # Errors
    /// When an address is in use; nothing has been started then.
    pub async fn start_connecting(
        config: Config,
        connecting: impl Future<Output = Result<Client, ClusterError>> + Send + 'static,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        let (grpc, grpc_address) = listen(
            "--grpc-address",
            "VIPERSCALE_GRPC_ADDRESS",
            config.grpc_address,
        )?;
        let (admin, admin_address) = listen(
            "--admin-address",
            "VIPERSCALE_ADMIN_ADDRESS",
            config.admin_address,
        )?;

        let clock = Clock::start();
        let recorder = match &config.record {
            Some(record) => Recorder::start(&record.directory, record.max_bytes, clock)?,
            None => Recorder::off(),
        };
        let mut readiness = Readiness::default();
        let mut followers = JoinSet::new();
        let (objects, known) = watch::channel(Objects::default());
        let policies = follow_policies(&config, known, &mut readiness, &mut followers);
        let kubeconfig = config.kubeconfig.clone();
        let candidacy = config.election.map(|election| Candidacy {
            agents_address: election.advertised(grpc_address),
            lease: election.lease,
            namespace: election.namespace,
            identity: election::identity(),
            timing: election.timing,
            now: boot_time::now,
            runtime: Runtime::Own { kubeconfig },
        });
        let ground = Ground {
            clock,
            connecting,
            policies,
            objects,
            candidacy,
            agents: descriptors::unhurried(TcpIncoming::from(grpc).with_nodelay(Some(true))),
            tls: config.tls,
            interval: config.interval,
            writes: Writes {
                limits: config.change_limits,
                pod_deletion_costs: config.pod_deletion_costs,
            },
            recorder,
        };
        let recorded = metrics::install();
        let digested = recorded.clone();
        followers.spawn(async move {
            loop {
                sleep(METRICS_UPKEEP_EVERY).await;
                digested.run_upkeep();
            }
        });
        let mut parts = parts::start(ground, readiness, stop.clone());
        let admin_state = Admin {
            clock,
            readiness: parts.readiness.clone(),
            journal: parts.journal.clone(),
            metrics: recorded,
            health: parts.health.clone(),
            role: parts.role.clone(),
            stop: stop.clone(),
        };
        parts.tasks.spawn(async move {
            let served = admin::serve(admin_state, admin).await;
            ("admin", served.err().map(|error| error.to_string()))
        });
        info!(%grpc_address, %admin_address, "scaler started");
        Ok(Scaler {
            grpc_address,
            admin_address,
            parts,
            _followers: followers,
            stop,
        })
    }

    /// Waits until it was stopped and everything has ended.
    ///
    /// # Errors
    /// When a part ended by itself; the others are stopped then.
    pub async fn finished(mut self) -> Result<(), TaskEnded> {
        let tasks = &mut self.parts.tasks;
        let first = tasks.join_next().await;
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
        let rest = async { while tasks.join_next().await.is_some() {} };
        if timeout(STOP_PATIENCE, rest).await.is_err() {
            warn!("not everything stopped in time");
        }
        info!("stopped");
        failure.map_or(Ok(()), Err)
    }
}

/// Follows the directory, and mixes its policies with those of `objects`.
fn follow_policies(
    config: &Config,
    objects: watch::Receiver<Objects>,
    readiness: &mut Readiness,
    followers: &mut JoinSet<()>,
) -> watch::Receiver<PolicySet> {
    let loaded = readiness.gate("policies");
    let (published, policies) = watch::channel(PolicySet::default());
    followers.spawn(policies::watch(config.policies.clone(), objects, published));
    let mut first = policies.clone();
    followers.spawn(async move {
        if first.changed().await.is_ok() {
            loaded.send_replace(true);
        }
    });
    policies
}
