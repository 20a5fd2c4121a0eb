//! Reading what is due and polling on time: the one place with a clock and with files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use stock_hpa::Moment;
use stock_hpa::pipeline::Reading;
use tokio::time::Instant;

use super::chain::Chain;
use super::containers::Containers;
use crate::cgroup::{Meters, Usage};

/// Wait before a container whose files could not be read is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The metrics of one node: who is measured, and what is known of them.
#[derive(Debug)]
pub(crate) struct Meter {
    node: String,
    pub(super) node_labels: BTreeMap<String, String>,
    pub(super) containers: Arc<Containers>,
    clock: Clock,
    booted_at: Moment,
    files: Meters,
    chain: Mutex<Chain>,
}

/// The wall clock as it was at the start, carried on by the monotonic one: a clock that is set
/// must not stretch a window.
#[derive(Debug)]
struct Clock {
    origin: Instant,
    origin_unix: Moment,
}

impl Meter {
    /// A meter that has measured nothing yet.
    pub(crate) fn new(
        node: &str,
        node_labels: BTreeMap<String, String>,
        containers: Arc<Containers>,
        files: Meters,
    ) -> Self {
        let clock = Clock {
            origin: Instant::now(),
            origin_unix: moment(Timestamp::now()),
        };
        let chain = Mutex::new(Chain::new(clock.now()));
        Self {
            node: node.to_owned(),
            node_labels,
            containers,
            booted_at: clock.now().minus(uptime()),
            clock,
            files,
            chain,
        }
    }

    /// Measures until it is dropped. Two or three small files per container each 10 to 20 s.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut changes = self.containers.subscribe();
        loop {
            changes.mark_unchanged();
            let wait = self.look();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The node that it measures.
    pub(super) fn name(&self) -> &str {
        &self.node
    }

    /// Unix time, not moved by changes of the clock.
    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// The state of the chain.
    pub(super) fn chain(&self) -> MutexGuard<'_, Chain> {
        // Each change of the chain is complete in itself, so a panicking holder leaves it usable.
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is due and says how long there is nothing to do.
    fn look(&self) -> Duration {
        let now = self.now();
        let mut chain = self.chain();
        let failed = self.containers.with(|pods| {
            chain.containers.retain(|uid, name| {
                pods.get(uid)
                    .is_some_and(|pod| pod.containers.contains_key(name))
            });
            let mut failed = false;
            for (uid, pod) in pods {
                for (name, container) in &pod.containers {
                    let started_at = moment(container.started_at);
                    if !chain.containers.is_due(uid, name, started_at, now) {
                        continue;
                    }
                    match self.read(&container.cgroup) {
                        Some(usage) => {
                            let reading = reading(uid, name, started_at, usage);
                            chain.containers.take(reading, now, rand::random());
                        }
                        None => failed = true,
                    }
                }
            }
            failed
        });
        if chain.machine.is_due("", "", self.booted_at, now) {
            match self.files.read_machine() {
                Ok(usage) => {
                    let reading = reading("", "", self.booted_at, usage);
                    chain.machine.take(reading, now, rand::random());
                }
                Err(error) => tracing::debug!(%error, "machine not measured"),
            }
        }
        chain.poll(now);
        let wait = chain.next().since(now).max(Duration::from_millis(1));
        if failed { wait.min(RETRY) } else { wait }
    }

    fn read(&self, cgroup: &Path) -> Option<Usage> {
        // It has just ended, most likely.
        let unread = |error| tracing::debug!(%error, "container not measured");
        self.files.read(cgroup).map_err(unread).ok()
    }
}

impl Clock {
    fn now(&self) -> Moment {
        self.origin_unix.plus(self.origin.elapsed())
    }
}

fn reading(pod: &str, container: &str, started_at: Moment, usage: Usage) -> Reading {
    Reading {
        pod: pod.to_owned(),
        container: container.to_owned(),
        started_at,
        cpu: usage.cpu,
        memory_bytes: usage.memory_bytes,
    }
}

fn moment(timestamp: Timestamp) -> Moment {
    Moment::from_millis(timestamp.as_millisecond())
}

/// Since the machine started; zero when the system does not say.
fn uptime() -> Duration {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}
