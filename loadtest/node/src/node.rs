//! Starting a node, keeping it alive, and ending it with nothing left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::Api;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::address::{Allocator, Cidr};
use crate::cache::cache;
use crate::cgroup::{self, Cgroups, Swept};
use crate::config::{MetricsApi, NodeConfig, check_name};
use crate::error::NodeError;
use crate::lock::NodeLock;
use crate::metrics::{Containers, Meter, Metrics, Registration};
use crate::pod::{Manager, NodeContext};
use crate::process::Spawner;
use crate::proxy::ServiceProxy;
use crate::registration::{Capacity, HEARTBEAT, Registrar, STATUS_EVERY};
use crate::{local_routes, rights};

/// First and longest wait between attempts to register.
const REGISTER_RETRY: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(5);
/// Wait between attempts to delete the node's objects.
const DEREGISTER_RETRY: Duration = Duration::from_millis(250);
/// Where programs are searched when the node itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a node until `stop`; returns when no process and no cgroup of its pods is left.
///
/// Before it starts it removes what an earlier node of this name left behind. An API server that
/// cannot be reached is waited for as long as the configuration says.
///
/// # Errors
/// When the node cannot start: no root, no cgroups, the name in use, no answer from the control
/// plane, credentials refused, rights missing, a range of addresses that is in use.
pub async fn run(config: NodeConfig, stop: CancellationToken) -> Result<(), NodeError> {
    config.check()?;
    require_root()?;
    let _lock = NodeLock::acquire(&config.name)?;
    let swept = sweep_locked(&config.name).await?;
    if swept != Swept::default() {
        tracing::info!(
            swept.processes,
            swept.cgroups,
            "removed what an earlier run left behind"
        );
    }
    let result = run_locked(&config, &stop).await;
    // Pods have removed their own cgroups; this removes the directories above them, and routes.
    sweep_locked(&config.name).await?;
    result
}

/// Removes cgroups and processes that a killed node of this name left behind. Blocks for as long as
/// processes take to die, milliseconds as a rule.
///
/// # Errors
/// When a node of this name is alive, the caller is not root, or something cannot be removed.
pub fn sweep(node_name: &str) -> Result<Swept, NodeError> {
    check_name(node_name)?;
    require_root()?;
    let _lock = NodeLock::acquire(node_name)?;
    sweep_now(node_name)
}

fn require_root() -> Result<(), NodeError> {
    let user = nix::unistd::geteuid();
    if user.is_root() {
        Ok(())
    } else {
        Err(NodeError::NotRoot(user.as_raw()))
    }
}

async fn sweep_locked(name: &str) -> Result<Swept, NodeError> {
    let name = name.to_owned();
    let sweeping = tokio::task::spawn_blocking(move || sweep_now(&name));
    match sweeping.await {
        Ok(swept) => swept,
        Err(error) => Err(system("remove leftovers")(std::io::Error::other(error))),
    }
}

/// The caller holds the lock.
fn sweep_now(name: &str) -> Result<Swept, NodeError> {
    let swept = cgroup::sweep_tree(name)?;
    local_routes::remove(name)?;
    Ok(swept)
}

async fn run_locked(config: &NodeConfig, stop: &CancellationToken) -> Result<(), NodeError> {
    std::fs::create_dir_all(&config.run_dir).map_err(system(&format!(
        "make the run directory {}",
        config.run_dir.display()
    )))?;
    let client =
        kube::Client::try_from(config.kube.clone()).map_err(|e| NodeError::Client(Box::new(e)))?;
    if !answers(config, &client, stop).await? {
        return Ok(());
    }
    let ranges: Vec<Cidr> = [Some(config.pod_cidr), config.service_cidr]
        .into_iter()
        .flatten()
        .collect();
    local_routes::add(&config.name, &ranges)?;
    let capacity = Capacity::of_machine(config.max_pods);
    let changed = Arc::new(Notify::new());
    let (services, keep_services) = cache::<Service>(Api::all(client.clone()), changed.clone());
    let (slices, keep_slices) = cache::<EndpointSlice>(Api::all(client.clone()), changed.clone());
    let (routed_sender, routed) = watch::channel(BTreeSet::new());
    let cgroups = Cgroups::open(&config.name)?;
    let meters = cgroups.meters();
    let containers = Arc::new(Containers::default());
    let node = Arc::new(NodeContext {
        client: client.clone(),
        node_name: config.name.clone(),
        host_ip: config.address,
        capacity,
        addresses: Allocator::new(config.pod_cidr),
        cgroups,
        spawner: Spawner::start().map_err(system("start the thread that starts processes"))?,
        containers: containers.clone(),
        services: services.clone(),
        routed,
        inherited: inherited(),
        run_dir: config.run_dir.clone(),
        log_max_bytes: config.log_max_bytes,
        default_grace: config.shutdown_grace,
        tainted: config.tainted,
    });
    let registrar = Registrar::new(&client, config, capacity);
    let metrics = match (config.metrics_api, meters) {
        (MetricsApi::Off, _) => None,
        (MetricsApi::Register, Ok(files)) => {
            let meter = Meter::new(&config.name, registrar.labels(), containers, files);
            Some(Metrics::start(&client, config.address, Arc::new(meter)).await?)
        }
        (MetricsApi::Register, Err(error)) => {
            tracing::warn!(%error, "no metrics are served");
            None
        }
    };
    if !register(&registrar, config, stop).await? {
        return Ok(());
    }
    tracing::info!(node = config.name, "node is ready");

    // Everything but the pods runs beside them, to the end: pods drain through the proxy.
    let mut background = JoinSet::new();
    background.spawn(keep_services);
    background.spawn(keep_slices);
    let registrar = Arc::new(registrar);
    background.spawn(heartbeat(registrar.clone()));
    let registration = metrics.map(|metrics| metrics.run(&mut background));
    // Pods learn at their start where services are, and no service may look empty for a moment.
    // Only here: a store wakes but one of several that wait for it (kube 5.0, `DelayedInit`).
    let filled = async {
        // An error means that the task above is gone, which happens at shutdown only.
        let _ = services.wait_until_ready().await;
        let _ = slices.wait_until_ready().await;
    };
    tokio::select! {
        () = filled => {}
        () = stop.cancelled() => {}
    }
    let limit = config.max_connections;
    let serves = config.service_cidr;
    let proxy = ServiceProxy::new(services, slices, changed, routed_sender, limit, serves);
    let proxy_stop = CancellationToken::new();
    background.spawn(proxy.run(proxy_stop.clone()));
    let max_pods = usize::try_from(config.max_pods).unwrap_or(usize::MAX);
    Manager::new(node, max_pods)
        .run(stop.clone(), config.shutdown_grace)
        .await;

    proxy_stop.cancel();
    background.shutdown().await;
    let leave = leave(
        config.deregister.then_some(&*registrar),
        registration.as_deref(),
    );
    if timeout(config.deregister_time, leave).await.is_err() {
        tracing::warn!(
            node = config.name,
            "objects of this node may be left in the cluster: it does not answer"
        );
    }
    Ok(())
}

