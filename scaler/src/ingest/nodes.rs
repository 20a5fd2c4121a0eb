//! The connected nodes: one session each, and what it was told last.

use foldhash::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use viperscale_proto::v1 as wire;

use crate::metrics;

/// More nodes than Kubernetes supports; a further one is turned away.
const MAX_NODES: usize = 10_000;

/// The sessions of connected nodes. A newer stream of a node replaces the older one.
#[derive(Debug, Default)]
pub struct Nodes {
    sessions: Mutex<HashMap<Arc<str>, Session>>,
    /// Which interval of a node came last; outlives its sessions.
    latest: Mutex<HashMap<Arc<str>, Arc<Mutex<Latest>>>>,
    next_session: AtomicU64,
    next_revision: AtomicU64,
}

/// The newest interval that a node has reported.
#[derive(Debug, Default)]
pub(super) struct Latest {
    /// In which leadership of ours; the next one begins with empty windows, so it takes all anew.
    term: u64,
    /// By which start of the agent.
    instance: String,
    number: u64,
}

impl Latest {
    /// Whether an interval is news, which it is once.
    pub(super) fn is_news(&mut self, term: u64, instance: &str, number: u64) -> bool {
        // An agent of before intervals were numbered.
        if number == 0 {
            return true;
        }
        if self.term != term || self.instance != instance {
            (self.term, self.number) = (term, 0);
            instance.clone_into(&mut self.instance);
        }
        let is_news = number > self.number;
        self.number = self.number.max(number);
        is_news
    }
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
    /// What this node reported last.
    pub(super) latest: Arc<Mutex<Latest>>,
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
    fn latest_of(&self, node: &Arc<str>) -> Arc<Mutex<Latest>> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= MAX_NODES {
            latest.retain(|_, latest| Arc::strong_count(latest) > 1);
        }
        latest.entry(node.clone()).or_default().clone()
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
    let latest = nodes.latest_of(&node);
    shared
        .workloads
        .update(|index| index.mark_node(node.clone()));
    Ok(Registration {
        shared: shared.clone(),
        node,
        id,
        latest,
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
    /// Whether an interval is news in this leadership, which it is once.
    pub(super) fn is_news(&self, term: u64, instance: &str, number: u64) -> bool {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.is_news(term, instance, number)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interval_counts_once_in_each_leadership() {
        let mut latest = Latest::default();
        let mut news = |term, instance, numbers: &[u64]| -> Vec<bool> {
            let is_news = |number: &u64| latest.is_news(term, instance, *number);
            numbers.iter().map(is_news).collect()
        };
        assert_eq!(
            news(1, "a", &[7, 8, 8, 7, 9]),
            [true, true, false, false, true]
        );
        assert_eq!(
            news(2, "a", &[8, 9, 10]),
            [true, true, true],
            "empty windows"
        );
        assert_eq!(news(2, "b", &[1]), [true], "the agent was restarted");
        assert_eq!(news(2, "b", &[0, 0]), [true, true], "not numbered");
    }
}
