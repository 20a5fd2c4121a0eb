//! A watcher's place in a collection's history.
//!
//! A watcher has no buffer of its own: it is a position in the one ring that all watchers of a
//! collection share. A reader that is too slow finds its position overwritten and is told to
//! start again (`410 Gone`), so slow readers cost no memory and never hold up a writer.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::{Change, ChangeKind, Store};
use crate::error::ApiError;
use crate::selector::Filter;

/// Changes taken from the ring at a time.
const BATCH: usize = 64;

/// Where a watch starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// After this revision.
    After(u64),
    /// With the present objects as `Added`, then what follows.
    Everything,
}

/// A running watch.
#[derive(Debug)]
pub(crate) struct Cursor {
    store: Arc<Store>,
    collection: String,
    position: u64,
    pending: VecDeque<Arc<Change>>,
    changed: watch::Receiver<u64>,
}

impl Cursor {
    pub(super) fn new(
        store: Arc<Store>,
        collection: &str,
        start: Start,
        changed: watch::Receiver<u64>,
    ) -> Result<Self, ApiError> {
        let mut cursor = Self {
            store,
            collection: collection.to_owned(),
            position: 0,
            pending: VecDeque::new(),
            changed,
        };
        match start {
            Start::Everything => {
                let page = cursor.store.list(collection, &Filter::default(), 0, None);
                cursor.position = page.revision;
                cursor.pending = page
                    .objects
                    .into_iter()
                    .map(|object| {
                        Arc::new(Change {
                            kind: ChangeKind::Added,
                            object,
                            previous: None,
                        })
                    })
                    .collect();
            }
            Start::After(revision) => {
                let current = cursor.store.revision();
                if revision > current {
                    // The store lives in memory: such a version is from before a restart, and
                    // will never come. Gone makes clients list again.
                    return Err(ApiError::Expired(format!(
                        "resource version {revision} is not of this server (at {current})"
                    )));
                }
                cursor.position = revision;
                cursor.fill()?;
            }
        }
        Ok(cursor)
    }

    fn fill(&mut self) -> Result<(), ApiError> {
        self.changed.mark_unchanged();
        let (changes, reached) =
            self.store
                .changes_after(&self.collection, self.position, BATCH)?;
        self.pending = changes.into();
        self.position = reached;
        Ok(())
    }

    /// A change that is ready now.
    pub(crate) fn try_next(&mut self) -> Result<Option<Arc<Change>>, ApiError> {
        if self.pending.is_empty() {
            self.fill()?;
        }
        Ok(self.pending.pop_front())
    }

    /// Waits for the next change. Safe to cancel.
    ///
    /// # Errors
    /// `Expired` when the history no longer reaches back to this watcher.
    pub(crate) async fn next(&mut self) -> Result<Arc<Change>, ApiError> {
        loop {
            if let Some(change) = self.try_next()? {
                return Ok(change);
            }
            // The sender lives in the store, which this cursor keeps alive.
            if self.changed.changed().await.is_err() {
                return Err(ApiError::Internal("the store is gone".to_owned()));
            }
        }
    }

    /// The revision up to which every change has been handed out, when that is so.
    pub(crate) fn drained_to(&self) -> Option<u64> {
        self.pending.is_empty().then_some(self.position)
    }
}
