//! The connected nodes: one session each, and what it was told last.

use foldhash::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use viperscale_proto::v1 as wire;

use super::heard::Heard;
use crate::metrics;

/// More nodes than Kubernetes supports; a further one is turned away.
const MAX_NODES: usize = 10_000;

/// The sessions of connected nodes. A newer stream of a node replaces the older one.
#[derive(Debug, Default)]
pub struct Nodes {
    sessions: Mutex<HashMap<Arc<str>, Session>>,
    /// What has counted of each node; outlives its sessions.
    heard: Mutex<HashMap<Arc<str>, Arc<Mutex<Heard>>>>,
    next_session: AtomicU64,
    next_revision: AtomicU64,
}

#[derive(Debug)]
struct Session {
    id: u64,
    replaced: CancellationToken,
    configuration: watch::Sender<Option<Arc<wire::Configuration>>>,
}

/// A session's own end. Dropping it takes the node off the list, unless it was replaced.
#[derive(Debug)]
pub(super) struct Registration {
    shared: Arc<super::Shared>,
    pub(super) node: Arc<str>,
    id: u64,
    /// What has counted of this node.
    heard: Arc<Mutex<Heard>>,
    /// Cancelled when a newer stream of this node takes over.
    pub(super) replaced: CancellationToken,
    /// What the node shall measure; `None` until it is known.
    pub(super) configuration: watch::Receiver<Option<Arc<wire::Configuration>>>,
}

/// There are [`MAX_NODES`] nodes already.
#[derive(Debug)]
pub(super) struct TooManyNodes;

impl Nodes {
    /// The names of connected nodes.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.lock().keys().cloned().collect()
    }

    /// Tells a node what to measure, if it is connected and this is news for it.
    pub(super) fn configure(
        &self,
        node: &str,
        term: u64,
        interval_ns: u64,
        targets: Vec<wire::Target>,
    ) -> bool {
        let sessions = self.lock();
        let Some(session) = sessions.get(node) else {
            return false;
        };
        session.configuration.send_if_modified(|known| {
            let same = known.as_ref().is_some_and(|known| {
                known.targets == targets && known.interval_ns == interval_ns && known.term == term
            });
            if !same {
                // Revisions grow over all sessions, so also over those of one node.
                let revision = self.next_revision.fetch_add(1, Ordering::Relaxed) + 1;
                *known = Some(Arc::new(wire::Configuration {
                    revision,
                    interval_ns,
                    targets,
                    term,
                }));
            }
            !same
        })
    }

    /// Connected nodes.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Containers that nodes were told to measure.
    pub(super) fn target_count(&self) -> usize {
        let count = |session: &Session| {
            session
                .configuration
                .borrow()
                .as_ref()
                .map_or(0, |known| known.targets.len())
        };
        self.lock().values().map(count).sum()
    }

    /// Room for as many nodes as there are sessions; beyond it, those without one are forgotten.
    fn heard_of(&self, node: &Arc<str>) -> Arc<Mutex<Heard>> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() >= MAX_NODES {
            heard.retain(|_, heard| Arc::strong_count(heard) > 1);
        }
        heard.entry(node.clone()).or_default().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a new stream of `node` in the place of an older one.
pub(super) fn register(
    shared: &Arc<super::Shared>,
    node: Arc<str>,
) -> Result<Registration, TooManyNodes> {
    let nodes = &shared.nodes;
    let mut sessions = nodes.lock();
    if !sessions.contains_key(&node) && sessions.len() >= MAX_NODES {
        make_room(shared, &node, &mut sessions)?;
    }
    let id = nodes.next_session.fetch_add(1, Ordering::Relaxed);
    let replaced = CancellationToken::new();
    let (sender, configuration) = watch::channel(None);
    let session = Session {
        id,
        replaced: replaced.clone(),
        configuration: sender,
    };
    if let Some(older) = sessions.insert(node.clone(), session) {
        older.replaced.cancel();
    }
    metrics::agents_connected(sessions.len());
    drop(sessions);
    let heard = nodes.heard_of(&node);
    shared
        .workloads
        .update(|index| index.mark_node(node.clone()));
    Ok(Registration {
        shared: shared.clone(),
        node,
        id,
        heard,
        replaced,
        configuration,
    })
}

/// Where agents need no certificate, anybody may claim any names: those that no pod is bound to give
/// way to one that has some, so that inventing names cannot keep the real nodes out.
fn make_room(
    shared: &super::Shared,
    newcomer: &str,
    sessions: &mut HashMap<Arc<str>, Session>,
) -> Result<(), TooManyNodes> {
    let index = shared.workloads.read();
    let has_pods = |node: &str| index.pods_on(node).next().is_some();
    if !has_pods(newcomer) {
        return Err(TooManyNodes);
    }
    let idle = sessions.keys().find(|node| !has_pods(node)).cloned();
    let session = idle.and_then(|node| sessions.remove(&node));
    session.ok_or(TooManyNodes)?.replaced.cancel();
    Ok(())
}

impl Registration {
    /// What has counted of this node, over all of its streams.
    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut sessions = self.shared.nodes.lock();
        if sessions
            .get(&self.node)
            .is_some_and(|session| session.id == self.id)
        {
            sessions.remove(&self.node);
        }
        metrics::agents_connected(sessions.len());
    }
}
