//! Unit and property tests of the store.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn key(name: &str) -> Key {
    Key {
        collection: "things".into(),
        namespace: "default".into(),
        name: name.into(),
    }
}

fn thing(name: &str, value: u32) -> Value {
    json!({"metadata": {"name": name, "namespace": "default"}, "value": value})
}

fn put(store: &Store, name: &str, value: u32) -> u64 {
    store
        .transact(false, |tx| {
            Ok(tx.put(&key(name), thing(name, value)).revision)
        })
        .unwrap()
}

fn remove(store: &Store, name: &str) -> Option<u64> {
    store
        .transact(false, |tx| {
            Ok(tx.remove(&key(name)).map(|last| last.revision))
        })
        .unwrap()
}

fn small() -> Arc<Store> {
    Store::new(StoreLimits {
        history: 4,
        ..StoreLimits::default()
    })
}

#[test]
fn a_dry_run_changes_nothing() {
    let store = small();
    let before = store.revision();
    store
        .transact(true, |tx| Ok(tx.put(&key("a"), thing("a", 1))))
        .unwrap();
    assert_eq!(store.revision(), before);
    assert!(store.get(&key("a")).is_none());
}

#[test]
fn history_beyond_the_ring_is_gone() {
    let store = small();
    let first = put(&store, "a", 0);
    for value in 1..=4 {
        put(&store, "a", value);
    }
    // The ring holds revisions first+1..=first+4: one may start after `first`, not before it.
    assert!(store.watch("things", Start::After(first)).is_ok());
    let error = store.watch("things", Start::After(first - 1)).unwrap_err();
    assert!(matches!(error, ApiError::Expired(_)), "{error}");
}

#[test]
fn a_slow_watcher_is_told_to_start_again() {
    let store = small();
    let mut cursor = store
        .watch("things", Start::After(store.revision()))
        .unwrap();
    for value in 0..6 {
        put(&store, "a", value);
    }
    assert!(matches!(cursor.try_next(), Err(ApiError::Expired(_))));
}

#[test]
fn a_version_of_the_future_is_gone() {
    let store = small();
    assert!(matches!(
        store.watch("things", Start::After(99)),
        Err(ApiError::Expired(_))
    ));
}

#[tokio::test]
async fn a_waiting_watcher_wakes() {
    let store = small();
    let mut cursor = store
        .watch("things", Start::After(store.revision()))
        .unwrap();
    let waiting = tokio::spawn(async move { cursor.next().await.unwrap().revision() });
    tokio::task::yield_now().await;
    let written = put(&store, "a", 1);
    assert_eq!(waiting.await.unwrap(), written);
}

#[test]
fn pages_cover_everything_once() {
    let store = small();
    for name in ["a", "b", "c", "d", "e"] {
        put(&store, name, 0);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.list("things", &Filter::default(), 2, after);
        seen.extend(
            page.objects
                .iter()
                .map(|one| crate::object::name(&one.value).to_owned()),
        );
        assert_eq!(seen.len() + page.remaining, 5);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
}

/// Reads all that is ready and applies it to a copy, as a client's cache does.
fn replay(cursor: &mut Cursor, cache: &mut BTreeMap<String, Value>) -> Result<Vec<u64>, ApiError> {
    let mut revisions = Vec::new();
    while let Some(change) = cursor.try_next()? {
        let name = crate::object::name(&change.object.value).to_owned();
        revisions.push(change.revision());
        if change.kind == ChangeKind::Deleted {
            cache.remove(&name);
        } else {
            cache.insert(name, change.object.value.clone());
        }
    }
    Ok(revisions)
}

fn listed(store: &Store) -> BTreeMap<String, Value> {
    let page = store.list("things", &Filter::default(), 0, None);
    page.objects
        .iter()
        .map(|one| {
            (
                crate::object::name(&one.value).to_owned(),
                one.value.clone(),
            )
        })
        .collect()
}

proptest! {
    /// Revisions only grow, and list + watch from anywhere equals a list at the end.
    #[test]
    fn replay_equals_list(
        steps in prop::collection::vec((0_u8..6, 0_u32..3), 1..120),
        start in 0_usize..120,
    ) {
        let store = Store::new(StoreLimits { history: 40, ..StoreLimits::default() });
        let mut last = store.revision();
        let mut watch: Option<(Cursor, BTreeMap<String, Value>, u64)> = None;
        for (index, (name, action)) in steps.iter().enumerate() {
            if index == start {
                let cursor = store.watch("things", Start::After(store.revision())).unwrap();
                watch = Some((cursor, listed(&store), store.revision()));
            }
            let name = format!("n{name}");
            let written = match action {
                0 => remove(&store, &name),
                value => Some(put(&store, &name, *value)),
            };
            if let Some(revision) = written {
                prop_assert!(revision > last);
                last = revision;
            }
            prop_assert_eq!(store.revision(), last);
        }
        if let Some((mut cursor, mut cache, from)) = watch {
            match replay(&mut cursor, &mut cache) {
                Ok(revisions) => {
                    prop_assert!(revisions.is_sorted_by(|a, b| a < b));
                    prop_assert!(revisions.first().is_none_or(|first| *first > from));
                    prop_assert_eq!(cache, listed(&store));
                }
                // Allowed only when more was written than the ring holds.
                Err(_) => prop_assert!(last - from > 40),
            }
        }
    }

    /// A watch that starts with everything ends with what a list shows.
    #[test]
    fn initial_state_then_changes_equals_list(
        before in prop::collection::vec(0_u8..6, 0..20),
        after in prop::collection::vec((0_u8..6, any::<bool>()), 0..20),
    ) {
        let store = Store::new(StoreLimits::default());
        for name in before {
            put(&store, &format!("n{name}"), 1);
        }
        let mut cursor = store.watch("things", Start::Everything).unwrap();
        for (name, delete) in after {
            if delete {
                remove(&store, &format!("n{name}"));
            } else {
                put(&store, &format!("n{name}"), 2);
            }
        }
        let mut cache = BTreeMap::new();
        replay(&mut cursor, &mut cache).unwrap();
        prop_assert_eq!(cache, listed(&store));
    }
}
