//! Which pods each autoscaler looks at, so that two that look at the same ones are noticed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stock_hpa::reconcile::OtherHpa;

use super::key::Key;

/// The selectors of all autoscalers that exist, as their last passes found them.
///
/// One entry per autoscaler; `None` until its metrics were first computed.
#[derive(Debug, Clone, Default)]
pub(super) struct Rivals(Arc<Mutex<BTreeMap<Key, Option<String>>>>);

impl Rivals {
    /// An autoscaler exists.
    pub(super) fn register(&self, key: &Key) {
        self.lock().entry(key.clone()).or_default();
    }

    /// It exists no longer.
    pub(super) fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// It looks at these pods, if it still exists. Returns what the others look at.
    pub(super) fn enter(&self, key: &Key, selector: &str) -> Vec<OtherHpa> {
        let mut all = self.lock();
        if let Some(entry) = all.get_mut(key) {
            *entry = Some(selector.to_owned());
        }
        let others = all.iter().filter(|(other, _)| *other != key);
        others
            .filter_map(|(other, selector)| {
                Some(OtherHpa {
                    namespace: other.namespace.clone(),
                    name: other.name.clone(),
                    selector: selector.clone()?,
                })
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Option<String>>> {
        // Every change is one step, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key {
            namespace: "default".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn only_those_that_exist_and_have_looked_are_rivals() {
        let rivals = Rivals::default();
        for name in ["a", "b", "c"] {
            rivals.register(&key(name));
        }
        assert!(rivals.enter(&key("a"), "app=shop").is_empty());
        let others = rivals.enter(&key("b"), "app=shop");
        assert_eq!(others.len(), 1);
        assert_eq!(
            (others[0].name.as_str(), others[0].selector.as_str()),
            ("a", "app=shop")
        );
        rivals.remove(&key("a"));
        rivals.enter(&key("a"), "app=shop");
        assert!(
            rivals.enter(&key("b"), "app=shop").is_empty(),
            "a pass that outlives its object"
        );
    }
}
