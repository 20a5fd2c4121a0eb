//! What a pod is told: by the API, by its object's end, by the node's own end.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::sync::watch;
use tokio::time::Instant;

/// Kubernetes' default time to end.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// What the API, or the node's own end, asks of a pod.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    /// The latest object.
    pub(super) pod: Arc<Pod>,
    /// The object is gone: stop at once, report nothing.
    pub(super) gone: bool,
    /// The node is shutting down: stop within this time.
    pub(super) node_stops: Option<Duration>,
}

impl Orders {
    /// How long the processes may take to end, if they are to end now.
    pub(super) fn grace(&self) -> Option<Duration> {
        if self.gone {
            return Some(Duration::ZERO);
        }
        let seconds = |value: i64| Duration::from_secs(u64::try_from(value).unwrap_or(0));
        let spec = self.pod.spec.as_ref();
        let own = spec
            .and_then(|spec| spec.termination_grace_period_seconds)
            .map_or(DEFAULT_GRACE, seconds);
        let deleted = self.pod.metadata.deletion_timestamp.is_some();
        let own = match self.pod.metadata.deletion_grace_period_seconds {
            Some(ordered) if deleted => seconds(ordered),
            _ => own,
        };
        match self.node_stops {
            Some(limit) => Some(own.min(limit)),
            None => deleted.then_some(own),
        }
    }
}

/// An order to stop: when what still runs is killed. `None` while the pod is to run.
pub(super) type Stop = Option<Instant>;

/// Resolves once the pod is told to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<Stop>) {
    // A dropped sender means that the worker is gone: stop as well.
    let _ = stop.wait_for(Option::is_some).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grace(pod: serde_json::Value, gone: bool, node_stops: Option<u64>) -> Option<u64> {
        let pod = Arc::new(serde_json::from_value(pod).unwrap());
        let node_stops = node_stops.map(Duration::from_secs);
        Orders {
            pod,
            gone,
            node_stops,
        }
        .grace()
        .map(|grace| grace.as_secs())
    }

    #[test]
    fn the_time_to_end_comes_from_whoever_ends_it() {
        let running = json!({"spec": {"terminationGracePeriodSeconds": 20, "containers": []}});
        let deleted = json!({
            "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 3},
            "spec": {"terminationGracePeriodSeconds": 20, "containers": []},
        });
        assert_eq!(
            grace(running.clone(), false, None),
            None,
            "nobody wants it to end"
        );
        assert_eq!(grace(deleted.clone(), false, None), Some(3));
        assert_eq!(grace(deleted, false, Some(5)), Some(3));
        assert_eq!(
            grace(running.clone(), false, Some(5)),
            Some(5),
            "the node does not wait longer"
        );
        assert_eq!(grace(running.clone(), false, Some(60)), Some(20));
        assert_eq!(
            grace(running, true, Some(60)),
            Some(0),
            "nobody is left to wait for it"
        );
        assert_eq!(grace(json!({}), false, Some(60)), Some(30));
    }
}
