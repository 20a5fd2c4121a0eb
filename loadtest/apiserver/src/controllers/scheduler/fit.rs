//! Which node has room. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;

use crate::controllers::quantity;

/// What a pod asks for, or several pods together.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Request {
    /// CPUs.
    cpu: f64,
    memory_bytes: f64,
    pods: f64,
}

impl Request {
    /// The sum over the pod's containers. Init containers run before, so the largest of them
    /// counts if it exceeds the sum.
    pub(super) fn of(pod: &Pod) -> Self {
        let Some(spec) = &pod.spec else {
            return Self {
                pods: 1.0,
                ..Self::default()
            };
        };
        let of = |resources: Option<&BTreeMap<String, Quantity>>, name: &str| {
            resources
                .and_then(|resources| resources.get(name))
                .and_then(|quantity| quantity::parse(&quantity.0))
                .unwrap_or(0.0)
        };
        let total = |name: &str| {
            let request = |container: &k8s_openapi::api::core::v1::Container| {
                of(
                    container
                        .resources
                        .as_ref()
                        .and_then(|r| r.requests.as_ref()),
                    name,
                )
            };
            let running: f64 = spec.containers.iter().map(request).sum();
            let starting = spec
                .init_containers
                .iter()
                .flatten()
                .map(request)
                .fold(0.0, f64::max);
            running.max(starting)
        };
        Self {
            cpu: total("cpu"),
            memory_bytes: total("memory"),
            pods: 1.0,
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.memory_bytes += other.memory_bytes;
        self.pods += other.pods;
    }
}

/// A node as a candidate for one pod.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NodeRoom {
    name: String,
    /// Why it is no candidate at all.
    unfit: Option<&'static str>,
    allocatable: Request,
    used: Request,
}

impl NodeRoom {
    /// The node's room for `pod` beside what is `used`. What a node does not state is unlimited.
    pub(super) fn of(node: &Node, pod: &Pod, used: Request) -> Self {
        let allocatable = node
            .status
            .as_ref()
            .and_then(|status| status.allocatable.as_ref());
        let amount = |name: &str| {
            allocatable
                .and_then(|amounts| amounts.get(name))
                .and_then(|quantity| quantity::parse(&quantity.0))
                .unwrap_or(f64::INFINITY)
        };
        Self {
            name: node.name_any(),
            unfit: unfit(node, pod),
            allocatable: Request {
                cpu: amount("cpu"),
                memory_bytes: amount("memory"),
                pods: amount("pods"),
            },
            used,
        }
    }

    fn lacks(&self, request: Request) -> Option<&'static str> {
        // Sums of decimal fractions: a millionth of slack absorbs rounding.
        let full = |used: f64, wanted: f64, all: f64| {
            wanted > 0.0 && used + wanted > all * (1.0 + 1e-9) + 1e-9
        };
        if self.unfit.is_some() {
            return self.unfit;
        }
        if full(self.used.pods, request.pods, self.allocatable.pods) {
            return Some("Too many pods");
        }
        if full(self.used.cpu, request.cpu, self.allocatable.cpu) {
            return Some("Insufficient cpu");
        }
        full(
            self.used.memory_bytes,
            request.memory_bytes,
            self.allocatable.memory_bytes,
        )
        .then_some("Insufficient memory")
    }
}

fn unfit(node: &Node, pod: &Pod) -> Option<&'static str> {
    let conditions = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions
        .into_iter()
        .any(|one| one.type_ == "Ready" && one.status == "True");
    let spec = node.spec.as_ref();
    let wanted = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.node_selector.as_ref());
    let selected = wanted.is_none_or(|wanted| {
        wanted
            .iter()
            .all(|(key, value)| node.labels().get(key) == Some(value))
    });
    let tolerations = pod
        .spec
        .iter()
        .flat_map(|spec| spec.tolerations.iter().flatten());
    let tolerations: Vec<&Toleration> = tolerations.collect();
    let tainted = spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten())
        .filter(|taint| taint.effect != "PreferNoSchedule")
        .any(|taint| {
            !tolerations
                .iter()
                .any(|toleration| tolerates(toleration, taint))
        });
    if !ready {
        return Some("node(s) were not ready");
    }
    if spec.and_then(|spec| spec.unschedulable) == Some(true) {
        return Some("node(s) were unschedulable");
    }
    if !selected {
        return Some("node(s) didn't match Pod's node affinity/selector");
    }
    tainted.then_some("node(s) had untolerated taint(s)")
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let key = toleration.key.as_deref().unwrap_or_default();
    let exists = toleration.operator.as_deref() == Some("Exists");
    toleration
        .effect
        .as_deref()
        .is_none_or(|effect| effect.is_empty() || effect == taint.effect)
        && (key == taint.key || key.is_empty() && exists)
        && (exists
            || toleration.value.as_deref().unwrap_or_default()
                == taint.value.as_deref().unwrap_or_default())
}

