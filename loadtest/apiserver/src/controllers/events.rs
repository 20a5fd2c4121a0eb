//! Events: what the controllers did, for `kubectl describe`.

use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use tracing::debug;

/// What happened.
pub(super) struct Note {
    /// The controller, for example `deployment-controller`.
    pub(super) component: &'static str,
    /// `Normal` or `Warning`.
    pub(super) kind: &'static str,
    /// CamelCase reason.
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Distinguishes events of the same nanosecond.
static SEQUENCE: AtomicU32 = AtomicU32::new(0);

/// Writes an event in the background: losing one must not hold up or fail a reconciliation.
pub(super) fn record(client: &Client, regarding: ObjectReference, note: Note) {
    let namespace = regarding
        .namespace
        .clone()
        .unwrap_or_else(|| "default".to_owned());
    let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
    let now = Timestamp::now();
    let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
    let name = regarding.name.as_deref().unwrap_or("unknown");
    let event = Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}{sequence:x}", now.as_nanosecond())),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        involved_object: regarding,
        type_: Some(note.kind.to_owned()),
        reason: Some(note.reason.to_owned()),
        message: Some(note.message),
        source: Some(EventSource {
            component: Some(note.component.to_owned()),
            host: None,
        }),
        reporting_component: Some(note.component.to_owned()),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    };
    tokio::spawn(async move {
        if let Err(error) = events.create(&PostParams::default(), &event).await {
            debug!(%error, "an event was lost");
        }
    });
}
