//! From an agent's report to the patched Deployment, over real gRPC and HTTP.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::time::Duration;

use common::{Cluster, Running, eventually, policy};
use kube::api::{DeleteParams, Patch, PatchParams};
use scaler::apply::{Leadership, PatchError, patch_scale};
use scaler::workloads::{DeploymentKey, DeploymentRecord};
use serde_json::json;
use viperscale_proto::v1 as wire;

#[tokio::test(flavor = "multi_thread")]
async fn waiting_pods_are_given_company_and_nobody_else_is() {
    let cluster = Cluster::start().await;
    for name in ["web", "cart"] {
        cluster.create_deployment(name).await;
    }
    let web = cluster.create_pod("web", "web-a", "n1").await;
    cluster.create_pod("cart", "cart-a", "n2").await;
    let scaler = Running::start(
        &cluster,
        &[
            ("web.yaml", policy("web", "")),
            ("cart.yaml", policy("cart", "")),
        ],
    )
    .await;

    let mut agent = scaler.connect("n1").await;
    let configuration = agent.configuration_of(1).await;
    assert_eq!(configuration.interval_ns, 200_000_000);
    let target = &configuration.targets[0];
    assert_eq!(
        (&target.pod_uid, target.container_name.as_str()),
        (&web, "server")
    );
    assert_eq!(
        target.container_id, "web-a-id",
        "without the runtime's scheme"
    );
    let runq = wire::MetricSetting {
        metric: wire::Metric::RunqLatency.into(),
        sampling: 1.0,
    };
    assert_eq!(
        target.metrics,
        [runq],
        "two entries of one metric, at the higher sampling"
    );

    let mut replicas = 1;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    for _report in 0..50 {
        tick.tick().await;
        agent.report_waiting(&web).await;
        replicas = cluster.replicas("web").await;
        if replicas != 1 {
            break;
        }
    }
    assert_eq!(
        replicas, 4,
        "ten times the threshold, capped by maxReplicas"
    );
    assert_eq!(cluster.replicas("cart").await, 1);

    let view = scaler
        .decision("web", |view| view["last_change"].is_object())
        .await;
    assert_eq!(
        (&view["last_change"]["from"], &view["last_change"]["to"]),
        (&json!(1), &json!(4))
    );
    assert_eq!(view["write"]["result"], "Applied");
    assert_eq!(view["mode"], "Active");
    assert!(view["age_seconds"].as_f64().unwrap() < 10.0);
    let message = view["last_change"]["decision"]["message"].as_str().unwrap();
    let events = eventually("an Event", || async {
        Some(cluster.events("web").await).filter(|events| !events.is_empty())
    })
    .await;
    assert_eq!(
        events,
        [("SuccessfulRescale".to_owned(), message.to_owned())]
    );

    let history = scaler.get("/decisions/history").await.text().await.unwrap();
    assert!(history.contains("\"to\":4"), "{history}");
    let metrics = scaler.get("/metrics").await.text().await.unwrap();
    for expected in [
        "viperscale_scale_writes_total{result=\"applied\"}",
        "viperscale_report_to_patch_seconds_bucket",
        "viperscale_metric_threshold{namespace=\"default\",deployment=\"web\",metric=\"runqLatency\"",
    ] {
        assert!(
            metrics.contains(expected),
            "{expected} is not in\n{metrics}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_holds_and_says_so() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    cluster.create_pod("web", "web-a", "n1").await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    let first = scaler
        .decision("web", |view| view["decision"].is_object())
        .await;
    assert_eq!(first["decision"]["reason"], "InsufficientData");
    // The timer keeps deciding without any news.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let later = scaler
        .decision("web", |view| view["decision"].is_object())
        .await;
    assert!(later["age_seconds"].as_f64().unwrap() < 0.9, "{later}");
    assert_eq!(cluster.replicas("web").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_not_believed_about_another_nodes_pods() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    let mut liar = scaler.connect("n2").await;
    assert!(liar.configuration().await.unwrap().targets.is_empty());
    for _ in 0..5 {
        liar.report_waiting(&pod).await;
    }
    eventually("the samples are counted", || async {
        let metrics = scaler.get("/metrics").await.text().await.unwrap();
        metrics
            .contains("viperscale_samples_total{result=\"foreign_pod\"}")
            .then_some(())
    })
    .await;
    let view = scaler
        .decision("web", |view| view["decision"].is_object())
        .await;
    assert_eq!(view["decision"]["reason"], "InsufficientData");
    assert_eq!(cluster.replicas("web").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_waits_visibly_for_its_deployment() {
    let cluster = Cluster::start().await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    let missing = scaler
        .decision("web", |view| view["status"] != "InForce")
        .await;
    assert_eq!(missing["status"], "DeploymentNotFound");
    assert!(
        missing["statusReason"]
            .as_str()
            .unwrap()
            .contains("default/web"),
        "{missing}"
    );
    cluster.create_deployment("web").await;
    scaler
        .decision("web", |view| view["decision"].is_object())
        .await;
    let mut agent = scaler.connect("n1").await;
    assert!(agent.configuration().await.unwrap().targets.is_empty());
    cluster.create_pod("web", "web-a", "n1").await;
    agent.configuration_of(1).await;
    cluster
        .deployments()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    scaler
        .decision("web", |view| view["status"] == "DeploymentNotFound")
        .await;
    agent.configuration_of(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_and_does_not_act() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let policies = [("web.yaml", policy("web", "mode: DryRun"))];
    let scaler = Running::start(&cluster, &policies).await;
    let mut agent = scaler.connect("n1").await;
    agent.configuration_of(1).await;
    let mut wish = None;
    for _ in 0..100 {
        agent.report_waiting(&pod).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let view = scaler
            .decision("web", |view| view["decision"].is_object())
            .await;
        wish = Some(view["decision"]["desired"].clone());
        if wish == Some(json!(4)) {
            break;
        }
    }
    assert_eq!(wish, Some(json!(4)));
    assert_eq!(cluster.replicas("web").await, 1);
    assert!(cluster.events("web").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_humans_concurrent_change_is_not_overwritten() {
    let cluster = Cluster::start().await;
    let created = cluster.create_deployment("web").await;
    let seen = DeploymentRecord {
        key: DeploymentKey::new(common::NAMESPACE, "web"),
        uid: created.metadata.uid.unwrap().into(),
        resource_version: created.metadata.resource_version.unwrap(),
        replicas: 1,
    };
    let patch = |value| {
        let (api, patch) = (cluster.deployments(), Patch::Merge(value));
        async move {
            api.patch("web", &PatchParams::default(), &patch)
                .await
                .unwrap()
        }
    };
    let leader = Leadership::always();

    patch(json!({"metadata": {"annotations": {"touched": "yes"}}})).await;
    let written = patch_scale(&cluster.client, &leader, &seen, 2)
        .await
        .unwrap();
    assert_ne!(written.resource_version, seen.resource_version);
    assert_eq!(
        cluster.replicas("web").await,
        2,
        "another version, but the same replicas"
    );

    patch(json!({"spec": {"replicas": 3}})).await;
    let seen = DeploymentRecord {
        replicas: 2,
        ..seen
    };
    let error = patch_scale(&cluster.client, &leader, &seen, 4)
        .await
        .unwrap_err();
    assert_eq!(error, PatchError::Conflict { found: 3 });
    assert_eq!(cluster.replicas("web").await, 3);

    cluster
        .deployments()
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    let error = patch_scale(&cluster.client, &leader, &seen, 4)
        .await
        .unwrap_err();
    assert_eq!(error, PatchError::Gone);
}
