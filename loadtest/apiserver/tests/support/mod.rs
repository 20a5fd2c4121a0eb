//! A control plane with a node that only pretends to run pods.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(dead_code, reason = "each test binary uses a part of this")]

pub(crate) mod extension;
pub(crate) mod kubectl;

use std::fmt::Debug;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config as ClientConfig, ResourceExt};
use local_apiserver::{Config, run_control_plane};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) const NODE: &str = "local";
const DEADLINE: Duration = Duration::from_secs(20);

/// A running control plane in a directory of its own.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) directory: tempfile::TempDir,
    stop: CancellationToken,
    control_plane: tokio::task::JoinHandle<()>,
}

impl Cluster {
    /// Starts server and controllers.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (started, kubeconfig) = tokio::sync::oneshot::channel();
        let (config, token) = (Config::new(directory.path()), stop.clone());
        let control_plane = tokio::spawn(async move {
            run_control_plane(config, token, |running| {
                started.send(running.kubeconfig().to_owned()).unwrap();
            })
            .await
            .unwrap();
        });
        let kubeconfig = kubeconfig.await.unwrap();
        let client = client(&kubeconfig).await;
        Self {
            client,
            kubeconfig,
            directory,
            stop,
            control_plane,
        }
    }

    /// Adds a ready node; its pods become ready as soon as they are bound, and end at once.
    pub(crate) async fn with_node(self) -> Self {
        let node: Node = serde_json::from_value(json!({
            "metadata": {"name": NODE},
            "status": {
                "capacity": {"cpu": "64", "memory": "64Gi", "pods": "200"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }))
        .unwrap();
        Api::<Node>::all(self.client.clone())
            .create(&PostParams::default(), &node)
            .await
            .unwrap();
        tokio::spawn(pretend_to_be_a_kubelet(self.client.clone()));
        self
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.control_plane)
            .await
            .unwrap()
            .unwrap();
    }
}

pub(crate) async fn client(kubeconfig: &std::path::Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config =
        ClientConfig::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.unwrap();
    // Tests want to see every answer, 503 included.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

async fn pretend_to_be_a_kubelet(client: Client) {
    let bound = watcher::Config::default().fields(&format!("spec.nodeName={NODE}"));
    let pods = watcher(Api::<Pod>::all(client.clone()), bound)
        .default_backoff()
        .applied_objects();
    let mut pods = pods.boxed();
    let mut number = 0_u8;
    loop {
        let Ok(Some(pod)) = pods.try_next().await else {
            continue;
        };
        let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap());
        let name = pod.name_any();
        if pod.metadata.deletion_timestamp.is_some() {
            let _ = api
                .delete(&name, &DeleteParams::default().grace_period(0))
                .await;
        } else if pod
            .status
            .as_ref()
            .and_then(|status| status.pod_ip.as_ref())
            .is_none()
        {
            number = number.wrapping_add(1);
            let now = k8s_openapi::jiff::Timestamp::now().to_string();
            let status = json!({"status": {
                "phase": "Running", "podIP": format!("127.10.0.{number}"),
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
                "containerStatuses": [{"name": "server", "ready": true, "restartCount": 0,
                    "image": "shop", "imageID": "", "state": {"running": {"startedAt": now}}}],
            }});
            let patch = Patch::Strategic(&status);
            // The pod may be gone by now; whatever else went wrong is tried again, as a kubelet does.
            for _ in 0..10 {
                let patched = api
                    .patch_status(&name, &PatchParams::default(), &patch)
                    .await;
                if patched.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Polls until `probe` gives something; fails with the last rejection after a deadline.
pub(crate) async fn eventually<T, E: Debug, Probing>(
    what: &str,
    mut probe: impl FnMut() -> Probing,
) -> T
where
    Probing: Future<Output = Result<T, E>>,
{
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(error) if start.elapsed() > DEADLINE => panic!("{what}: still {error:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

pub(crate) fn deployment(name: &str, replicas: i32, more: Value) -> Deployment {
    let mut value = json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
                    "name": "server", "image": "shop:1",
                    "resources": {"requests": {"cpu": "100m"}},
                }]},
            },
        },
    });
    json_patch::merge(&mut value, &more);
    serde_json::from_value(value).unwrap()
}

/// Waits until a deployment has this many ready replicas, all of the present template and no
/// others.
pub(crate) async fn settled(api: &Api<Deployment>, name: &str, replicas: i32) -> Deployment {
    eventually(&format!("{name} has {replicas} replicas"), || async {
        let deployment = api.get(name).await.map_err(|error| error.to_string())?;
        let status = deployment.status.clone().unwrap_or_default();
        let counts = [
            status.replicas,
            status.updated_replicas,
            status.available_replicas,
        ]
        .map(|n| n.unwrap_or(0));
        let observed = status.observed_generation == deployment.metadata.generation;
        if observed && counts == [replicas; 3] {
            Ok(deployment)
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await
}

pub(crate) async fn pods_of(client: &Client, app: &str) -> Vec<Pod> {
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    api.list(&ListParams::default().labels(&format!("app={app}")))
        .await
        .unwrap()
        .items
}
