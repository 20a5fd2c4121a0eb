//! A cluster of API objects, node agents and a scaler, all in this process, over real HTTP.

#![allow(dead_code)] // each test binary uses its own part

pub(crate) mod agent;
pub(crate) mod proxy;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use scaler::config::{ChangeLimits, Config, ElectionConfig};
use scaler::election::Timing;
use scaler::run::Scaler;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use viperscale_proto::v1 as wire;

pub(crate) use agent::Agent;
use agent::{Inbound, open_stream};

pub(crate) const NAMESPACE: &str = "default";
const DEADLINE: Duration = Duration::from_secs(20);

/// Polls until there is an answer; panics after a while, saying what was waited for.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = attempt().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An API server without nodes; the tests are its kubelet.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) kubeconfig: PathBuf,
    /// Ends with the cluster that started it.
    _server: Option<(local_apiserver::Running, TempDir)>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = local_apiserver::serve(local_apiserver::Config::new(directory.path()))
            .await
            .unwrap();
        let kubeconfig = server.kubeconfig().to_owned();
        let client = scaler::cluster::connect(Some(&kubeconfig)).await.unwrap();
        Cluster {
            client,
            kubeconfig,
            _server: Some((server, directory)),
        }
    }

    /// The cluster of a kubeconfig, with connections in this runtime.
    pub(crate) async fn joined(kubeconfig: &Path) -> Self {
        Cluster {
            client: scaler::cluster::connect(Some(kubeconfig)).await.unwrap(),
            kubeconfig: kubeconfig.to_owned(),
            _server: None,
        }
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// A Deployment with one ReplicaSet. Paused, so that no controller but the scaler touches it.
    pub(crate) async fn create_deployment(&self, name: &str) -> Deployment {
        let template = json!({
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "server", "image": "none"}]},
        });
        let selector = json!({"matchLabels": {"app": name}});
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"replicas": 1, "paused": true, "selector": selector, "template": template},
        }))
        .unwrap();
        let created = self
            .deployments()
            .create(&PostParams::default(), &deployment)
            .await
            .unwrap();
        let replica_set: ReplicaSet = serde_json::from_value(json!({
            "metadata": {"name": format!("{name}-1"), "labels": {"app": name},
                         "ownerReferences": [owner("Deployment", name, &created.uid().unwrap())]},
            "spec": {"replicas": 1, "selector": selector, "template": template},
        }))
        .unwrap();
        let replica_sets: Api<ReplicaSet> = Api::namespaced(self.client.clone(), NAMESPACE);
        replica_sets
            .create(&PostParams::default(), &replica_set)
            .await
            .unwrap();
        created
    }

    /// A ready pod of a Deployment, its container running on `node`. Returns its UID.
    pub(crate) async fn create_pod(&self, deployment: &str, name: &str, node: &str) -> String {
        let replica_sets: Api<ReplicaSet> = Api::namespaced(self.client.clone(), NAMESPACE);
        let replica_set = replica_sets.get(&format!("{deployment}-1")).await.unwrap();
        let reference = owner(
            "ReplicaSet",
            &replica_set.name_any(),
            &replica_set.uid().unwrap(),
        );
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"app": deployment}, "ownerReferences": [reference]},
            "spec": {"nodeName": node, "containers": [{"name": "server", "image": "none",
                     "resources": {"limits": {"cpu": "200m"}}}]},
        }))
        .unwrap();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let uid = pods
            .create(&PostParams::default(), &pod)
            .await
            .unwrap()
            .uid()
            .unwrap();
        let status = json!({"status": {
            "phase": "Running", "startTime": "2026-01-01T00:00:00Z",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "server", "image": "none", "imageID": "", "ready": true,
                "restartCount": 0, "containerID": format!("viperscale://{name}-id"),
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}],
        }});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
            .await
            .unwrap();
        uid
    }

    pub(crate) async fn replicas(&self, deployment: &str) -> i32 {
        self.deployments()
            .get(deployment)
            .await
            .unwrap()
            .spec
            .replicas
            .unwrap()
    }

    /// Reasons and messages of the Events on a Deployment.
    pub(crate) async fn events(&self, deployment: &str) -> Vec<(String, String)> {
        self.events_on("Deployment", deployment).await
    }

    /// Reasons and messages of the Events on an object.
    pub(crate) async fn events_on(&self, kind: &str, name: &str) -> Vec<(String, String)> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        let events = api.list(&ListParams::default()).await.unwrap();
        events
            .into_iter()
            .filter(|event| event.involved_object.name.as_deref() == Some(name))
            .filter(|event| event.involved_object.kind.as_deref() == Some(kind))
            .map(|event| {
                (
                    event.reason.unwrap_or_default(),
                    event.message.unwrap_or_default(),
                )
            })
            .collect()
    }
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true})
}

