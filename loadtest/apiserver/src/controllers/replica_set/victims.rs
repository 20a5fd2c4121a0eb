//! Which pods a scale-down removes, in upstream's order (`ActivePodsWithRanks` of
//! kubernetes/pkg/controller): what costs least to lose goes first.

use std::cmp::Reverse;
use std::collections::HashMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::controllers::pods;

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Takes the `count` pods that should go out of `active`.
pub(super) fn choose(active: &mut Vec<Pod>, count: usize) -> Vec<Pod> {
    let mut per_node: HashMap<String, usize> = HashMap::new();
    for pod in active.iter() {
        *per_node
            .entry(pods::node(pod).unwrap_or_default().to_owned())
            .or_default() += 1;
    }
    active.sort_by_cached_key(|pod| Worth::of(pod, &per_node));
    active.drain(..count.min(active.len())).collect()
}

/// Sorts ascending: the least worth keeping first. Fields in order of weight.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    bound: bool,
    phase: u8,
    ready: bool,
    deletion_cost: i32,
    /// More replicas on the same node: worth less.
    neighbours: Reverse<usize>,
    /// Ready for longer: worth more.
    ready_since: Reverse<Option<Timestamp>>,
    /// More restarts: worth less.
    restarts: Reverse<i32>,
    /// Older: worth more.
    created: Reverse<Option<Timestamp>>,
}

impl Worth {
    fn of(pod: &Pod, per_node: &HashMap<String, usize>) -> Self {
        let node = pods::node(pod);
        let restarts = pod
            .status
            .iter()
            .flat_map(|status| status.container_statuses.iter().flatten())
            .map(|container| container.restart_count)
            .max();
        Self {
            bound: node.is_some(),
            phase: match pods::phase(pod) {
                "Pending" => 0,
                "Running" => 2,
                _ => 1,
            },
            ready: pods::is_ready(pod),
            deletion_cost: pod
                .annotations()
                .get(DELETION_COST)
                .and_then(|cost| cost.parse().ok())
                .unwrap_or(0),
            neighbours: Reverse(per_node.get(node.unwrap_or_default()).copied().unwrap_or(0)),
            ready_since: Reverse(pods::ready_since(pod)),
            restarts: Reverse(restarts.unwrap_or(0)),
            created: Reverse(pod.creation_timestamp().map(|time| time.0)),
        }
    }
}

/// Documents the order in terms of a comparison, for tests.
#[cfg(test)]
fn compare(first: &Pod, second: &Pod) -> std::cmp::Ordering {
    let none = HashMap::new();
    Worth::of(first, &none).cmp(&Worth::of(second, &none))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, fields: Value) -> Pod {
        let mut value = json!({
            "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "n", "containers": []},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:05Z"}]},
        });
        json_patch::merge(&mut value, &fields);
        serde_json::from_value(value).unwrap()
    }

    /// Each pod differs from a healthy one in one thing, least worth keeping first.
    #[test]
    fn upstreams_order() {
        let pods = [
            pod(
                "unbound",
                json!({"spec": {"nodeName": null}, "status": {"phase": "Pending"}}),
            ),
            pod("pending", json!({"status": {"phase": "Pending"}})),
            pod("unready", json!({"status": {"conditions": []}})),
            pod(
                "cheap",
                json!({"metadata": {"annotations": {DELETION_COST: "-5"}}}),
            ),
            pod(
                "fresh",
                json!({"status": {"conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:09:00Z"}]}}),
            ),
            pod(
                "restarted",
                json!({"status": {"containerStatuses": [
                {"name": "a", "image": "", "imageID": "", "ready": true, "restartCount": 3}]}}),
            ),
            pod(
                "young",
                json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:04Z"}}),
            ),
            pod("healthy", json!({})),
            pod(
                "dear",
                json!({"metadata": {"annotations": {DELETION_COST: "5"}}}),
            ),
        ];
        for pair in pods.windows(2) {
            let order = compare(&pair[0], &pair[1]);
            assert_eq!(
                order,
                std::cmp::Ordering::Less,
                "{} {}",
                pair[0].name_any(),
                pair[1].name_any()
            );
        }
    }

    #[test]
    fn crowded_nodes_lose_pods_first() {
        let on = |name, node: &str| pod(name, json!({"spec": {"nodeName": node}}));
        let mut active = vec![on("a", "one"), on("b", "two"), on("c", "two")];
        let victims = choose(&mut active, 1);
        assert_eq!(pods::node(&victims[0]), Some("two"));
        assert_eq!(active.len(), 2);
    }
}
