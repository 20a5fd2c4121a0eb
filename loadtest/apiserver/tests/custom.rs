//! Custom resources over HTTP: definitions that are not structural are refused, objects are completed,
//! judged and pruned, and a status is judged alone.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use support::Cluster;

fn definition(schema: &Value) -> CustomResourceDefinition {
    serde_json::from_value(json!({
        "metadata": {"name": "widgets.example.dev"},
        "spec": {
            "group": "example.dev", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                          "subresources": {"status": {}},
                          "schema": {"openAPIV3Schema": schema}}],
        },
    }))
    .unwrap()
}

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "spec": {
            "type": "object", "required": ["max"],
            "x-kubernetes-validations": [
                {"rule": "self.min <= self.max", "message": "expected at least min", "fieldPath": ".max"},
                {"rule": "self.max >= oldSelf.max", "message": "never fewer"},
            ],
            "properties": {"min": {"type": "integer", "default": 1}, "max": {"type": "integer"}},
        },
        "status": {"type": "object", "properties": {"seen": {"type": "integer"}}},
    }})
}

fn widgets(cluster: &Cluster) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "example.dev".to_owned(),
        version: "v1".to_owned(),
        api_version: "example.dev/v1".to_owned(),
        kind: "Widget".to_owned(),
        plural: "widgets".to_owned(),
    };
    Api::namespaced_with(cluster.client.clone(), "default", &resource)
}

fn message<T: std::fmt::Debug>(result: kube::Result<T>) -> String {
    match result.unwrap_err() {
        kube::Error::Api(status) => status.message.clone(),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_what_their_definition_says() {
    let cluster = Cluster::start().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let untyped =
        definition(&json!({"type": "object", "properties": {"spec": {"description": "?"}}}));
    assert_eq!(
        message(definitions.create(&PostParams::default(), &untyped).await),
        "CustomResourceDefinition.apiextensions.k8s.io \"widgets.example.dev\" is invalid: \
         spec.versions[0].schema.openAPIV3Schema.properties[spec].type: Required value: must not be \
         empty for specified object fields"
    );
    definitions
        .create(&PostParams::default(), &definition(&schema()))
        .await
        .unwrap();

    let api = widgets(&cluster);
    let widget = |spec: Value| -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "example.dev/v1", "kind": "Widget",
            "metadata": {"name": "one"}, "spec": spec,
        }))
        .unwrap()
    };
    let created = api
        .create(
            &PostParams::default(),
            &widget(json!({"max": 3, "bogus": true})),
        )
        .await
        .unwrap();
    assert_eq!(created.data["spec"], json!({"min": 1, "max": 3}));

    let patched = async |patch: Value| {
        api.patch("one", &PatchParams::default(), &Patch::Merge(patch))
            .await
    };
    let refused = |why: &str| format!("Widget.example.dev \"one\" is invalid: {why}");
    assert_eq!(
        message(patched(json!({"spec": {"min": 4}})).await),
        refused("spec.max: Invalid value: \"object\": expected at least min")
    );
    assert_eq!(
        message(patched(json!({"spec": {"max": 2}})).await),
        refused("spec: Invalid value: \"object\": never fewer")
    );
    assert_eq!(
        message(patched(json!({"spec": {"max": "3"}})).await),
        refused(
            "[spec.max: Invalid value: \"string\": spec.max in body must be of type integer: \"string\", \
             <nil>: Invalid value: null: some validation rules were not checked because the object was \
             invalid; correct the existing errors to complete validation]"
        )
    );

    let status = async |status: Value| {
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status("one", &PatchParams::default(), &patch)
            .await
    };
    assert_eq!(
        message(status(json!({"seen": "yes"})).await),
        refused(
            "status.seen: Invalid value: \"string\": status.seen in body must be of type integer: \
             \"string\""
        )
    );
    let seen = status(json!({"seen": 1, "bogus": 2})).await.unwrap();
    assert_eq!(seen.data["status"], json!({"seen": 1}));
    assert_eq!(
        seen.metadata.generation,
        Some(1),
        "a status is no new generation"
    );
}
