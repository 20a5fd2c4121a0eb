//! The object store: current objects per collection, and a bounded history for watches.
//!
//! Invariants:
//! - one revision counter for everything; each write takes the next one and becomes the object's
//!   `metadata.resourceVersion`;
//! - one lock: whoever sees revision `n` sees every write up to `n`. A watch that starts at the
//!   revision of a list therefore misses nothing and repeats nothing;
//! - a write changes the object and the history together, or neither.

mod collection;
mod cursor;
mod transaction;

pub(crate) use collection::{Change, ChangeKind};
pub(crate) use cursor::{Cursor, Start};
pub(crate) use transaction::Transaction;

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use crate::error::ApiError;
use crate::selector::Filter;
use collection::Collection;

/// Names an object: collection (`pods`, `deployments.apps`), namespace (empty when
/// cluster-scoped) and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) collection: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// One revision of an object, immutable and shared by the store, its history and all watchers.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) value: Value,
    pub(crate) revision: u64,
    json: OnceLock<Bytes>,
}

impl Stored {
    fn new(value: Value, revision: u64) -> Arc<Self> {
        Arc::new(Self {
            value,
            revision,
            json: OnceLock::new(),
        })
    }

    /// The object as JSON, serialised once however many clients read it.
    pub(crate) fn json(&self) -> Bytes {
        self.json
            .get_or_init(|| Bytes::from(self.value.to_string()))
            .clone()
    }
}

/// How much the store may hold.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Changes kept per collection for watches; a watcher further behind gets `410 Gone`.
    pub history: usize,
    /// Objects per collection; further creates fail with `429 TooManyRequests`.
    pub objects: usize,
    /// Events kept; the oldest make room for new ones.
    pub events: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            history: 1_024,
            objects: 20_000,
            events: 2_000,
        }
    }
}

/// The objects of a page, and where to go on.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Arc<Stored>>,
    /// The store's revision when the page was read.
    pub(crate) revision: u64,
    /// (namespace, name) of the last object, when more follow.
    pub(crate) next: Option<(String, String)>,
    /// How many matching objects follow.
    pub(crate) remaining: usize,
}

#[derive(Debug)]
struct Inner {
    revision: u64,
    collections: HashMap<String, Collection>,
}

/// The shared store.
#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
    limits: StoreLimits,
    /// Carries the latest revision; every watcher waits on it.
    revision: watch::Sender<u64>,
}

impl Store {
    /// An empty store. The first write has revision 2, so that 1 names the empty state: clients
    /// take a resourceVersion of 0 to mean "any".
    pub(crate) fn new(limits: StoreLimits) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                revision: 1,
                collections: HashMap::new(),
            }),
            limits,
            revision: watch::Sender::new(1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Writers validate before they change anything, so a panic leaves a consistent state.
        self.inner
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The latest revision.
    pub(crate) fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// Reads one object.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        self.lock()
            .collections
            .get(&key.collection)?
            .get(&key.namespace, &key.name)
            .cloned()
    }

    /// Reads the objects that match, ordered by namespace and name, at most `limit` of them
    /// (0: all), after the given (namespace, name).
    pub(crate) fn list(
        &self,
        collection: &str,
        filter: &Filter,
        limit: usize,
        after: Option<(String, String)>,
    ) -> Page {
        let inner = self.lock();
        let revision = inner.revision;
        let mut page = Page {
            objects: Vec::new(),
            revision,
            next: None,
            remaining: 0,
        };
        let Some(collection) = inner.collections.get(collection) else {
            return page;
        };
        let start = match (after, &filter.namespace) {
            (Some(after), _) => Bound::Excluded(after),
            (None, Some(namespace)) => Bound::Included((namespace.clone(), String::new())),
            (None, None) => Bound::Unbounded,
        };
        for ((namespace, name), stored) in collection.objects.range((start, Bound::Unbounded)) {
            if filter
                .namespace
                .as_ref()
                .is_some_and(|wanted| wanted != namespace)
            {
                break;
            }
            if !filter.matches(&stored.value) {
                continue;
            }
            if limit > 0 && page.objects.len() >= limit {
                page.remaining += 1;
                continue;
            }
            page.next = Some((namespace.clone(), name.clone()));
            page.objects.push(Arc::clone(stored));
        }
        if page.remaining == 0 {
            page.next = None;
        }
        page
    }

    /// Runs a read-modify-write under the lock. Writes take effect at once, so `operation` must
    /// have checked everything before its first write. With `dry_run` nothing is kept.
    pub(crate) fn transact<T>(
        &self,
        dry_run: bool,
        operation: impl FnOnce(&mut Transaction<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut inner = self.lock();
        let before = inner.revision;
        let result = operation(&mut Transaction::new(&mut inner, self.limits, dry_run));
        let after = inner.revision;
        if after != before {
            self.revision.send_replace(after);
        }
        result
    }

    /// Starts a watch; see [`Start`] for where.
    pub(crate) fn watch(
        self: &Arc<Self>,
        collection: &str,
        start: Start,
    ) -> Result<Cursor, ApiError> {
        Cursor::new(
            Arc::clone(self),
            collection,
            start,
            self.revision.subscribe(),
        )
    }

    /// The changes of a collection after `position`, at most `limit`, and the position reached.
    fn changes_after(
        &self,
        collection: &str,
        position: u64,
        limit: usize,
    ) -> Result<(Vec<Arc<Change>>, u64), ApiError> {
        let inner = self.lock();
        let Some(collection) = inner.collections.get(collection) else {
            return Ok((Vec::new(), inner.revision));
        };
        let changes = collection.changes_after(position, limit)?;
        let reached = match changes.last() {
            Some(last) if changes.len() == limit => last.revision(),
            _ => inner.revision,
        };
        Ok((changes, reached))
    }
}

#[cfg(test)]
mod tests;
