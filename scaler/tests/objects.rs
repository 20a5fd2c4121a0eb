//! Policies that are objects: in force beside files, with a status that tells what they do.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::collections::BTreeMap;

use axum::http::Request;
use common::{Cluster, Running, election, eventually, policy};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use scaler::crd::{ScalingPolicy, ScalingPolicyStatus, definition};
use serde_json::{Value, json};

async fn install(cluster: &Cluster) {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    api.create(&PostParams::default(), &definition())
        .await
        .unwrap();
}

fn objects(cluster: &Cluster) -> Api<ScalingPolicy> {
    Api::namespaced(cluster.client.clone(), common::NAMESPACE)
}

async fn create(cluster: &Cluster, name: &str, deployment: &str, mode: &str) {
    let object: ScalingPolicy = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": deployment},
            "maxReplicas": 4, "mode": mode,
            "metrics": [{"name": "runqLatency", "threshold": "2ms", "response": "Proportional"}],
        },
    }))
    .unwrap();
    objects(cluster)
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
}

/// The status of an object, once its condition `kind` has this status and reason.
async fn status(cluster: &Cluster, name: &str, kind: &str, wanted: &str) -> ScalingPolicyStatus {
    eventually(&format!("{name}: {kind}={wanted}"), || async {
        let status = objects(cluster).get(name).await.unwrap().status?;
        let condition = status.conditions.iter().find(|c| c.kind == kind)?;
        let found = format!("{}/{}", condition.status, condition.reason);
        (found == wanted).then_some(status)
    })
    .await
}

