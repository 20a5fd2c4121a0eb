//! Policies by which something is measured and nothing changed.

use demo_shop::Role;
use probe_agent::kernel::Metric;
use serde_json::{Value, json};

use crate::shop_manifests::NAMESPACE;

/// The critical metrics of the thesis' table 5.
pub(super) const CORE: [Metric; 3] = [
    Metric::RunqLatency,
    Metric::UserPageFaults,
    Metric::SentBytes,
];

/// How a metric stands in a policy that changes nothing.
fn observed(metric: Metric) -> Value {
    let name = probe_agent::metric_name(metric);
    match metric {
        // A policy has at least one metric with a threshold.
        Metric::RunqLatency => {
            json!({"name": name, "statistic": "p95", "threshold": "1s", "response": "Step"})
        }
        _ => json!({"name": name, "response": "Observe"}),
    }
}

/// A policy that has `metrics` measured, and changes nothing.
pub(super) fn measuring(
    role: Role,
    metrics: impl IntoIterator<Item = Metric>,
    (min, max): (u32, u32),
) -> Value {
    let metrics: Vec<Value> = metrics.into_iter().map(observed).collect();
    json!({
        "apiVersion": "viperscale.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": role.name(), "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": role.name()},
            "mode": "DryRun",
            "minReplicas": min,
            "maxReplicas": max,
            "metrics": metrics,
        },
    })
}
