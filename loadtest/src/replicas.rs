//! Replica counts as the API server announces them.

use std::time::SystemTime;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::mpsc;

/// Announcements that may wait to be looked at; when full, the watch waits, and the API server
/// keeps the rest.
const QUEUE: usize = 256;

/// Replica counts of one deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Replicas {
    /// `status.readyReplicas`.
    pub ready: u32,
    /// `spec.replicas`.
    pub desired: u32,
}

/// A deployment's replica counts at a moment.
#[derive(Debug)]
pub(crate) struct Announcement {
    /// When it arrived.
    pub at: SystemTime,
    /// The deployment.
    pub deployment: String,
    /// Its counts.
    pub replicas: Replicas,
}

/// Announces every deployment of `namespace`, at first and whenever it changes.
///
/// The watch ends when the receiver is dropped; it survives an API server that goes away for a
/// while.
pub(crate) fn announce(client: Client, namespace: &str) -> mpsc::Receiver<Result<Announcement>> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let api: Api<Deployment> = Api::namespaced(client, namespace);
    tokio::spawn(async move {
        let stream = watcher(api, watcher::Config::default())
            .default_backoff()
            .applied_objects();
        let mut announcements = stream.map_ok(announcement).err_into().boxed();
        while let Some(announcement) = announcements.next().await {
            if sender.send(announcement).await.is_err() {
                return;
            }
        }
    });
    receiver
}

fn announcement(deployment: Deployment) -> Announcement {
    let count = |count: Option<i32>| u32::try_from(count.unwrap_or(0)).unwrap_or(0);
    Announcement {
        at: SystemTime::now(),
        replicas: Replicas {
            ready: count(deployment.status.and_then(|status| status.ready_replicas)),
            desired: count(deployment.spec.replicas.or(Some(1))),
        },
        deployment: deployment.metadata.name.unwrap_or_default(),
    }
}