/// What `kubectl get scalingpolicies -o wide` shows of the only object, by column.
async fn row(cluster: &Cluster) -> BTreeMap<String, Value> {
    let path = "/apis/viperscale.dev/v1alpha1/scalingpolicies";
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let request = Request::get(path)
        .header("accept", accept)
        .body(Vec::new())
        .unwrap();
    let table: Value = cluster.client.request(request).await.unwrap();
    let names = table["columnDefinitions"].as_array().unwrap().iter();
    let cells = table["rows"][0]["cells"].as_array().unwrap().iter();
    names
        .map(|column| column["name"].as_str().unwrap().to_owned())
        .zip(cells.cloned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_has_a_status_from_the_first_second() {
    let cluster = Cluster::start().await;
    install(&cluster).await;
    let scaler = Running::start(&cluster, &[]).await;
    create(&cluster, "web", "web", "Active").await;
    let missing = status(&cluster, "web", "Ready", "False/DeploymentNotFound").await;
    assert_eq!(missing.observed_generation, 1);
    status(&cluster, "web", "AbleToScale", "False/FailedGetScale").await;
    eventually("an Event on the policy", || async {
        let events = cluster.events_on("ScalingPolicy", "web").await;
        events
            .iter()
            .any(|(reason, _)| reason == "FailedGetScale")
            .then_some(())
    })
    .await;

    cluster.create_deployment("web").await;
    cluster.create_pod("web", "web-1", "node-1").await;
    let silent = status(&cluster, "web", "Ready", "False/InsufficientData").await;
    assert_eq!(
        (silent.current_replicas, silent.desired_replicas),
        (Some(1), Some(1))
    );
    status(
        &cluster,
        "web",
        "ScalingActive",
        "False/FailedGetPodsMetric",
    )
    .await;

    let paused = json!({"spec": {"mode": "Paused"}});
    objects(&cluster)
        .patch("web", &PatchParams::default(), &Patch::Merge(paused))
        .await
        .unwrap();
    let paused = status(&cluster, "web", "Ready", "True/Paused").await;
    assert_eq!(paused.observed_generation, 2);
    assert!(paused.conditions.iter().all(|c| c.observed_generation == 2));
    let row = row(&cluster).await;
    for (column, expected) in [
        ("Name", json!("web")),
        ("Target", json!("web")),
        ("Min", json!(1)),
        ("Max", json!(4)),
        ("Replicas", json!(1)),
        ("Desired", json!(1)),
        ("Ready", json!("True")),
        ("Mode", json!("Paused")),
        ("Reason", json!("Paused")),
    ] {
        assert_eq!(row.get(column), Some(&expected), "{column}");
    }
    assert!(
        row["Metrics"]
            .as_str()
            .is_some_and(|text| text.starts_with("runqLatency p95 "))
    );
    assert!(row["Age"].is_string());

    objects(&cluster)
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the policy is gone", || async {
        let all: serde_json::Value = scaler.get("/decisions").await.json().await.unwrap();
        all["policies"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_owners_are_refused_on_both_sides() {
    let cluster = Cluster::start().await;
    install(&cluster).await;
    cluster.create_deployment("web").await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    scaler
        .decision("web", |view| view["status"] == "InForce")
        .await;
    create(&cluster, "twin", "web", "Active").await;
    let refused = status(&cluster, "twin", "Conflict", "True/AnotherPolicy").await;
    let conflict = refused
        .conditions
        .iter()
        .find(|c| c.kind == "Conflict")
        .unwrap();
    assert!(
        conflict.message.contains("(default/web at "),
        "{}",
        conflict.message
    );
    scaler
        .decision("web", |view| {
            let reason = view["statusReason"].as_str().unwrap_or_default();
            view["status"] == "Refused"
                && reason.contains("(default/twin at ScalingPolicy default/twin)")
        })
        .await;

    let told = ("AnotherPolicy".to_owned(), conflict.message.clone());
    eventually("an Event on the policy", || async {
        let events = cluster.events_on("ScalingPolicy", "twin").await;
        events.contains(&told).then_some(())
    })
    .await;

    std::fs::remove_file(scaler.policies.path().join("web.yaml")).unwrap();
    status(&cluster, "twin", "Conflict", "False/SoleOwner").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_schema_can_say_is_said_in_the_status() {
    let cluster = Cluster::start().await;
    install(&cluster).await;
    let _scaler = Running::start(&cluster, &[]).await;
    create(&cluster, "web", "web", "Active").await;
    status(&cluster, "web", "Ready", "False/DeploymentNotFound").await;
    let twice = json!({"spec": {"metrics": [
        {"name": "runqLatency", "threshold": "2ms"}, {"name": "runqLatency", "threshold": "3ms"},
    ]}});
    objects(&cluster)
        .patch("web", &PatchParams::default(), &Patch::Merge(twice))
        .await
        .unwrap();
    let invalid = status(&cluster, "web", "Ready", "False/InvalidPolicy").await;
    assert_eq!(
        invalid.conditions[0].message,
        "spec.metrics[1]: runqLatency p95 is listed twice for the same container; generation 1 stays in \
         force"
    );
    let told = (
        "InvalidPolicy".to_owned(),
        invalid.conditions[0].message.clone(),
    );
    eventually("an Event on the policy", || async {
        let events = cluster.events_on("ScalingPolicy", "web").await;
        events.contains(&told).then_some(())
    })
    .await;
    // Once: later rounds of the same status have nothing to tell.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let events: Api<Event> = Api::namespaced(cluster.client.clone(), common::NAMESPACE);
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let of_cause = |event: &&Event| event.reason.as_deref() == Some("InvalidPolicy");
    let counts: Vec<_> = events.iter().filter(of_cause).map(|it| it.count).collect();
    assert_eq!(counts, [Some(1)]);
    let warning = |event: &Event| event.type_.as_deref() == Some("Warning");
    assert!(events.iter().filter(of_cause).all(warning));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_the_custom_resource_has_files_alone_until_it_is_installed() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    scaler
        .decision("web", |view| view["status"] == "InForce")
        .await;
    install(&cluster).await;
    create(&cluster, "cart", "cart", "DryRun").await;
    scaler
        .decision("cart", |view| view["status"] == "DeploymentNotFound")
        .await;
}

/// Conditions that do not change keep their time, and nothing becomes unknown for a moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_goes_on_from_the_status_that_it_finds() {
    let cluster = Cluster::start().await;
    install(&cluster).await;
    let candidate =
        async || Running::start_with(&cluster, &[], |config| config.election = election()).await;
    let first = candidate().await;
    eventually("it leads", || async {
        let ready: Value = first.get("/ready").await.json().await.unwrap();
        (ready["leads"] == true).then_some(())
    })
    .await;
    let second = candidate().await;
    create(&cluster, "web", "web", "Active").await;
    status(&cluster, "web", "Ready", "False/DeploymentNotFound").await;
    cluster.create_deployment("web").await;
    cluster.create_pod("web", "web-1", "node-1").await;
    let since = |status: &ScalingPolicyStatus| {
        let mut conditions = status.conditions.iter();
        let condition = conditions.find(|c| c.kind == "NodeSaturated").unwrap();
        (
            condition.status.clone(),
            condition.last_transition_time.clone(),
        )
    };
    let before = since(&status(&cluster, "web", "Ready", "False/InsufficientData").await);
    assert_eq!(before.0, "False");

    drop(first);
    let paused = json!({"spec": {"mode": "Paused"}});
    objects(&cluster)
        .patch("web", &PatchParams::default(), &Patch::Merge(paused))
        .await
        .unwrap();
    let after = since(&status(&cluster, "web", "Ready", "True/Paused").await);
    assert_eq!(after, before);
    drop(second);
}
