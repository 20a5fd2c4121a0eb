//! What stops writes, over real gRPC and HTTP.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::time::Duration;

use common::{Agent, Cluster, NAMESPACE, Running, eventually, policy};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::json;

const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

fn hpa(name: &str, deployment: &str) -> HorizontalPodAutoscaler {
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment});
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"maxReplicas": 3, "scaleTargetRef": target},
    }))
    .unwrap()
}

fn hpas(cluster: &Cluster) -> Api<HorizontalPodAutoscaler> {
    Api::namespaced(cluster.client.clone(), NAMESPACE)
}

/// Reports waiting until the replicas are no longer `from`, or for `reports` reports.
async fn press(agent: &mut Agent, cluster: &Cluster, pod: &str, from: i32, reports: u32) -> i32 {
    for _ in 0..reports {
        agent.report_waiting(pod).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let replicas = cluster.replicas("web").await;
        if replicas != from {
            return replicas;
        }
    }
    from
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hpa_stops_everything_and_its_end_lets_it_go_on() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let created = hpas(&cluster);
    created
        .create(&PostParams::default(), &hpa("other", "web"))
        .await
        .unwrap();
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(1).await;

    assert_eq!(press(&mut agent, &cluster, &pod, 1, 15).await, 1, "held");
    let view = scaler
        .decision("web", |view| view["decision"]["reason"] == "Conflict")
        .await;
    let message = view["decision"]["message"].as_str().unwrap();
    assert!(
        message.contains("HorizontalPodAutoscaler default/other"),
        "{message}"
    );
    let told = |reason: &'static str| {
        let cluster = &cluster;
        eventually(reason, move || async move {
            let events = cluster.events("web").await;
            events.into_iter().find(|(found, _)| found == reason)
        })
    };
    assert!(
        told("Conflict")
            .await
            .1
            .contains("writes nothing until then")
    );

    created
        .delete("other", &DeleteParams::default())
        .await
        .unwrap();
    told("ConflictResolved").await;
    assert_eq!(
        press(&mut agent, &cluster, &pod, 1, 50).await,
        4,
        "it goes on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hpa_that_appears_in_the_middle_ends_the_writing_at_once() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let slowly = "behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 2}]}}";
    let policies = [("web.yaml", policy("web", slowly))];
    let scaler = Running::start(&cluster, &policies).await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(1).await;
    assert_eq!(press(&mut agent, &cluster, &pod, 1, 50).await, 2);

    hpas(&cluster)
        .create(&PostParams::default(), &hpa("other", "web"))
        .await
        .unwrap();
    scaler
        .decision("web", |view| view["decision"]["reason"] == "Conflict")
        .await;
    let then = cluster.replicas("web").await;
    assert_eq!(press(&mut agent, &cluster, &pod, then, 20).await, then);
    let metrics = scaler.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("viperscale_conflicts"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_is_off_stays_off_until_somebody_turns_it_on() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let set = |replicas: i32| {
        let (api, patch) = (
            cluster.deployments(),
            Patch::Merge(json!({"spec": {"replicas": replicas}})),
        );
        async move {
            api.patch("web", &PatchParams::default(), &patch)
                .await
                .unwrap()
        }
    };
    set(0).await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(1).await;
    assert_eq!(press(&mut agent, &cluster, &pod, 0, 15).await, 0);
    scaler
        .decision("web", |view| {
            view["decision"]["reason"] == "ScalingDisabled"
        })
        .await;
    set(1).await;
    assert_eq!(press(&mut agent, &cluster, &pod, 1, 50).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_paused_writes_no_more() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", "mode: Paused"))]).await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(1).await;
    assert_eq!(press(&mut agent, &cluster, &pod, 1, 10).await, 1);
    let view = scaler
        .decision("web", |view| view["decision"]["reason"] == "Paused")
        .await;
    assert_eq!(view["mode"], "Paused");
    scaler.write_policy("web.yaml", &policy("web", ""));
    assert_eq!(press(&mut agent, &cluster, &pod, 1, 50).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn keda_is_noticed_when_it_is_there_from_the_start() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    install_keda(&cluster).await;
    let gvk = GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "scaledobjects");
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), NAMESPACE, &resource);
    let object = DynamicObject::new("scaled", &resource)
        .within(NAMESPACE)
        .data(json!({"spec": {"scaleTargetRef": {"name": "web"}}}));
    // The kind is served some moments after its definition.
    eventually("a ScaledObject", || async {
        api.create(&PostParams::default(), &object).await.ok()
    })
    .await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    let view = scaler
        .decision("web", |view| view["decision"]["reason"] == "Conflict")
        .await;
    let message = view["decision"]["message"].as_str().unwrap();
    assert!(message.contains("ScaledObject default/scaled"), "{message}");
    api.delete("scaled", &DeleteParams::default())
        .await
        .unwrap();
    scaler
        .decision("web", |view| view["decision"]["reason"] != "Conflict")
        .await;
}

async fn install_keda(cluster: &Cluster) {
    let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let resource = ApiResource::from_gvk(&gvk);
    let api: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &resource);
    let schema = json!({"openAPIV3Schema": {
        "type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let definition = DynamicObject::new("scaledobjects.keda.sh", &resource).data(json!({"spec": {
        "group": "keda.sh", "scope": "Namespaced",
        "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"},
        "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": schema}],
    }}));
    api.create(&PostParams::default(), &definition)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_idle_pod_is_marked_before_a_scale_down_and_unmarked_when_it_stays() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let patch = Patch::Merge(json!({"spec": {"replicas": 2}}));
    cluster
        .deployments()
        .patch("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let idle = cluster.create_pod("web", "web-idle", "n1").await;
    let busy = cluster.create_pod("web", "web-busy", "n1").await;
    let at_once = "behavior: {scaleDown: {stabilizationWindowSeconds: 0}}";
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", at_once))]).await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(2).await;
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let cost = async |name: &str| {
        let annotations = pods.get(name).await.unwrap().metadata.annotations;
        annotations.unwrap_or_default().get(COST).cloned()
    };
    let mut marked = (None, None);
    for _ in 0..100 {
        agent
            .report_work(&[(idle.as_str(), 1), (busy.as_str(), 100)])
            .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        marked = (cost("web-idle").await, cost("web-busy").await);
        if cluster.replicas("web").await == 1 {
            break;
        }
    }
    assert_eq!(marked, (Some("-1".to_owned()), None));
    // No controller takes the pod away here, so it is one that stayed.
    eventually("the mark is taken away", || async {
        cost("web-idle").await.is_none().then_some(())
    })
    .await;
}
