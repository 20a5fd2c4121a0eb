//! The scheduler: binds pods without a node to a ready node that has room for their requests.
//!
//! Deliberately absent: affinity, topology spread, priorities and preemption.

mod fit;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Binding, Node, ObjectReference, Pod};
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::events::{self, Note};
use super::{Context, Doing, Error, RESYNC, drive, is_gone, pods};
use fit::{NodeRoom, Request};

const COMPONENT: &str = "default-scheduler";
/// How long a binding may take to show in the cache; after that its assumption is dropped.
const ASSUMED_FOR: Duration = Duration::from_secs(30);

/// What the scheduler knows.
struct Scheduler {
    client: Client,
    nodes: Store<Node>,
    pods: Store<Pod>,
    /// Pods that were given a node and do not show it in the cache yet, by uid. Bounded by the
    /// number of pods bound within [`ASSUMED_FOR`].
    assumed: Mutex<HashMap<String, Assumed>>,
}

struct Assumed {
    node: String,
    request: Request,
    at: tokio::time::Instant,
}

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let (nodes, feeding_nodes) = cache(Api::<Node>::all(client.clone()));
    let (pods, feeding_pods) = cache(Api::<Pod>::all(client.clone()));
    let scheduler = Arc::new(Scheduler {
        client: client.clone(),
        nodes: nodes.clone(),
        pods: pods.clone(),
        assumed: Mutex::default(),
    });
    let unbound = watcher::Config::default().fields("spec.nodeName=");
    let controller = Controller::new(Api::<Pod>::all(client.clone()), unbound);
    let (waiting, waiting_too) = (controller.store(), controller.store());
    let all_waiting = |store: &Store<Pod>| -> Vec<ObjectRef<Pod>> {
        store
            .state()
            .iter()
            .map(|pod| ObjectRef::from_obj(pod.as_ref()))
            .collect()
    };
    let controller = controller
        // A node that appears, or a pod that ends, may make room.
        .watches(
            Api::<Node>::all(client.clone()),
            watcher::Config::default(),
            move |_: Node| all_waiting(&waiting),
        )
        .watches(
            Api::<Pod>::all(client),
            watcher::Config::default(),
            move |pod: Pod| {
                let ends = pods::is_deleting(&pod) || pods::is_finished(&pod);
                if ends {
                    all_waiting(&waiting_too)
                } else {
                    Vec::new()
                }
            },
        );
    let scheduling = async {
        // A decision without all nodes and pods could overcommit.
        if nodes.wait_until_ready().await.is_ok() && pods.wait_until_ready().await.is_ok() {
            drive(controller, reconcile, scheduler, stop.clone()).await;
        }
    };
    tokio::select! {
        () = scheduling => {}
        () = async { tokio::join!(feeding_nodes, feeding_pods); } => {}
        () = stop.cancelled() => {}
    }
}

/// A cache of all objects of a kind, and the future that keeps it up to date.
fn cache<K>(api: Api<K>) -> (Store<K>, impl Future<Output = ()>)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    K: serde::de::DeserializeOwned,
{
    let (store, writer) = reflector::store();
    let feeding = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .for_each(|_| std::future::ready(()));
    (store, feeding)
}

async fn reconcile(pod: Arc<Pod>, scheduler: Arc<Scheduler>) -> Result<Action, Error> {
    let ours = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.scheduler_name.as_deref());
    if pods::node(&pod).is_some()
        || !pods::is_active(&pod)
        || ours.is_some_and(|name| name != COMPONENT)
    {
        return Ok(Action::await_change());
    }
    let uid = pod.uid().unwrap_or_default();
    match scheduler.assume(&pod, &uid) {
        Ok(node) => {
            let bound = scheduler.bind(&pod, &node).await;
            if bound.is_err() {
                scheduler.assumed().remove(&uid);
            }
            bound.map(|()| Action::await_change())
        }
        Err(why) => {
            scheduler.report_unschedulable(&pod, &why).await?;
            Ok(Action::requeue(RESYNC))
        }
    }
}

impl Scheduler {
    fn assumed(&self) -> std::sync::MutexGuard<'_, HashMap<String, Assumed>> {
        self.assumed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses a node and counts the pod there at once, so that the next decision knows of it.
    fn assume(&self, pod: &Pod, uid: &str) -> Result<String, String> {
        let request = Request::of(pod);
        let mut assumed = self.assumed();
        let cached = self.pods.state();
        let mut used: HashMap<String, Request> = HashMap::new();
        for other in cached.iter().filter(|other| !pods::is_finished(other)) {
            if let Some(node) = pods::node(other) {
                used.entry(node.to_owned())
                    .or_default()
                    .add(Request::of(other));
                assumed.remove(&other.uid().unwrap_or_default());
            }
        }
        assumed.retain(|_, one| one.at.elapsed() < ASSUMED_FOR);
        for one in assumed.values() {
            used.entry(one.node.clone()).or_default().add(one.request);
        }
        let rooms = self.nodes.state().into_iter().map(|node| {
            let used = used.get(&node.name_any()).copied().unwrap_or_default();
            NodeRoom::of(&node, pod, used)
        });
        let node = fit::choose(rooms.collect(), request)?;
        let at = tokio::time::Instant::now();
        assumed.insert(
            uid.to_owned(),
            Assumed {
                node: node.clone(),
                request,
                at,
            },
        );
        Ok(node)
    }

    async fn bind(&self, pod: &Pod, node: &str) -> Result<(), Error> {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let binding = Binding {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                uid: pod.uid(),
                ..ObjectMeta::default()
            },
            target: ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                ..ObjectReference::default()
            },
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let bound: Result<kube::core::Status, kube::Error> = api
            .create_subresource("binding", &name, &PostParams::default(), &binding)
            .await;
        match bound {
            Err(error) if is_gone(&error) => return Ok(()),
            // Bound by an earlier attempt, or being deleted: the watch will say.
            Err(kube::Error::Api(status)) if status.code == 409 => return Ok(()),
            other => other.doing(format!("bind pod {name} to node {node}"))?,
        };
        let message = format!("Successfully assigned {namespace}/{name} to {node}");
        let note = Note {
            component: COMPONENT,
            kind: "Normal",
            reason: "Scheduled",
            message,
        };
        events::record(&self.client, pod.object_ref(&()), note);
        Ok(())
    }

    /// Says in the pod's conditions why it has no node, once per reason.
    async fn report_unschedulable(&self, pod: &Pod, why: &str) -> Result<(), Error> {
        let conditions = pod
            .status
            .as_ref()
            .and_then(|status| status.conditions.clone())
            .unwrap_or_default();
        let said = conditions.iter().any(|one| {
            one.type_ == "PodScheduled"
                && one.status == "False"
                && one.message.as_deref() == Some(why)
        });
        if said {
            return Ok(());
        }
        let now = crate::object::timestamp(chrono::Utc::now());
        // Strategic: the other conditions belong to others.
        let patch = json!({"status": {"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": why, "lastTransitionTime": now,
        }]}});
        let api: Api<Pod> =
            Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let (name, parameters) = (pod.name_any(), PatchParams::default());
        match api
            .patch_status(&name, &parameters, &Patch::Strategic(&patch))
            .await
        {
            Err(error) if is_gone(&error) => return Ok(()),
            other => other.doing("report an unschedulable pod")?,
        };
        let message = why.to_owned();
        let note = Note {
            component: COMPONENT,
            kind: "Warning",
            reason: "FailedScheduling",
            message,
        };
        events::record(&self.client, pod.object_ref(&()), note);
        Ok(())
    }
}
