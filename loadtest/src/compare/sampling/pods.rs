//! Whose a pod is: the Deployment that owns the ReplicaSet that owns it.

use std::collections::BTreeMap;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::mpsc;

/// Announcements that may wait to be looked at; when full, the watch waits, and the API server
/// keeps the rest.
const QUEUE: usize = 256;

/// The label with the part of a ReplicaSet's name that is not its Deployment's.
const HASH_LABEL: &str = "pod-template-hash";

/// A pod that belongs to a Deployment.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::compare) struct PodNotice {
    uid: String,
    name: String,
    deployment: String,
}

/// Deployments by pod, of all pods that there ever were in a trial: some hundreds.
#[derive(Debug, Default)]
pub(in crate::compare) struct Pods {
    by_uid: BTreeMap<String, String>,
    by_name: BTreeMap<String, String>,
}

impl Pods {
    /// Takes an announcement in.
    pub(in crate::compare) fn add(&mut self, notice: PodNotice) {
        self.by_uid.insert(notice.uid, notice.deployment.clone());
        self.by_name.insert(notice.name, notice.deployment);
    }

    #[cfg(test)]
    pub(in crate::compare) fn add_for_test(&mut self, name: &str, deployment: &str) {
        self.by_name.insert(name.to_owned(), deployment.to_owned());
    }

    /// Whose the pod with this UID or this name is; none while that is not known.
    pub(in crate::compare) fn deployment_of(&self, uid_or_name: &str) -> Option<&str> {
        let found = self.by_uid.get(uid_or_name);
        found
            .or_else(|| self.by_name.get(uid_or_name))
            .map(String::as_str)
    }
}

/// Announces every pod of `namespace` that belongs to a Deployment, until the receiver is dropped.
pub(in crate::compare) fn announce(
    client: Client,
    namespace: &str,
) -> mpsc::Receiver<Result<PodNotice>> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let api: Api<Pod> = Api::namespaced(client, namespace);
    tokio::spawn(async move {
        let stream = watcher(api, watcher::Config::default())
            .default_backoff()
            .applied_objects();
        let mut pods = stream.err_into().boxed();
        while let Some(pod) = pods.next().await {
            let Some(notice) = pod.map(|pod| notice(&pod)).transpose() else {
                continue;
            };
            if sender.send(notice).await.is_err() {
                return;
            }
        }
    });
    receiver
}

fn notice(pod: &Pod) -> Option<PodNotice> {
    let metadata = &pod.metadata;
    let owner = metadata
        .owner_references
        .as_ref()?
        .iter()
        .find(|owner| owner.kind == "ReplicaSet")?;
    let hash = metadata.labels.as_ref()?.get(HASH_LABEL)?;
    let deployment = owner.name.strip_suffix(hash)?.strip_suffix('-')?;
    Some(PodNotice {
        uid: metadata.uid.clone()?,
        name: metadata.name.clone()?,
        deployment: deployment.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_its_deployments() {
        let pod = |kind: &str| {
            serde_json::from_value(json!({"metadata": {
                "uid": "u1", "name": "redis-cart-77f-x", "labels": {"pod-template-hash": "77f"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": "redis-cart-77f", "uid": "r"}],
            }}))
            .unwrap()
        };
        assert_eq!(notice(&pod("Job")), None);
        let mut pods = Pods::default();
        pods.add(notice(&pod("ReplicaSet")).unwrap());
        for key in ["u1", "redis-cart-77f-x"] {
            assert_eq!(pods.deployment_of(key), Some("redis-cart"));
        }
        assert_eq!(pods.deployment_of("u2"), None);
    }
}
