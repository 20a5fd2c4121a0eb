//! Watches of the other autoscalers.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as start_watcher};
use kube::{Api, Client};
use scaler_core::{Rival, RivalKind};
use serde::de::DeserializeOwned;
use tokio::sync::watch::Sender;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::Rivals;
use super::read::{of_hpa, of_scaled_object};
use crate::api_health::{ApiHealth, Source};
use crate::cluster::{self, status_code};
use crate::metrics;
use crate::workloads::backoff::Delays;
use crate::workloads::{DeploymentKey, Uid};

/// How often KEDA is looked for while it is not there.
pub(super) const RECHECK: Duration = Duration::from_secs(30);
/// And while it is not known at all, before which nothing is decided.
const ASK_AGAIN: Duration = Duration::from_secs(2);
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(5);
const KEDA: &str = "keda.sh/v1alpha1";
const HPAS: &str = "horizontalpodautoscalers";
const SCALED_OBJECTS: &str = "scaledobjects";

/// What the watches write to and report to.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Where rivals are kept.
    pub rivals: Arc<Rivals>,
    /// Told when a watch fails: then a rival may be there unseen.
    pub health: ApiHealth,
}

/// Follows the HPAs for as long as it is polled, and sets `synced` after the first list. Without
/// permission to list them it never does: nothing may be written unless it is known that nobody
/// else writes.
pub async fn watch_hpas(client: Client, followed: Followed, synced: Sender<bool>) {
    let api: Api<HorizontalPodAutoscaler> = Api::all(client);
    let kind = RivalKind::HorizontalPodAutoscaler;
    loop {
        let ended = follow(&api, (kind, HPAS), &followed, &synced, of_hpa).await;
        warn!(resource = HPAS, ?ended, "watch ended, starting over");
        sleep(RECHECK).await;
    }
}

/// Follows the ScaledObjects for as long as it is polled, whenever there are any: sets `known` once
/// they are listed, or KEDA is not installed, or they may not be seen. In that last case KEDA is
/// still noticed by the HPAs that it makes.
pub async fn watch_scaled_objects(client: Client, followed: Followed, known: Sender<bool>) {
    let kind = RivalKind::ScaledObject;
    let gvk = GroupVersionKind::gvk("keda.sh", "v1alpha1", kind.name());
    let resource = ApiResource::from_gvk_with_plural(&gvk, SCALED_OBJECTS);
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let mut last_problem = None;
    loop {
        match is_served(&client).await {
            Ok(true) => {
                info!("KEDA is installed, following its ScaledObjects");
                let ended = follow(
                    &api,
                    (kind, SCALED_OBJECTS),
                    &followed,
                    &known,
                    of_scaled_object,
                );
                last_problem = None;
                match ended.await {
                    Ended::Gone => info!("KEDA is gone"),
                    Ended::Forbidden => {}
                    // What is known stays until it is listed anew.
                    Ended::Unexpectedly => continue,
                }
            }
            Ok(false) => last_problem = None,
            Err(problem) => {
                // Not knowing is not the same as there being none: what is known stays.
                if last_problem.as_ref() != Some(&problem) {
                    warn!(%problem, "cannot tell whether KEDA is installed, retrying");
                    last_problem = Some(problem);
                }
                let pause = if *known.borrow() { RECHECK } else { ASK_AGAIN };
                sleep(pause).await;
                continue;
            }
        }
        followed.rivals.retain(kind, &HashSet::new());
        followed.health.works(Source::Rivals(kind));
        known.send_replace(true);
        sleep(RECHECK).await;
    }
}

/// Whether the API server has ScaledObjects.
async fn is_served(client: &Client) -> Result<bool, String> {
    match timeout(DISCOVERY_TIMEOUT, client.list_api_group_resources(KEDA)).await {
        Ok(Ok(list)) => Ok(list
            .resources
            .iter()
            .any(|found| found.name == SCALED_OBJECTS)),
        Ok(Err(error)) if status_code(&error) == Some(404) => Ok(false),
        // Whoever may not discover the group has no permission for its objects either.
        Ok(Err(error)) if status_code(&error) == Some(403) => Ok(false),
        Ok(Err(error)) => Err(cluster::explain("discover", SCALED_OBJECTS, &error)),
        Err(_) => Err(format!(
            "no answer within {} s",
            DISCOVERY_TIMEOUT.as_secs()
        )),
    }
}

/// Why a watch ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// The kind is not served any more.
    Gone,
    /// It may not be watched; said in the log.
    Forbidden,
    /// The stream of events ended, which it does not do by itself.
    Unexpectedly,
}

/// Follows one kind until it is gone or forbidden; other failures are retried with back-off, and
/// what is known stays.
async fn follow<K>(
    api: &Api<K>,
    (kind, name): (RivalKind, &'static str),
    followed: &Followed,
    synced: &Sender<bool>,
    read: impl Fn(&K) -> Option<(DeploymentKey, Rival)>,
) -> Ended
where
    K: kube::Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    let Followed { rivals, health } = followed;
    let config = watcher::Config::default().timeout(cluster::WATCH_SECONDS);
    let mut events = start_watcher(api.clone(), config)
        .backoff(Delays::new())
        .boxed();
    let mut listed = HashSet::new();
    let mut last_error = None;
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                metrics::watch_failed(name);
                let text = cluster::explain_watch(name, &error);
                let code = code_of(&error);
                if code != Some(404) && last_error.as_ref() != Some(&text) {
                    warn!(resource = name, error = %text, "watch failed, retrying");
                    last_error = Some(text.clone());
                }
                match code {
                    Some(404) => return Ended::Gone,
                    // A missing permission for KEDA's objects must not stop everything else.
                    Some(403) if kind == RivalKind::ScaledObject => return Ended::Forbidden,
                    // An expired version is cured by the list that follows.
                    _ if cluster::is_expired(&error) => {}
                    _ => health.failed(Source::Rivals(kind), &text),
                }
                continue;
            }
        };
        // `Init` only announces a list that may fail.
        if !matches!(event, Event::Init) {
            health.works(Source::Rivals(kind));
            if last_error.take().is_some() {
                info!(resource = name, "watch works again");
            }
        }
        let source = |object: &K| -> Option<(RivalKind, Uid)> {
            Some((kind, object.meta().uid.as_deref()?.into()))
        };
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                if let Some(source) = source(&object) {
                    listed.insert(source.1.clone());
                    rivals.put(source, read(&object));
                }
            }
            Event::InitDone => {
                rivals.retain(kind, &listed);
                listed = HashSet::new();
                synced.send_replace(true);
            }
            Event::Apply(object) => {
                if let Some(source) = source(&object) {
                    rivals.put(source, read(&object));
                }
            }
            Event::Delete(object) => {
                if let Some(source) = source(&object) {
                    rivals.remove(&source);
                }
            }
        }
    }
    Ended::Unexpectedly
}

fn code_of(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => status_code(error),
        watcher::Error::WatchError(status) => Some(status.code),
        watcher::Error::NoResourceVersion => None,
    }
}
