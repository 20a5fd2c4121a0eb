//! Events on their way to the API.

use k8s_openapi::api::core::v1::{Event, EventSource};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use tracing::debug;

use super::COMPONENT;
use super::recorder::Entry;

/// Writes events in the background, in order: losing one must not hold up or fail a pass.
pub(super) fn write(client: &Client, entries: Vec<Entry>) {
    if entries.is_empty() {
        return;
    }
    let client = client.clone();
    tokio::spawn(async move {
        for entry in entries {
            if let Err(error) = write_one(&client, &entry).await {
                debug!(%error, reason = entry.reason, "an event was lost");
            }
        }
    });
}

async fn write_one(client: &Client, entry: &Entry) -> Result<(), kube::Error> {
    let namespace = entry.regarding.namespace.as_deref().unwrap_or("default");
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    if entry.count > 1 {
        let change = json!({
            "count": entry.count,
            "lastTimestamp": Time(entry.last),
            "message": entry.message,
        });
        let change = Patch::Merge(change);
        match api
            .patch(&entry.name, &PatchParams::default(), &change)
            .await
        {
            // It has expired: it begins anew, and its count goes on.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => return other.map(drop),
        }
    }
    let event = object(entry, namespace);
    api.create(&PostParams::default(), &event).await.map(drop)
}

fn object(entry: &Entry, namespace: &str) -> Event {
    Event {
        metadata: ObjectMeta {
            name: Some(entry.name.clone()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: entry.regarding.clone(),
        type_: Some(if entry.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(entry.reason.clone()),
        message: Some(entry.message.clone()),
        source: Some(EventSource {
            component: Some(COMPONENT.to_owned()),
            host: None,
        }),
        reporting_component: Some(COMPONENT.to_owned()),
        first_timestamp: Some(Time(entry.first)),
        last_timestamp: Some(Time(entry.last)),
        count: Some(entry.count),
        ..Event::default()
    }
}