/// The candidate with the fewest CPUs in use, by share; an explanation in the scheduler's usual
/// words when there is none.
pub(super) fn choose(nodes: Vec<NodeRoom>, request: Request) -> Result<String, String> {
    let share = |node: &NodeRoom| (node.used.cpu + request.cpu) / node.allocatable.cpu;
    let best = nodes
        .iter()
        .filter(|node| node.lacks(request).is_none())
        .min_by(|a, b| {
            share(a)
                .total_cmp(&share(b))
                .then_with(|| a.name.cmp(&b.name))
        });
    if let Some(best) = best {
        return Ok(best.name.clone());
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in nodes.iter().filter_map(|node| node.lacks(request)) {
        *reasons.entry(reason).or_default() += 1;
    }
    let reasons: Vec<String> = reasons
        .into_iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    Err(if nodes.is_empty() {
        "no nodes available to schedule pods".to_owned()
    } else {
        format!(
            "0/{} nodes are available: {}.",
            nodes.len(),
            reasons.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(name: &str, cpu: &str, spec: Value) -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": spec,
            "status": {"allocatable": {"cpu": cpu, "pods": "10"},
                       "conditions": [{"type": "Ready", "status": "True"}]},
        }))
        .unwrap()
    }

    fn pod(cpu: &str, spec: Value) -> Pod {
        let mut value = json!({"spec": {"containers": [
            {"name": "a", "resources": {"requests": {"cpu": cpu}}}]}});
        json_patch::merge(&mut value["spec"], &spec);
        serde_json::from_value(value).unwrap()
    }

    fn place(nodes: &[Node], pod: &Pod, used_cpu: f64) -> Result<String, String> {
        let used = Request {
            cpu: used_cpu,
            ..Request::default()
        };
        let rooms = nodes
            .iter()
            .map(|node| NodeRoom::of(node, pod, used))
            .collect();
        choose(rooms, Request::of(pod))
    }

    #[test]
    fn pods_go_where_there_is_room() {
        let nodes = [
            node("small", "500m", json!({})),
            node("large", "4", json!({})),
        ];
        assert_eq!(
            place(&nodes, &pod("100m", json!({})), 0.0).unwrap(),
            "large"
        );
        assert_eq!(
            place(&nodes[..1], &pod("100m", json!({})), 0.4).unwrap(),
            "small"
        );
        let why = place(&nodes[..1], &pod("101m", json!({})), 0.4).unwrap_err();
        assert_eq!(why, "0/1 nodes are available: 1 Insufficient cpu.");
    }

    #[test]
    fn full_unready_and_tainted_nodes_are_left_alone() {
        let cordoned = node("n", "4", json!({"unschedulable": true}));
        assert!(place(&[cordoned], &pod("1", json!({})), 0.0).is_err());
        let mut unready = node("n", "4", json!({}));
        unready.status.as_mut().unwrap().conditions = None;
        assert!(
            place(&[unready], &pod("1", json!({})), 0.0)
                .unwrap_err()
                .contains("not ready")
        );
        let tainted = [node(
            "n",
            "4",
            json!({"taints": [{"key": "k", "effect": "NoSchedule"}]}),
        )];
        assert!(place(&tainted, &pod("1", json!({})), 0.0).is_err());
        let tolerant = json!({"tolerations": [{"key": "k", "operator": "Exists"}]});
        assert!(place(&tainted, &pod("1", tolerant), 0.0).is_ok());
        let picky = json!({"nodeSelector": {"disk": "ssd"}});
        assert!(place(&[node("n", "4", json!({}))], &pod("1", picky), 0.0).is_err());
        assert_eq!(
            place(&[], &pod("1", json!({})), 0.0).unwrap_err(),
            "no nodes available to schedule pods"
        );
    }
}
