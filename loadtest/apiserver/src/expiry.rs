//! Forgets old events.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::api::Api;
use crate::object::{self, parse_time, text};
use crate::store::Key;

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(60);

/// Runs until the server stops.
pub(crate) async fn run(api: Arc<Api>, lifetime: Duration) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            _ = ticks.tick() => expire(&api, lifetime, Utc::now()),
            () = api.stopping.cancelled() => return,
        }
    }
}

fn expire(api: &Api, lifetime: Duration, now: DateTime<Utc>) {
    let removed = api.store.transact(false, |tx| {
        let old: Vec<Key> = tx
            .objects("events")
            .filter(|event| age(&event.value, now).is_some_and(|age| age > lifetime))
            .map(|event| Key {
                collection: "events".to_owned(),
                namespace: object::namespace(&event.value).to_owned(),
                name: object::name(&event.value).to_owned(),
            })
            .collect();
        old.iter().for_each(|key| {
            tx.remove(key);
        });
        Ok(old.len())
    });
    if let Ok(count @ 1..) = removed {
        tracing::debug!(count, "old events removed");
    }
}

/// Time since the event last happened.
fn age(event: &Value, now: DateTime<Utc>) -> Option<Duration> {
    [
        "series.lastObservedTime",
        "lastTimestamp",
        "eventTime",
        "metadata.creationTimestamp",
    ]
    .iter()
    .filter_map(|path| parse_time(text(event, path)))
    .max()
    .and_then(|last| (now - last).to_std().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreLimits;
    use serde_json::json;

    #[test]
    fn only_old_events_go() {
        let api = Api::new(
            StoreLimits::default(),
            tokio_util::sync::CancellationToken::new(),
        );
        for (name, last) in [
            ("old", "2026-01-01T00:00:00Z"),
            ("new", "2026-01-01T00:50:00Z"),
        ] {
            let key = Key {
                collection: "events".into(),
                namespace: "d".into(),
                name: name.into(),
            };
            let event =
                json!({"metadata": {"name": name, "namespace": "d"}, "lastTimestamp": last});
            api.store
                .transact(false, |tx| Ok(tx.put(&key, event)))
                .unwrap();
        }
        let now = parse_time("2026-01-01T01:10:00Z").unwrap();
        expire(&api, Duration::from_secs(3_600), now);
        let left = api
            .store
            .list("events", &crate::selector::Filter::default(), 0, None);
        assert_eq!(left.objects.len(), 1);
        assert_eq!(object::name(&left.objects[0].value), "new");
    }
}
