//! Where the chain's periods stand, as far as it can be seen.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde::Deserialize;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::manifests::NAMESPACE;

/// Where the node tells its schedule, which is no part of Kubernetes' API.
const SCHEDULE: &str = "/apis/metrics.k8s.io/v1beta1/schedule";

/// The controller's period.
const SYNC_PERIOD: Duration = Duration::from_secs(15);

/// The node's schedule when it was asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    /// The next poll of all containers.
    pub(super) next_poll: Instant,
    /// The looks at the one container of our pods that there is; `None` before the first.
    pub(super) looks: Option<Looks>,
}

/// The looks at a container.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Looks {
    /// The last one.
    pub(super) last: Instant,
    /// The next one.
    pub(super) next: Instant,
}

#[derive(Debug, Deserialize)]
struct Answer {
    next_poll_ms: i64,
    containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Container {
    namespace: String,
    last_sample_age_ms: i64,
    next_sample_in_ms: i64,
}

impl Schedule {
    /// Asks the node.
    pub(super) async fn read(client: &Client) -> Result<Self> {
        let what = "the node does not tell the schedule of its metrics";
        let request = http::Request::get(SCHEDULE)
            .body(Vec::new())
            .context(what)?;
        let answer: Answer = client.request(request).await.context(what)?;
        let now = Instant::now();
        let mut ours = answer
            .containers
            .iter()
            .filter(|one| one.namespace == NAMESPACE);
        Ok(Self {
            next_poll: now + millis(answer.next_poll_ms),
            looks: ours.next().map(|one| Looks {
                last: now - millis(one.last_sample_age_ms),
                next: now + millis(one.next_sample_in_ms),
            }),
        })
    }
}

/// What is overdue is due.
fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// When the controller looks at an autoscaler: each period from its creation on, a few milliseconds
/// later each time. A pass that finds something new shows itself by writing the status.
#[derive(Debug)]
pub(super) struct Syncs {
    seen: Arc<Mutex<Option<Instant>>>,
    watch: JoinHandle<()>,
}

impl Syncs {
    /// Watches the autoscaler `name`, which may not exist yet.
    pub(super) fn of(client: &Client, name: &str) -> Self {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), NAMESPACE);
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let seen = Arc::new(Mutex::new(None));
        let watch = {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut changes = watcher(api, only)
                    .default_backoff()
                    .applied_objects()
                    .boxed();
                while let Ok(change) = changes.try_next().await {
                    if change.is_none() {
                        return;
                    }
                    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
            })
        };
        Self { seen, watch }
    }

    /// The next sync after `now`; `None` before the autoscaler has been seen.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let seen = (*self.seen.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = now.saturating_duration_since(seen).as_secs_f64();
        let periods = (since / SYNC_PERIOD.as_secs_f64()).floor() + 1.0;
        Some(seen + SYNC_PERIOD.mul_f64(periods))
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