/// Deletes the node's objects, as often as it takes.
async fn leave(registrar: Option<&Registrar>, registration: Option<&Registration>) {
    loop {
        let left = async {
            if let Some(registration) = registration {
                registration.remove().await?;
            }
            match registrar {
                Some(registrar) => registrar.deregister().await,
                None => Ok(()),
            }
        };
        match left.await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "objects not deleted, trying again"),
        }
        sleep(DEREGISTER_RETRY).await;
    }
}

/// Waits until the API server answers, and checks that it will let the node do its work. False when
/// stopped meanwhile.
async fn answers(
    config: &NodeConfig,
    client: &kube::Client,
    stop: &CancellationToken,
) -> Result<bool, NodeError> {
    let metrics = config.metrics_api == MetricsApi::Register;
    let asked = attempt(config, stop, || rights::missing(client, metrics)).await?;
    match asked {
        None => Ok(false),
        Some(missing) if missing.is_empty() => Ok(true),
        Some(missing) => Err(NodeError::Forbidden(missing)),
    }
}

/// Registers. False when stopped meanwhile.
async fn register(
    registrar: &Registrar,
    config: &NodeConfig,
    stop: &CancellationToken,
) -> Result<bool, NodeError> {
    let foreign = attempt(config, stop, || registrar.is_foreign()).await?;
    if foreign == Some(true) {
        return Err(NodeError::NameTaken(config.name.clone()));
    }
    let registered = attempt(config, stop, || registrar.register()).await?;
    Ok(registered.is_some())
}

/// Does something until it succeeds, the API server says no, or the configured time is over. `None`
/// when stopped meanwhile.
async fn attempt<T, F>(
    config: &NodeConfig,
    stop: &CancellationToken,
    act: impl Fn() -> F,
) -> Result<Option<T>, NodeError>
where
    F: Future<Output = kube::Result<T>>,
{
    let start = Instant::now();
    let mut wait = *REGISTER_RETRY.start();
    loop {
        let left = config
            .wait
            .map_or(Duration::MAX, |wait| wait.saturating_sub(start.elapsed()));
        let error = tokio::select! {
            acted = timeout(left, act()) => match acted {
                Ok(Ok(value)) => return Ok(Some(value)),
                Ok(Err(error)) => error,
                Err(_) => kube::Error::Service("no answer".into()),
            },
            () = stop.cancelled() => return Ok(None),
        };
        match error {
            // The server understood and said no: trying again would not help.
            kube::Error::Api(status) if matches!(status.code, 400 | 401 | 403 | 422) => {
                return Err(NodeError::Register {
                    name: config.name.clone(),
                    source: Box::new(kube::Error::Api(status)),
                });
            }
            error if config.wait.is_some_and(|wait| start.elapsed() >= wait) => {
                return Err(NodeError::Unreachable {
                    server: config.kube.cluster_url.to_string(),
                    waited: start.elapsed(),
                    source: Box::new(error),
                });
            }
            error => tracing::warn!(%error, "the control plane does not answer yet, trying again"),
        }
        let left = config
            .wait
            .map_or(wait, |wait| wait.saturating_sub(start.elapsed()));
        tokio::select! {
            () = sleep(wait.min(left)) => {}
            () = stop.cancelled() => return Ok(None),
        }
        wait = (wait * 2).min(*REGISTER_RETRY.end());
    }
}

/// Renews the lease, and now and then the conditions. A Node that somebody deleted is made again.
async fn heartbeat(registrar: Arc<Registrar>) {
    let mut ticks = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count: u32 = 0;
    loop {
        ticks.tick().await;
        count = count.wrapping_add(1);
        let mut beat = registrar.renew_lease().await;
        if beat.is_ok() && count.is_multiple_of(STATUS_EVERY) {
            beat = registrar.refresh_status().await;
        }
        if let Err(kube::Error::Api(status)) = &beat
            && status.code == 404
        {
            beat = registrar.register().await;
        }
        if let Err(error) = beat {
            tracing::warn!(%error, "heartbeat failed");
        }
    }
}

/// What an image would provide: pods run the host's programs, so they get the host's `PATH`.
fn inherited() -> BTreeMap<String, String> {
    let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    BTreeMap::from([("PATH".to_owned(), path)])
}

fn system(action: &str) -> impl FnOnce(std::io::Error) -> NodeError {
    let action = action.to_owned();
    move |source| NodeError::System { action, source }
}
