//! What `metrics.k8s.io/v1beta1` answers, as metrics-server words it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stock_hpa::Moment;
use stock_hpa::pipeline::PodUsage;
use stock_hpa::selector::Selector;

use super::containers::MeteredPod;
use super::meter::Meter;
use super::text;

/// The API group.
pub(super) const GROUP: &str = "metrics.k8s.io";
/// The one version.
pub(super) const VERSION: &str = "v1beta1";
const GROUP_VERSION: &str = "metrics.k8s.io/v1beta1";

impl Meter {
    /// `PodMetricsList`: pods of `namespace`, or all, that `selector` selects and that have
    /// metrics.
    pub(super) fn pod_list(&self, namespace: Option<&str>, selector: Option<&Selector>) -> Value {
        let now = self.now();
        let usage = self.chain().containers.usage();
        let items: Vec<Value> = self.containers.with(|pods| {
            let mut found: Vec<(&MeteredPod, PodUsage)> = usage
                .into_iter()
                .filter_map(|usage| Some((pods.get(&usage.pod)?, usage)))
                .filter(|(pod, _)| namespace.is_none_or(|namespace| pod.namespace == namespace))
                .filter(|(pod, _)| selector.is_none_or(|selector| selector.matches(&pod.labels)))
                .collect();
            found.sort_by_key(|(pod, _)| (&pod.namespace, &pod.name));
            found
                .iter()
                .map(|(pod, usage)| pod_metrics(pod, usage, now))
                .collect()
        });
        list("PodMetricsList", items)
    }

    /// `PodMetrics`; `None` for a pod that is not here, or has no metrics yet.
    pub(super) fn pod(&self, namespace: &str, name: &str) -> Option<Value> {
        let now = self.now();
        let usage = self.chain().containers.usage();
        let metrics = self.containers.with(|pods| {
            usage.iter().find_map(|usage| {
                let pod = pods.get(&usage.pod)?;
                let wanted = pod.namespace == namespace && pod.name == name;
                wanted.then(|| pod_metrics(pod, usage, now))
            })
        })?;
        Some(typed("PodMetrics", metrics))
    }

    /// `NodeMetricsList`: this node, if `selector` selects it and it has metrics.
    pub(super) fn node_list(&self, selector: Option<&Selector>) -> Value {
        let selected = selector.is_none_or(|selector| selector.matches(&self.node_labels));
        let items = self.node_metrics().filter(|_| selected);
        list("NodeMetricsList", items.into_iter().collect())
    }

    /// `NodeMetrics`; `None` for another node, or when there are no metrics yet.
    pub(super) fn node(&self, name: &str) -> Option<Value> {
        let metrics = self.node_metrics().filter(|_| name == self.name())?;
        Some(typed("NodeMetrics", metrics))
    }

    /// When each container was and will be looked at, and when the next poll comes. Ours, not
    /// Kubernetes': the phases of the chain decide how late an autoscaler is, so whoever measures
    /// one chooses or records them. All but `now_unix_ms` are relative, in milliseconds.
    pub(super) fn schedule(&self) -> Value {
        let now = self.now();
        let millis = |until: Moment, from: Moment| until.millis() - from.millis();
        let chain = self.chain();
        let looks: Vec<Value> = self.containers.with(|pods| {
            let look = |look: super::chain::Look<'_>| {
                let pod = pods.get(look.pod)?;
                Some(json!({
                    "namespace": pod.namespace,
                    "pod": pod.name,
                    "container": look.container,
                    "last_sample_age_ms": millis(now, look.last),
                    "next_sample_in_ms": millis(look.next, now),
                }))
            };
            chain.containers.looks().filter_map(look).collect()
        });
        json!({
            "now_unix_ms": now.millis(),
            "next_poll_ms": millis(chain.next_poll(), now),
            "containers": looks,
        })
    }

    fn node_metrics(&self) -> Option<Value> {
        let now = self.now();
        let usage = self.chain().machine.usage().into_iter().next()?;
        let machine = usage.containers.first()?;
        Some(json!({
            "metadata": metadata(None, self.name(), &self.node_labels, now),
            "timestamp": text::time(usage.timestamp),
            "window": text::duration(usage.window),
            "usage": {
                "cpu": text::cpu(machine.nano_cores()),
                "memory": text::memory(machine.memory_bytes),
            },
        }))
    }
}

fn pod_metrics(pod: &MeteredPod, usage: &PodUsage, now: Moment) -> Value {
    let containers: Vec<Value> = usage
        .containers
        .iter()
        .map(|container| {
            json!({
                "name": container.container,
                "usage": {
                    "cpu": text::cpu(container.nano_cores()),
                    "memory": text::memory(container.memory_bytes),
                },
            })
        })
        .collect();
    json!({
        "metadata": metadata(Some(&pod.namespace), &pod.name, &pod.labels, now),
        "timestamp": text::exact_time(usage.timestamp),
        "window": text::duration(usage.window),
        "containers": containers,
    })
}

fn metadata(
    namespace: Option<&str>,
    name: &str,
    labels: &BTreeMap<String, String>,
    now: Moment,
) -> Value {
    let mut metadata = json!({"name": name, "creationTimestamp": text::time(now)});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    if !labels.is_empty() {
        metadata["labels"] = json!(labels);
    }
    metadata
}

fn typed(kind: &str, mut object: Value) -> Value {
    object["kind"] = json!(kind);
    object["apiVersion"] = json!(GROUP_VERSION);
    object
}

fn list(kind: &str, items: Vec<Value>) -> Value {
    typed(kind, json!({"metadata": {}, "items": items}))
}

/// `/apis`.
pub(super) fn group_list() -> Value {
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group_entry()]})
}

/// `/apis/metrics.k8s.io`.
pub(super) fn group() -> Value {
    let mut group = group_entry();
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    group
}

/// `/apis/metrics.k8s.io/v1beta1`.
pub(super) fn resources() -> Value {
    let resource = |name: &str, namespaced: bool, kind: &str| {
        json!({
            "name": name, "singularName": "", "namespaced": namespaced, "kind": kind,
            "verbs": ["get", "list"],
        })
    };
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": GROUP_VERSION,
        "resources": [
            resource("nodes", false, "NodeMetrics"),
            resource("pods", true, "PodMetrics"),
        ],
    })
}

fn group_entry() -> Value {
    let version = json!({"groupVersion": GROUP_VERSION, "version": VERSION});
    json!({"name": GROUP, "versions": [version], "preferredVersion": version})
}
