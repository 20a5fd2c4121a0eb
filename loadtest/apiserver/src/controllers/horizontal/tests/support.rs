//! A cluster without a node and without a metrics server, whose pods and readings are made up.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerStatus,
};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config as ClientConfig};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::super::run_each;
use crate::{Config, Running, serve};

const DEADLINE: Duration = Duration::from_secs(20);

/// An API server, this controller, and no other.
pub(super) struct Cluster {
    pub(super) client: Client,
    _controller: AbortOnDropHandle<()>,
    _server: Running,
    _directory: tempfile::TempDir,
}

impl Cluster {
    pub(super) async fn start(period: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = serve(Config::new(directory.path())).await.unwrap();
        let kubeconfig = Kubeconfig::read_from(server.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = ClientConfig::from_custom_kubeconfig(kubeconfig, &options).await;
        let client = Client::try_from(config.unwrap()).unwrap();
        let controller = {
            let client = client.clone();
            async move { run_each(period, &client, CancellationToken::new()).await }
        };
        Self {
            client,
            _controller: AbortOnDropHandle::new(tokio::spawn(controller)),
            _server: server,
            _directory: directory,
        }
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::default_namespaced(self.client.clone())
    }

    pub(super) async fn create<K>(&self, object: Value) -> K
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + serde::Serialize
            + DeserializeOwned,
    {
        let object: K = serde_json::from_value(object).unwrap();
        self.api()
            .create(&PostParams::default(), &object)
            .await
            .unwrap()
    }

    /// A deployment of `replicas`, and one old and ready pod of it.
    pub(super) async fn workload(&self, name: &str, replicas: i32) {
        let labels = json!({"app": name});
        let containers = json!([{"name": "server", "image": "shop:1",
                                 "resources": {"requests": {"cpu": "100m"}}}]);
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers}});
        let spec = json!({"replicas": replicas, "selector": {"matchLabels": labels},
                          "template": template});
        self.create::<Deployment>(json!({"metadata": {"name": name}, "spec": spec}))
            .await;
        let pod = json!({"metadata": {"name": name, "labels": labels},
                         "spec": {"containers": containers}});
        self.create::<Pod>(pod).await;
        let status = json!({"status": {
            "phase": "Running", "startTime": "2020-01-01T00:00:00Z",
            "conditions": [{"type": "Ready", "status": "True",
                            "lastTransitionTime": "2020-01-01T00:00:00Z"}],
        }});
        let parameters = PatchParams::default();
        let patched = self
            .api::<Pod>()
            .patch_status(name, &parameters, &Patch::Merge(status))
            .await;
        patched.unwrap();
    }

    /// Lets `metrics.k8s.io` exist.
    pub(super) async fn metrics_api(&self) {
        let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let resource = ApiResource::from_gvk(&kind);
        let definition: DynamicObject = serde_json::from_value(json!({
            "metadata": {"name": "pods.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "scope": "Namespaced",
                "names": {"plural": "pods", "kind": "PodMetrics"},
                "versions": [{"name": "v1beta1", "served": true, "storage": true, "schema": {
                    "openAPIV3Schema": {"type": "object",
                                        "x-kubernetes-preserve-unknown-fields": true}}}],
            },
        }))
        .unwrap();
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        api.create(&PostParams::default(), &definition)
            .await
            .unwrap();
    }

    /// Injects a reading of the pod of that name.
    pub(super) async fn reading(&self, name: &str, cpu: &str) {
        let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
        let resource = ApiResource::from_gvk_with_plural(&kind, "pods");
        let api: Api<DynamicObject> = Api::default_namespaced_with(self.client.clone(), &resource);
        let metrics = json!({
            "apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics",
            "metadata": {"name": name, "labels": {"app": name}},
            "timestamp": k8s_openapi::jiff::Timestamp::now().to_string(), "window": "15.1s",
            "containers": [{"name": "server", "usage": {"cpu": cpu, "memory": "8Mi"}}],
        });
        let parameters = PatchParams::apply("fake").force();
        api.patch(name, &parameters, &Patch::Apply(metrics))
            .await
            .unwrap();
    }

    pub(super) async fn autoscaler(&self, name: &str, target: &str, metrics: Value) {
        let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": target});
        let spec = json!({"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 20,
                          "metrics": metrics});
        self.create::<HorizontalPodAutoscaler>(json!({"metadata": {"name": name}, "spec": spec}))
            .await;
    }

    pub(super) async fn replicas(&self, name: &str) -> i32 {
        let deployment = self.api::<Deployment>().get(name).await.unwrap();
        deployment.spec.replicas.unwrap()
    }

    pub(super) async fn status(&self, name: &str) -> HorizontalPodAutoscalerStatus {
        let autoscaler = self
            .api::<HorizontalPodAutoscaler>()
            .get(name)
            .await
            .unwrap();
        autoscaler.status.unwrap_or_default()
    }

    /// Waits until a condition has this reason.
    pub(super) async fn condition(
        &self,
        name: &str,
        reason: &str,
    ) -> HorizontalPodAutoscalerCondition {
        eventually(reason, || async {
            let conditions = self.status(name).await.conditions.unwrap_or_default();
            let found = conditions
                .iter()
                .find(|one| one.reason.as_deref() == Some(reason));
            found.cloned().ok_or(conditions)
        })
        .await
    }

    /// Waits until an event has this reason and at least that count.
    pub(super) async fn event(&self, reason: &str, count: i32) -> Event {
        eventually(reason, || async {
            let events = self
                .api::<Event>()
                .list(&ListParams::default())
                .await
                .unwrap()
                .items;
            let matches = |one: &&Event| {
                one.reason.as_deref() == Some(reason) && one.count.unwrap_or(0) >= count
            };
            events.iter().find(matches).cloned().ok_or(events)
        })
        .await
    }
}

/// Polls until `probe` gives something; fails with the last rejection after a deadline.
pub(super) async fn eventually<T, E: Debug, Probing>(
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
            Err(error) if start.elapsed() > DEADLINE => panic!("{what}: still {error:#?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
