//! Reads and writes under the store's lock.

use std::sync::Arc;

use serde_json::{Value, json};

use super::collection::{Change, ChangeKind};
use super::{Inner, Key, StoreLimits, Stored};
use crate::error::ApiError;
use crate::object;

/// Access to the locked store.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    inner: &'a mut Inner,
    limits: StoreLimits,
    dry_run: bool,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(inner: &'a mut Inner, limits: StoreLimits, dry_run: bool) -> Self {
        Self {
            inner,
            limits,
            dry_run,
        }
    }

    /// Whether writes are discarded.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Reads one object.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        self.inner
            .collections
            .get(&key.collection)?
            .get(&key.namespace, &key.name)
            .cloned()
    }

    /// All objects of a collection.
    pub(crate) fn objects(&self, collection: &str) -> impl Iterator<Item = &Arc<Stored>> {
        self.inner
            .collections
            .get(collection)
            .into_iter()
            .flat_map(|found| found.objects.values())
    }

    /// Fails when one more object would exceed the limit of the collection.
    pub(crate) fn check_room(&self, collection: &str) -> Result<(), ApiError> {
        let count = self
            .inner
            .collections
            .get(collection)
            .map_or(0, |found| found.objects.len());
        if count < self.limits.objects {
            return Ok(());
        }
        Err(ApiError::TooManyObjects(format!(
            "{collection}: the local cluster holds at most {} objects of a kind; delete some first",
            self.limits.objects
        )))
    }

    /// The most events that may be kept.
    pub(crate) fn event_limit(&self) -> usize {
        self.limits.events
    }

    /// Creates or replaces an object. Its `resourceVersion` is set here.
    pub(crate) fn put(&mut self, key: &Key, mut value: Value) -> Arc<Stored> {
        let revision = self.inner.revision + 1;
        object::metadata(&mut value)["resourceVersion"] = json!(revision.to_string());
        let stored = Stored::new(value, revision);
        if self.dry_run {
            return stored;
        }
        self.inner.revision = revision;
        let collection = self
            .inner
            .collections
            .entry(key.collection.clone())
            .or_default();
        let previous = collection.objects.insert(
            (key.namespace.clone(), key.name.clone()),
            Arc::clone(&stored),
        );
        let kind = if previous.is_some() {
            ChangeKind::Modified
        } else {
            ChangeKind::Added
        };
        let change = Change {
            kind,
            object: Arc::clone(&stored),
            previous,
        };
        collection.record(change, self.limits.history);
        stored
    }

    /// Removes an object; returns its last state with the revision of the deletion.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Stored>> {
        let revision = self.inner.revision + 1;
        let collection = self.inner.collections.get_mut(&key.collection)?;
        let name = (key.namespace.clone(), key.name.clone());
        let previous = Arc::clone(collection.objects.get(&name)?);
        let mut value = previous.value.clone();
        object::metadata(&mut value)["resourceVersion"] = json!(revision.to_string());
        let last = Stored::new(value, revision);
        if self.dry_run {
            return Some(last);
        }
        self.inner.revision = revision;
        collection.objects.remove(&name);
        let change = Change {
            kind: ChangeKind::Deleted,
            object: Arc::clone(&last),
            previous: Some(previous),
        };
        collection.record(change, self.limits.history);
        Some(last)
    }
}
