//! Local copies of API objects, kept current by watching.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::api::Api;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

/// A store of all objects that `api` sees, and the future that keeps it current and tells `changed`.
/// As large as the cluster's objects of that kind.
pub(crate) fn cache<K>(api: Api<K>, changed: Arc<Notify>) -> (Store<K>, impl Future<Output = ()>)
where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let events = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer);
    let keep = async move {
        futures::pin_mut!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(_) => changed.notify_one(),
                Err(error) => {
                    let kind = K::kind(&());
                    tracing::warn!(%kind, %error, "watch failed, trying again");
                }
            }
        }
    };
    (store, keep)
}
