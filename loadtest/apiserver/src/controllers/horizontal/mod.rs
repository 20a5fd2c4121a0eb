//! HorizontalPodAutoscaler → scale of its target: the stock controller.
//!
//! ```text
//!  watch of autoscalers ──► queue ──15 s──► pass, one at a time per autoscaler
//!                             ▲               │ observe: target's scale, its pods, PodMetrics, rivals
//!                             └───────────────┤ stock_hpa::reconcile (pure): decides
//!                                             │ target: PUT scale, again on a conflict
//!                                             └ status, events ──► recorder
//! ```
//!
//! What it decides is [`stock_hpa`]'s; here is what it asks, writes, and when. The *when* is that of
//! kube-controller-manager (`podautoscaler/horizontal.go`, with client-go's delaying queue): each
//! creation and each update of an autoscaler, those of its own status included, and the end of each
//! pass put it into the queue, due after one sync period; while it waits there, nothing that is added
//! moves it. So the first pass comes one period after the creation, a change of the object does not
//! hasten it, and from then on passes are one period, and the few milliseconds between taking one
//! from the queue and putting it back, apart. An autoscaler that is deleted is forgotten when it next
//! comes due; one created anew under its name before that inherits its history.
//!
//! Differences: objects are read when a pass needs them, not from caches (see [`super`]); upstream's
//! resync of its cache, which only adds what waits already, is left out.

mod events;
mod key;
mod metrics;
mod observe;
mod pass;
mod queue;
mod recorder;
mod rivals;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client};
use stock_hpa::Settings;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Context, Error};
use key::Key;
use pass::{Edge, Memory, Presence};
use queue::Queue;

/// The component of events.
const COMPONENT: &str = "horizontal-pod-autoscaler";
/// Autoscalers looked at at once (`--concurrent-horizontal-pod-autoscaler-syncs`).
const WORKERS: usize = 5;

/// Runs with the stock period until `stop` fires; passes that are under way are dropped then.
pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    run_each(Settings::SYNC_PERIOD, &context.client, stop).await;
}

async fn run_each(period: Duration, client: &Client, stop: CancellationToken) {
    let watched = watch(Api::all(client.clone()), watcher::Config::default()).default_backoff();
    let driver = Driver {
        edge: Edge::new(client.clone()),
        queue: Queue::new(period),
        // One entry per autoscaler that exists, or did at the last pass.
        memories: BTreeMap::new(),
    };
    tokio::select! {
        () = driver.drive(watched.boxed()) => {}
        () = stop.cancelled() => {}
    }
}

/// Puts watch, queue and passes together.
struct Driver {
    edge: Edge,
    queue: Queue<Key>,
    memories: BTreeMap<Key, Memory>,
}

impl Driver {
    async fn drive(
        mut self,
        mut watched: impl Stream<Item = Result<Event<HorizontalPodAutoscaler>, watcher::Error>> + Unpin,
    ) {
        let edge = self.edge.clone();
        let mut passes = FuturesUnordered::new();
        loop {
            while passes.len() < WORKERS
                && let Some(key) = self.queue.pop(Instant::now())
            {
                let memory = self.memories.remove(&key).unwrap_or_default();
                passes.push(pass(&edge, key, memory));
            }
            let due = self.queue.next_due().filter(|_| passes.len() < WORKERS);
            tokio::select! {
                event = watched.next() => match event {
                    Some(event) => self.seen(event),
                    None => break,
                },
                Some((key, memory, result)) = passes.next() => self.finished(key, memory, result),
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    fn seen(&mut self, event: Result<Event<HorizontalPodAutoscaler>, watcher::Error>) {
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                let key = Key::of(&object);
                self.edge.rivals.register(&key);
                self.queue.add(key, Instant::now());
            }
            Ok(Event::Delete(object)) => self.edge.rivals.remove(&Key::of(&object)),
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) => debug!(%error, "watch of autoscalers"),
        }
    }

    fn finished(&mut self, key: Key, memory: Memory, result: Result<Presence, Error>) {
        self.queue.done(&key);
        match result {
            Ok(Presence::Deleted) => {
                // Its deletion may have been missed while the watch was down.
                self.edge.rivals.remove(&key);
                return;
            }
            Ok(Presence::Exists) => {}
            Err(error) => warn!(%key, %error, "pass failed"),
        }
        self.memories.insert(key.clone(), memory);
        self.queue.add(key, Instant::now());
    }
}

async fn pass(edge: &Edge, key: Key, mut memory: Memory) -> (Key, Memory, Result<Presence, Error>) {
    let result = pass::run(edge, &key, &mut memory).await;
    (key, memory, result)
}
