//! ScalingPolicy objects against the API server: what it completes, and the exact message for every
//! mistake that an administrator can make in a manifest.
//!
//! The same mistakes in files are in the core (`policy/tests/mistakes.rs`). What the schema cannot say
//! is found by the scaler and said in the status; see `../objects.rs`.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod of_metrics;

use common::Cluster;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams, ValidationDirective};
use kube::{Api, CustomResourceExt};
use scaler::crd::{ScalingPolicy, definition};
use serde_json::{Value, json};

async fn install(cluster: &Cluster) {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let created = api.create(&PostParams::default(), &definition()).await;
    created.unwrap();
}

fn objects(cluster: &Cluster) -> Api<DynamicObject> {
    let resource = ScalingPolicy::api_resource();
    Api::namespaced_with(cluster.client.clone(), common::NAMESPACE, &resource)
}

fn good() -> Value {
    json!({
        "apiVersion": "viperscale.dev/v1alpha1", "kind": "ScalingPolicy",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "web"},
            "maxReplicas": 20,
            "metrics": [
                {"name": "runqLatency", "container": "server", "threshold": "2ms"},
                {"name": "userPageFaults", "threshold": "4000"},
            ],
        },
    })
}

/// Creates `object` and returns why the server refuses it, without the object's name.
async fn refusal(cluster: &Cluster, object: Value) -> String {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    match objects(cluster)
        .create(&PostParams::default(), &object)
        .await
    {
        Ok(_) => {
            let api = objects(cluster);
            api.delete("web", &Default::default()).await.unwrap();
            "accepted".to_owned()
        }
        Err(kube::Error::Api(status)) => status
            .message
            .trim_start_matches("ScalingPolicy.viperscale.dev \"web\" is invalid: ")
            .to_owned(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_fills_in_what_is_left_out() {
    let cluster = Cluster::start().await;
    install(&cluster).await;
    let object: DynamicObject = serde_json::from_value(good()).unwrap();
    let created = objects(&cluster)
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    let spec = &created.data["spec"];
    assert_eq!(spec["minReplicas"], 1);
    assert_eq!(spec["mode"], "Active");
    assert_eq!(
        (&spec["window"], &spec["warmup"]),
        (&json!("5s"), &json!("10s"))
    );
    assert_eq!(spec["scaleTargetRef"]["apiVersion"], "apps/v1");
    assert_eq!(spec["metrics"][1]["sampling"], 1.0);
    let typed: ScalingPolicy =
        serde_json::from_value(serde_json::to_value(&created).unwrap()).unwrap();
    assert_eq!(typed.spec.metrics.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_refused_with_its_message() {
    let cluster = Cluster::start().await;
    install(&cluster).await;
    assert_eq!(refusal(&cluster, good()).await, "accepted");
    let mut wrong = Vec::new();
    for (pointer, value, expected) in cases::all() {
        let mut object = good();
        set(&mut object, pointer, value.clone());
        let found = refusal(&cluster, object).await;
        if found != expected {
            wrong.push(format!(
                "{pointer} = {value}:\n  expected {expected}\n  found    {found}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Sets the value at a JSON pointer; `null` removes it.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(fields), Value::Null) => {
            fields.remove(field);
        }
        (Value::Object(fields), value) => {
            fields.insert(field.to_owned(), value);
        }
        (Value::Array(items), value) => items[field.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{other}"),
    }
}

/// The schema is stricter than the core only where the documentation says so; what this repository
/// ships is not there.
#[tokio::test(flavor = "multi_thread")]
async fn the_policies_of_the_demo_shop_are_objects_too() {
    let cluster = Cluster::start().await;
    install(&cluster).await;
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
    let files = scaler::policies::read_directory(std::path::Path::new(directory)).unwrap();
    assert!(!files.is_empty());
    for file in files {
        let mut object: Value = serde_yaml::from_str(&file.text.unwrap()).unwrap();
        object["metadata"]["namespace"] = json!(common::NAMESPACE);
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let created = objects(&cluster)
            .create(&PostParams::default(), &object)
            .await;
        assert!(created.is_ok(), "{}: {created:?}", file.path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_is_an_error_where_clients_ask_for_it() {
    let cluster = Cluster::start().await;
    install(&cluster).await;
    let mut object = good();
    object["spec"]["warmUp"] = json!("1s");
    let apply = |directive| {
        let params = PatchParams {
            field_validation: Some(directive),
            ..PatchParams::apply("test")
        };
        let (api, patch) = (objects(&cluster), Patch::Apply(object.clone()));
        async move { api.patch("web", &params, &patch).await }
    };
    let Err(kube::Error::Api(status)) = apply(ValidationDirective::Strict).await else {
        panic!("an unknown field was taken");
    };
    assert_eq!(
        status.message,
        "ScalingPolicy in version \"v1alpha1\" cannot be handled as a ScalingPolicy: strict decoding \
         error: unknown field \"spec.warmUp\""
    );
    let pruned = apply(ValidationDirective::Ignore).await.unwrap();
    assert_eq!(pruned.data["spec"].get("warmUp"), None);
}
