//! Policies that are objects of the cluster: ScalingPolicy, `viperscale.dev/v1alpha1`.
//!
//! Objects are taken as JSON, not as the types of [`crate::crd`]: what an older schema let in must be
//! named, not end the watch. The core reads the JSON as it reads a file.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as start_watcher};
use kube::{Api, Client, CustomResourceExt};
use serde_json::json;
use tokio::sync::watch as state;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::object::{ObjectKey, Objects, RawObject, SeenStatus};
use crate::api_health::{ApiHealth, Source};
use crate::cluster::{self, chain, explain, is_transient, status_code};
use crate::crd::{PLURAL, ScalingPolicy};
use crate::metrics;
use crate::workloads::backoff::Delays;

/// More objects than any cluster has deployments worth scaling; a further one is not taken.
const MAX_OBJECTS: usize = 10_000;
/// A policy is some dozens of lines; the API server's own limit is 1.5 MiB.
const MAX_OBJECT_BYTES: usize = 256 * 1024;
/// How often a cluster without the custom resource is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(1);
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// Follows the objects for as long as it is polled, publishing every change that matters.
///
/// A cluster without the custom resource has no such policies; one that forbids to read them has those
/// that were known. Both are said once, and asked again. When the API server is away, what is known
/// stays, and `health` is told.
pub async fn watch_objects(client: Client, published: state::Sender<Objects>, health: ApiHealth) {
    let resource = ScalingPolicy::api_resource();
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut told = None;
    loop {
        if wait_until_readable(&api, &published, &health, &mut told).await {
            follow(&api, &published, &health).await;
        }
    }
}

/// Whether the objects can be listed; waits before it says no.
async fn wait_until_readable(
    api: &Api<DynamicObject>,
    published: &state::Sender<Objects>,
    health: &ApiHealth,
    told: &mut Option<String>,
) -> bool {
    let one = ListParams::default().limit(1);
    let answer = match timeout(LIST_TIMEOUT, api.list(&one)).await {
        Ok(Ok(_)) => {
            health.works(Source::Policies);
            if told.take().is_some() {
                info!("ScalingPolicy objects can be read");
            }
            return true;
        }
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let silent = answer.as_ref().is_none_or(is_transient);
    let gone = answer.as_ref().and_then(status_code) == Some(404);
    let problem = match &answer {
        None => format!("no answer within {} s", LIST_TIMEOUT.as_secs()),
        Some(error) if silent => chain(error),
        Some(_) if gone => {
            "no ScalingPolicy objects: the custom resource is not installed (`scaler crd | kubectl \
             apply -f -`); policies of files are in force"
                .to_owned()
        }
        Some(error) => explain("list", PLURAL, error),
    };
    match silent {
        true => health.failed(Source::Policies, &problem),
        false => health.works(Source::Policies),
    }
    if told.as_ref() != Some(&problem) {
        metrics::watch_failed(PLURAL);
        warn!(%problem, "ScalingPolicy objects cannot be read");
        *told = Some(problem);
    }
    // Not there, or not ours to read, is an answer; silence is none. What is not ours to read any more
    // may still be there, and stays.
    if !silent {
        published.send_if_modified(|objects| {
            let changed = !objects.known || (gone && !objects.by_key.is_empty());
            objects.known = true;
            if gone {
                objects.by_key.clear();
            }
            changed
        });
    }
    sleep(if silent { RETRY } else { ASK_AGAIN }).await;
    false
}

/// Follows until the objects cannot be read any more, for another reason than silence.
async fn follow(api: &Api<DynamicObject>, published: &state::Sender<Objects>, health: &ApiHealth) {
    let config = watcher::Config::default().timeout(cluster::WATCH_SECONDS);
    let mut events = start_watcher(api.clone(), config)
        .backoff(Delays::new())
        .boxed();
    let mut listed = BTreeMap::new();
    let mut last_error = None;
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                metrics::watch_failed(PLURAL);
                if is_refusal(&error) {
                    return;
                }
                let text = cluster::explain_watch(PLURAL, &error);
                // An expired version is cured by the list that follows.
                if !cluster::is_expired(&error) {
                    health.failed(Source::Policies, &text);
                }
                if last_error.as_ref() != Some(&text) {
                    warn!(error = %text, "watch of ScalingPolicy objects failed, retrying");
                    last_error = Some(text);
                }
                continue;
            }
        };
        // The start of a listing is told before the server was asked.
        if !matches!(event, Event::Init) {
            health.works(Source::Policies);
            if last_error.take().is_some() {
                info!("watch of ScalingPolicy objects works again");
            }
        }
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                if let Some(key) = key_of(&object) {
                    let raw = read(&key, object, published.borrow().by_key.get(&key));
                    put(&mut listed, key, raw);
                }
            }
            Event::InitDone => {
                let by_key = std::mem::take(&mut listed);
                published.send_if_modified(|objects| {
                    let changed = !objects.known || objects.by_key != by_key;
                    *objects = Objects {
                        known: true,
                        by_key,
                    };
                    changed
                });
            }
            Event::Apply(object) => {
                let Some(key) = key_of(&object) else { continue };
                published.send_if_modified(|objects| {
                    let raw = read(&key, object, objects.by_key.get(&key));
                    put(&mut objects.by_key, key, raw)
                });
            }
            Event::Delete(object) => {
                published.send_if_modified(|objects| {
                    key_of(&object).is_some_and(|key| objects.by_key.remove(&key).is_some())
                });
            }
        }
    }
}

/// Whether the server answered that there are no such objects, or none for us.
fn is_refusal(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => {
            matches!(status_code(error), Some(401 | 403 | 404))
        }
        _ => false,
    }
}

fn key_of(object: &DynamicObject) -> Option<ObjectKey> {
    Some(ObjectKey {
        namespace: object.metadata.namespace.as_deref()?.into(),
        name: object.metadata.name.as_deref()?.into(),
    })
}

/// Takes `raw` into `objects`, and tells whether that changed anything.
fn put(objects: &mut BTreeMap<ObjectKey, RawObject>, key: ObjectKey, raw: RawObject) -> bool {
    if objects.get(&key) == Some(&raw) {
        return false;
    }
    if objects.len() >= MAX_OBJECTS && !objects.contains_key(&key) {
        metrics::policy_objects_dropped();
        return false;
    }
    objects.insert(key, raw);
    true
}

/// Only what a policy consists of: metadata and status change without the policy changing. The status
/// is seen by everybody who has a copy of what is `known`.
fn read(key: &ObjectKey, object: DynamicObject, known: Option<&RawObject>) -> RawObject {
    let types = object.types.unwrap_or_default();
    let spec = &object.data["spec"];
    let mut policy = json!({
        "apiVersion": types.api_version,
        "kind": types.kind,
        "metadata": {"name": &*key.name, "namespace": &*key.namespace},
        "spec": spec,
    })
    .to_string();
    if policy.len() > MAX_OBJECT_BYTES {
        // Reading it fails with this text, which is then what its status says.
        policy = format!("larger than {MAX_OBJECT_BYTES} bytes");
    }
    let uid = object.metadata.uid.unwrap_or_default();
    let status = match known.filter(|known| known.uid == uid) {
        Some(known) => known.status.clone(),
        None => SeenStatus::default(),
    };
    status.see(serde_json::from_value(object.data["status"].clone()).ok());
    RawObject {
        uid,
        generation: object.metadata.generation.unwrap_or_default(),
        json: policy,
        status,
    }
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
