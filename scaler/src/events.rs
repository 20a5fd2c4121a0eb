//! Kubernetes Events on the Deployments that are scaled, in the HPA's words.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::warn;

use crate::cluster::explain;
use crate::metrics;
use crate::workloads::{DeploymentKey, Uid};

/// Who the Event says it is from.
const COMPONENT: &str = "viperscale-scaler";
/// Events waiting to be written; when full, a further one is dropped and counted.
const QUEUE: usize = 256;
/// A failure that lasts is told once in this time for each deployment.
const FAILURE_REPEAT: Duration = Duration::from_secs(60);
/// The API server's limit of a message, in bytes.
const MAX_MESSAGE: usize = 1024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A replica change that was made, or was not.
#[derive(Debug)]
pub struct Rescale {
    /// The deployment.
    pub deployment: DeploymentKey,
    /// Its UID.
    pub uid: Uid,
    /// What happened, in one sentence.
    pub message: String,
}

/// Takes Events to be written; never waits.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<(Kind, Rescale)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Succeeded,
    Failed,
}

impl Events {
    /// A queue, and the task that writes what is put into it until every handle is gone.
    pub fn start(client: Client) -> (Self, impl Future<Output = ()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        (Events { queue }, write_all(client, waiting))
    }

    /// A replica count was changed.
    pub fn succeeded(&self, rescale: Rescale) {
        self.put(Kind::Succeeded, rescale);
    }

    /// A replica count could not be changed.
    pub fn failed(&self, rescale: Rescale) {
        self.put(Kind::Failed, rescale);
    }

    fn put(&self, kind: Kind, rescale: Rescale) {
        if self.queue.try_send((kind, rescale)).is_err() {
            metrics::event("dropped");
        }
    }
}

async fn write_all(client: Client, mut waiting: mpsc::Receiver<(Kind, Rescale)>) {
    let mut failures: HashMap<DeploymentKey, Instant> = HashMap::new();
    while let Some((kind, rescale)) = waiting.recv().await {
        if kind == Kind::Failed {
            failures.retain(|_, told| told.elapsed() < FAILURE_REPEAT);
            if failures.contains_key(&rescale.deployment) {
                continue;
            }
            failures.insert(rescale.deployment.clone(), Instant::now());
        }
        let api: Api<Event> = Api::namespaced(client.clone(), &rescale.deployment.namespace);
        let event = event_object(kind, &rescale, Timestamp::now());
        match timeout(REQUEST_TIMEOUT, api.create(&PostParams::default(), &event)).await {
            Ok(Ok(_)) => metrics::event("written"),
            Ok(Err(error)) => {
                metrics::event("failed");
                let problem = explain("create", "events", &error);
                warn!(deployment = %rescale.deployment, error = %problem, "Event not written");
            }
            Err(_) => metrics::event("failed"),
        }
    }
}

fn event_object(kind: Kind, rescale: &Rescale, now: Timestamp) -> Event {
    let (type_, reason) = match kind {
        Kind::Succeeded => ("Normal", "SuccessfulRescale"),
        Kind::Failed => ("Warning", "FailedRescale"),
    };
    let DeploymentKey { namespace, name } = &rescale.deployment;
    Event {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_string()),
            // As client-go names them; unique because one deployment is scaled one at a time.
            name: Some(format!("{name}.{:x}", now.as_nanosecond())),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some("Deployment".to_owned()),
            namespace: Some(namespace.to_string()),
            name: Some(name.to_string()),
            uid: Some(rescale.uid.to_string()),
            ..ObjectReference::default()
        },
        type_: Some(type_.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(shortened(&rescale.message)),
        source: Some(EventSource {
            component: Some(COMPONENT.to_owned()),
            host: None,
        }),
        reporting_component: Some(COMPONENT.to_owned()),
        count: Some(1),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        ..Event::default()
    }
}

/// At most [`MAX_MESSAGE`] bytes, cut between characters.
fn shortened(message: &str) -> String {
    const MARK: &str = "...";
    if message.len() <= MAX_MESSAGE {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(MAX_MESSAGE - MARK.len());
    format!("{}{MARK}", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_its_deployment() {
        let rescale = Rescale {
            deployment: DeploymentKey::new("shop", "web"),
            uid: "u1".into(),
            message: "ü".repeat(2000),
        };
        let event = event_object(Kind::Failed, &rescale, Timestamp::UNIX_EPOCH);
        assert_eq!(event.involved_object.kind.as_deref(), Some("Deployment"));
        assert_eq!(event.involved_object.uid.as_deref(), Some("u1"));
        assert_eq!(event.reason.as_deref(), Some("FailedRescale"));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        let message = event.message.unwrap();
        assert!(message.len() <= MAX_MESSAGE && message.ends_with("ü..."));
    }
}
