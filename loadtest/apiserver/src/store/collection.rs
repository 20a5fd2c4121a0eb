//! One collection: its objects, and a ring of its latest changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Stored;
use crate::error::ApiError;

/// What a change did to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One change, as the history keeps it.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    /// The new state; for a deletion the last state, with the deletion's revision.
    pub(crate) object: Arc<Stored>,
    /// The state before, for watches whose selector it may leave or enter.
    pub(crate) previous: Option<Arc<Stored>>,
}

impl Change {
    /// The store revision of this change.
    pub(crate) fn revision(&self) -> u64 {
        self.object.revision
    }
}

#[derive(Debug, Default)]
pub(super) struct Collection {
    /// By (namespace, name).
    pub(super) objects: BTreeMap<(String, String), Arc<Stored>>,
    /// Ascending revisions.
    history: VecDeque<Arc<Change>>,
    /// Revision of the newest change that has been dropped from `history`; 0 if none.
    forgotten: u64,
}

impl Collection {
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Stored>> {
        self.objects.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Records a change and forgets the oldest ones beyond `limit`.
    pub(super) fn record(&mut self, change: Change, limit: usize) {
        self.history.push_back(Arc::new(change));
        while self.history.len() > limit {
            if let Some(dropped) = self.history.pop_front() {
                self.forgotten = dropped.revision();
            }
        }
    }

    /// Changes with revisions above `position`; an error when some of them are forgotten.
    pub(super) fn changes_after(
        &self,
        position: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Change>>, ApiError> {
        if position < self.forgotten {
            return Err(ApiError::Expired(format!(
                "too old resource version: {position} ({})",
                self.forgotten
            )));
        }
        let first = self
            .history
            .partition_point(|change| change.revision() <= position);
        Ok(self.history.range(first..).take(limit).cloned().collect())
    }
}