/// A policy that at twice the threshold wants twice the pods.
pub(crate) fn policy(deployment: &str, extra: &str) -> String {
    format!(
        "apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: {deployment}, namespace: {NAMESPACE}}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {deployment}}}
  minReplicas: 1
  maxReplicas: 4
  warmup: 1s
  {extra}
  metrics:
    - {{name: runqLatency, statistic: p95, threshold: 2ms, response: Proportional, sampling: 0.5}}
    - {{name: runqLatency, statistic: avg, response: Observe, container: server}}
"
    )
}

/// How one of several scalers is elected in tests: as in production.
pub(crate) fn election() -> Option<ElectionConfig> {
    Some(ElectionConfig {
        lease: "scaler-under-test".to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        timing: Timing::default(),
        advertise: None,
    })
}

/// A scaler of a cluster, with a directory of policies.
pub(crate) struct Running {
    pub(crate) scaler: Scaler,
    pub(crate) policies: TempDir,
    pub(crate) stop: CancellationToken,
    admin: String,
    agents: String,
}

impl Running {
    pub(crate) async fn start(cluster: &Cluster, policies: &[(&str, String)]) -> Self {
        Self::start_with(cluster, policies, |_| {}).await
    }

    /// The same with another configuration.
    pub(crate) async fn start_with(
        cluster: &Cluster,
        policies: &[(&str, String)],
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in policies {
            std::fs::write(directory.path().join(file), text).unwrap();
        }
        let stop = CancellationToken::new();
        let mut config = config(directory.path());
        config.kubeconfig = Some(cluster.kubeconfig.clone());
        configure(&mut config);
        let scaler = Scaler::start(config, cluster.client.clone(), stop.clone())
            .await
            .unwrap();
        let admin = format!("http://{}", scaler.admin_address);
        let agents = format!("http://{}", scaler.grpc_address);
        let running = Running {
            scaler,
            policies: directory,
            stop,
            admin,
            agents,
        };
        eventually("the scaler is ready", || async {
            let answer = running.get("/ready").await;
            answer.status().is_success().then_some(())
        })
        .await;
        running
    }

    pub(crate) fn write_policy(&self, file: &str, text: &str) {
        std::fs::write(self.policies.path().join(file), text).unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("{}{path}", self.admin)).await.unwrap()
    }

    /// The entry of a deployment in `/decisions`, once it satisfies `accept`.
    pub(crate) async fn decision(
        &self,
        deployment: &str,
        accept: impl Fn(&Value) -> bool,
    ) -> Value {
        let what = format!("/decisions of {deployment}");
        eventually(&what, || async {
            let all: Value = self.get("/decisions").await.json().await.unwrap();
            let mut views = all["policies"].as_array().unwrap().iter();
            views
                .find(|view| view["deployment"] == deployment && accept(view))
                .cloned()
        })
        .await
    }

    pub(crate) async fn connect(&self, node: &str) -> Agent {
        Agent::connect(&self.agents, node).await
    }

    pub(crate) async fn open_stream(&self) -> (mpsc::Sender<wire::AgentMessage>, Inbound) {
        open_stream(&self.agents).await
    }
}

pub(crate) fn config(policies: &Path) -> Config {
    Config {
        policies: Some(policies.to_owned()),
        kubeconfig: None,
        grpc_address: "127.0.0.1:0".parse().unwrap(),
        admin_address: "127.0.0.1:0".parse().unwrap(),
        interval: Duration::from_millis(200),
        tls: None,
        election: None,
        change_limits: ChangeLimits::default(),
        pod_deletion_costs: true,
        record: None,
        log_format: scaler::cli::LogFormat::Text,
    }
}
