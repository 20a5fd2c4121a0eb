//! Entries to the API server.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::timeout;
use tracing::warn;

use super::correlate::Entry;
use crate::cluster::{explain, status_code};
use crate::metrics;

/// Who the Event says it is from.
const COMPONENT: &str = "viperscale-scaler";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Writes one Event, or its repetition. A failure is logged and counted: Events are a courtesy, and
/// nothing waits for them.
pub(super) async fn write(client: &Client, entry: &Entry) {
    let namespace = entry.regarding.namespace.as_deref().unwrap_or("default");
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    match timeout(REQUEST_TIMEOUT, create_or_repeat(&api, entry)).await {
        Ok(Ok(())) => metrics::event("written"),
        Ok(Err((verb, error))) => {
            metrics::event("failed");
            let problem = explain(verb, "events", &error);
            let object = entry.regarding.name.as_deref();
            warn!(namespace, object, error = %problem, "Event not written");
        }
        Err(_) => metrics::event("failed"),
    }
}

async fn create_or_repeat(
    api: &Api<Event>,
    entry: &Entry,
) -> Result<(), (&'static str, kube::Error)> {
    if entry.count > 1 {
        let change = Patch::Merge(json!({
            "count": entry.count,
            "lastTimestamp": Time(entry.last),
            "message": entry.message,
        }));
        match api
            .patch(&entry.name, &PatchParams::default(), &change)
            .await
        {
            Ok(_) => return Ok(()),
            // It has expired, or its first occurrences were never written: it begins anew, and its
            // count goes on.
            Err(error) if status_code(&error) == Some(404) => {}
            Err(error) => return Err(("patch", error)),
        }
    }
    let created = api.create(&PostParams::default(), &object(entry)).await;
    created.map(drop).map_err(|error| ("create", error))
}

fn object(entry: &Entry) -> Event {
    Event {
        metadata: ObjectMeta {
            namespace: entry.regarding.namespace.clone(),
            name: Some(entry.name.clone()),
            ..ObjectMeta::default()
        },
        involved_object: entry.regarding.clone(),
        type_: Some(entry.event_type.to_owned()),
        reason: Some(entry.reason.to_owned()),
        message: Some(entry.message.clone()),
        source: Some(EventSource {
            component: Some(COMPONENT.to_owned()),
            host: None,
        }),
        reporting_component: Some(COMPONENT.to_owned()),
        count: Some(entry.count),
        first_timestamp: Some(Time(entry.first)),
        last_timestamp: Some(Time(entry.last)),
        ..Event::default()
    }
}
