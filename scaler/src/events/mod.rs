//! Kubernetes Events on what is scaled, and on the policy where it is an object: in the HPA's words,
//! and correlated as client-go does, so that repetitions raise a count instead of filling etcd.
//!
//! ```text
//! Happening ─▶ bounded queue ─▶ Correlator ─▶ new: create │ repeated: patch count and time
//!                                        └─▶ too many of one object: nothing, counted
//! ```

mod correlate;
mod write;

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use scaler_core::policy;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::metrics;
use crate::text::shortened;
use crate::workloads::Uid;
use correlate::{Correlator, Occurrence};

/// Happenings waiting to be told; when full, a further one is dropped and counted.
const QUEUE: usize = 256;
/// The API server's limit of a message, in bytes.
const MAX_MESSAGE: usize = 1024;
/// An Event's message with the mark of combined events, in bytes.
const MOST_TOLD: usize = MAX_MESSAGE - correlate::COMBINED.len();
/// The API and the kind of what is scaled, and of a policy that is an object.
const DEPLOYMENT: (&str, &str) = (policy::TARGET_API_VERSION, policy::TARGET_KIND);
const POLICY: (&str, &str) = (policy::API_VERSION, policy::KIND);

/// What is told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The namespace of both.
    pub namespace: Arc<str>,
    /// The deployment, if it exists and is to be told on.
    pub deployment: Option<Reference>,
    /// The policy, if it is an object and not a file.
    pub policy: Option<Reference>,
}

/// An object, in the namespace of its [`Subject`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.uid`.
    pub uid: Uid,
}

/// Something worth an Event.
#[derive(Debug, Clone)]
pub struct Happening {
    /// About what.
    pub subject: Subject,
    /// What happened.
    pub cause: Cause,
    /// The same in one sentence.
    pub message: String,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// A replica count was changed.
    Rescaled,
    /// It could not be changed.
    NotRescaled,
    /// A dry run would have changed it.
    WouldRescale,
    /// There has been too little data to decide from for a while.
    NoEvidence,
    /// Nodes have been full for a while, so that more replicas would not help.
    NodesFull,
    /// The policy's deployment does not exist; told on the policy.
    DeploymentMissing,
    /// Another autoscaler has the same deployment for a target.
    Conflict,
    /// It has not any more.
    ConflictResolved,
    /// The policy's schema admits what the policy says, and we refuse it; told on the policy.
    InvalidPolicy,
    /// Another policy is for the same deployment, or has the same name; told on the policy.
    AnotherPolicy,
}

impl Cause {
    /// `type` and `reason`; the HPA's reason where it has one.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Cause::Rescaled => ("Normal", "SuccessfulRescale"),
            Cause::NotRescaled => ("Warning", "FailedRescale"),
            Cause::WouldRescale => ("Normal", "DryRunRescale"),
            Cause::NoEvidence => ("Warning", "FailedComputeMetricsReplicas"),
            Cause::NodesFull => ("Warning", "NodeSaturated"),
            Cause::DeploymentMissing => ("Warning", "FailedGetScale"),
            Cause::Conflict => ("Warning", "Conflict"),
            Cause::ConflictResolved => ("Normal", "ConflictResolved"),
            Cause::InvalidPolicy => ("Warning", "InvalidPolicy"),
            Cause::AnotherPolicy => ("Warning", "AnotherPolicy"),
        }
    }
}

impl Subject {
    /// The objects that an Event about this is put on.
    fn objects(&self) -> impl Iterator<Item = ObjectReference> {
        let objects = [(DEPLOYMENT, &self.deployment), (POLICY, &self.policy)];
        objects.into_iter().filter_map(|((version, kind), object)| {
            let object = object.as_ref()?;
            Some(ObjectReference {
                api_version: Some(version.to_owned()),
                kind: Some(kind.to_owned()),
                namespace: Some(self.namespace.to_string()),
                name: Some(object.name.to_string()),
                uid: Some(object.uid.to_string()),
                ..ObjectReference::default()
            })
        })
    }
}

/// Takes happenings to be told; never waits.
#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<Happening>,
}

impl Events {
    /// A queue, and the task that writes what is put into it until every handle is gone.
    pub fn start(client: Client, clock: Clock) -> (Self, impl Future<Output = ()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        (Events { queue }, write_all(client, clock, waiting))
    }

    /// Tells of it, unless too much is waiting already.
    pub fn tell(&self, happening: Happening) {
        if self.queue.try_send(happening).is_err() {
            metrics::event("dropped");
        }
    }
}

async fn write_all(client: Client, clock: Clock, mut waiting: mpsc::Receiver<Happening>) {
    let mut correlator = Correlator::default();
    while let Some(happening) = waiting.recv().await {
        let (event_type, reason) = happening.cause.words();
        for regarding in happening.subject.objects() {
            let occurrence = Occurrence {
                regarding,
                event_type,
                reason,
                message: shortened(&happening.message, MOST_TOLD),
            };
            match correlator.correlate(occurrence, clock.wall()) {
                Some(entry) => write::write(&client, &entry).await,
                None => metrics::event("suppressed"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_on_what_exists() {
        let mut subject = Subject {
            namespace: "shop".into(),
            deployment: Some(Reference {
                name: "web".into(),
                uid: "u1".into(),
            }),
            policy: None,
        };
        let kinds = |subject: &Subject| {
            let objects = subject.objects();
            objects
                .map(|object| (object.kind.unwrap(), object.uid.unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            kinds(&subject),
            [("Deployment".to_owned(), "u1".to_owned())]
        );
        subject.policy = Some(Reference {
            name: "web-policy".into(),
            uid: "u2".into(),
        });
        assert_eq!(kinds(&subject).len(), 2);
        subject.deployment = None;
        assert_eq!(
            kinds(&subject),
            [("ScalingPolicy".to_owned(), "u2".to_owned())]
        );
    }
}
