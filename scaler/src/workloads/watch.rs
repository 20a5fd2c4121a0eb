//! Watches of the API server, written into the index as they arrive.

use foldhash::HashSet;
use std::fmt;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as start_watcher};
use kube::{Api, Client};
use scaler_core::Timestamp;
use serde::de::DeserializeOwned;
use tokio::sync::watch::Sender;
use tracing::{info, warn};

use super::backoff::Delays;
use super::{DeploymentRecord, Index, PodRecord, ReplicaSetRecord, Uid, Workloads};
use crate::api_health::{ApiHealth, Source};
use crate::clock::Clock;
use crate::cluster;
use crate::metrics;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `apps/v1` Deployments.
    Deployments,
    /// `apps/v1` ReplicaSets, of which only the metadata is fetched.
    ReplicaSets,
    /// `v1` Pods.
    Pods,
}

impl Resource {
    /// All of them.
    pub const ALL: [Resource; 3] = [Resource::Deployments, Resource::ReplicaSets, Resource::Pods];

    /// The API's name, lower case and plural.
    pub const fn name(self) -> &'static str {
        match self {
            Resource::Deployments => "deployments",
            Resource::ReplicaSets => "replicasets",
            Resource::Pods => "pods",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Follows one kind of object for as long as it is polled, and sets `synced` after the first list.
///
/// Errors are logged when they change, counted, and retried with back-off; what is known stays.
pub async fn watch(
    resource: Resource,
    client: Client,
    workloads: Arc<Workloads>,
    clock: Clock,
    synced: Sender<bool>,
    health: ApiHealth,
) {
    match resource {
        Resource::Deployments => {
            follow::<Deployment, _>(
                resource,
                client,
                &workloads,
                &synced,
                &health,
                clock,
                |deployment, _| DeploymentRecord::read(deployment),
            )
            .await;
        }
        Resource::ReplicaSets => {
            type Metadata = PartialObjectMeta<ReplicaSet>;
            follow::<Metadata, _>(
                resource,
                client,
                &workloads,
                &synced,
                &health,
                clock,
                |replica_set, _| ReplicaSetRecord::read(replica_set),
            )
            .await;
        }
        Resource::Pods => {
            follow::<Pod, _>(
                resource,
                client,
                &workloads,
                &synced,
                &health,
                clock,
                |pod, seen| {
                    PodRecord::read(pod, |start_time| match seen {
                        Seen::Listed => clock.at_wall_time(start_time),
                        Seen::Happening => clock.now(),
                    })
                },
            )
            .await;
        }
    }
}

/// How an object became known.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// It was there when we listed.
    Listed,
    /// Its change was sent as it happened.
    Happening,
}

/// A record that lives in the index.
trait Record {
    fn uid(&self) -> Uid;
    fn put(self, index: &mut Index, now: Timestamp);
    fn remove(index: &mut Index, uid: &str);
    fn retain(index: &mut Index, keep: &HashSet<Uid>);
}

async fn follow<K, R>(
    resource: Resource,
    client: Client,
    workloads: &Workloads,
    synced: &Sender<bool>,
    health: &ApiHealth,
    clock: Clock,
    read: impl Fn(K, Seen) -> Option<R>,
) where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
    R: Record,
{
    let api: Api<K> = Api::all(client);
    let config = watcher::Config::default().timeout(cluster::WATCH_SECONDS);
    let mut events = start_watcher(api, config).backoff(Delays::new()).boxed();
    let mut listed = HashSet::default();
    let mut last_error = None;
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                metrics::watch_failed(resource.name());
                let text = cluster::explain_watch(resource.name(), &error);
                // An expired version is told as an error and cured by the list that follows.
                if !cluster::is_expired(&error) {
                    health.failed(Source::Watch(resource), &text);
                }
                if last_error.as_ref() != Some(&text) {
                    warn!(%resource, error = %text, "watch failed, retrying");
                    last_error = Some(text);
                }
                continue;
            }
        };
        // `Init` only announces a list that may fail.
        if !matches!(event, Event::Init) {
            health.works(Source::Watch(resource));
            if last_error.take().is_some() {
                info!(%resource, "watch works again");
            }
        }
        workloads.update(|index| match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                if let Some(record) = read(object, Seen::Listed) {
                    listed.insert(record.uid());
                    record.put(index, clock.now());
                }
            }
            Event::InitDone => {
                R::retain(index, &listed);
                listed = HashSet::default();
                synced.send_replace(true);
            }
            Event::Apply(object) => {
                if let Some(record) = read(object, Seen::Happening) {
                    record.put(index, clock.now());
                }
            }
            Event::Delete(object) => {
                if let Some(uid) = &object.meta().uid {
                    R::remove(index, uid);
                }
            }
        });
    }
}

impl Record for DeploymentRecord {
    fn uid(&self) -> Uid {
        self.uid.clone()
    }
    fn put(self, index: &mut Index, now: Timestamp) {
        index.see_deployment(self, now);
    }
    fn remove(index: &mut Index, uid: &str) {
        index.remove_deployment(uid);
    }
    fn retain(index: &mut Index, keep: &HashSet<Uid>) {
        index.retain_deployments(keep);
    }
}

impl Record for ReplicaSetRecord {
    fn uid(&self) -> Uid {
        self.uid.clone()
    }
    fn put(self, index: &mut Index, _now: Timestamp) {
        index.put_replica_set(self);
    }
    fn remove(index: &mut Index, uid: &str) {
        index.remove_replica_set(uid);
    }
    fn retain(index: &mut Index, keep: &HashSet<Uid>) {
        index.retain_replica_sets(keep);
    }
}

impl Record for PodRecord {
    fn uid(&self) -> Uid {
        self.uid.clone()
    }
    fn put(self, index: &mut Index, _now: Timestamp) {
        index.put_pod(self);
    }
    fn remove(index: &mut Index, uid: &str) {
        index.remove_pod(uid);
    }
    fn retain(index: &mut Index, keep: &HashSet<Uid>) {
        index.retain_pods(keep);
    }
}
