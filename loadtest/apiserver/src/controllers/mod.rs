//! The controllers that make objects act on each other, as clients of the API.
//!
//! ```text
//! Deployment ─▶ ReplicaSet ─▶ Pod ─▶ binding ─▶ (the node starts it) ─▶ Ready
//!                                                      Service + Pod ─▶ EndpointSlice, Endpoints
//! HorizontalPodAutoscaler + PodMetrics ─▶ scale of the Deployment
//! deleted owner ─▶ garbage collector ─▶ deleted dependents       deleted Namespace ─▶ its content
//! ```
//!
//! Every controller is level-triggered: watches say *that* something changed, the reconciler
//! reads what is, from the server, and moves it one step towards what should be. The server is on
//! this machine and reads are cheap, so no reconciler acts on a stale copy and none needs the
//! expectations by which upstream's controllers guard against theirs.

mod deployment;
mod endpoints;
mod events;
mod garbage;
mod horizontal;
mod namespace;
mod pods;
mod quantity;
mod replica_set;
mod scheduler;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Every object is looked at again this often, should an event ever be missed.
const RESYNC: Duration = Duration::from_secs(30);
/// Wait after a failed reconciliation.
const RETRY: Duration = Duration::from_secs(1);
/// Wait after a conflict: somebody else was faster, the new state is there already.
const RETRY_CONFLICT: Duration = Duration::from_millis(20);
/// How long running reconciliations may take to end after a stop. A controller that is stopped
/// before its first list was answered never ends by itself.
const STOP: Duration = Duration::from_secs(1);

/// A failed step of a reconciliation.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}: {source}")]
struct Error {
    action: String,
    source: kube::Error,
}

/// Says what a request was for.
trait Doing<T> {
    fn doing(self, action: impl Into<String>) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, kube::Error> {
    fn doing(self, action: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error {
            action: action.into(),
            source,
        })
    }
}

impl Error {
    fn is_conflict(&self) -> bool {
        matches!(&self.source, kube::Error::Api(status) if status.code == 409)
    }
}

/// Whether a request failed because its object is gone (or its namespace is going).
fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404
        || status.code == 403 && status.message.contains("being terminated"))
}

/// A merge patch that makes the status `after`, whatever it was `before`: fields that are no
/// longer there are set to null, or a merge would keep them.
fn status_patch<T: Serialize>(before: Option<&T>, after: &T) -> Value {
    // Statuses came from JSON and go back into it.
    let mut status = serde_json::to_value(after).unwrap_or_default();
    let before = serde_json::to_value(before).unwrap_or_default();
    for field in before.as_object().into_iter().flat_map(|map| map.keys()) {
        crate::object::set_default(&mut status, field, Value::Null);
    }
    json!({"status": status})
}

/// What all reconcilers need.
#[derive(Clone)]
struct Context {
    client: Client,
}

/// Runs all controllers until `stop` fires.
pub(crate) async fn run(client: Client, stop: CancellationToken) {
    let context = Arc::new(Context { client });
    tokio::join!(
        deployment::run(Arc::clone(&context), stop.clone()),
        replica_set::run(Arc::clone(&context), stop.clone()),
        endpoints::run(Arc::clone(&context), stop.clone()),
        scheduler::run(Arc::clone(&context), stop.clone()),
        namespace::run(Arc::clone(&context), stop.clone()),
        horizontal::run(Arc::clone(&context), stop.clone()),
        garbage::run(context, stop),
    );
}

/// Runs one controller to its end, logging failures.
async fn drive<K, Ctx, Reconcile, Running>(
    controller: Controller<K>,
    reconcile: Reconcile,
    context: Arc<Ctx>,
    stop: CancellationToken,
) where
    K: Clone + Resource<DynamicType = ()> + DeserializeOwned + Debug + Send + Sync + 'static,
    Ctx: Send + Sync + 'static,
    Reconcile: FnMut(Arc<K>, Arc<Ctx>) -> Running,
    Running: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let retry = |object: Arc<K>, error: &Error, _: Arc<Ctx>| {
        let kind = K::kind(&());
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        if error.is_conflict() {
            debug!(%kind, namespace, name, %error, "retrying");
            return Action::requeue(RETRY_CONFLICT);
        }
        warn!(%kind, namespace, name, %error, "reconciliation failed");
        Action::requeue(RETRY)
    };
    let running = controller
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile, retry, context)
        .for_each(|result| async move {
            // Reconciler errors are logged where they are retried; these are of the watches.
            if let Err(error) = result {
                debug!(%error, kind = %K::kind(&()), "controller");
            }
        });
    let given_up = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP).await;
    };
    tokio::select! {
        () = running => {}
        () = given_up => debug!(kind = %K::kind(&()), "controller did not stop by itself"),
    }
}
