//! The objects of a trial.

use std::path::Path;

use serde_json::{Value, json};

/// The namespace of everything.
pub(super) const NAMESPACE: &str = "bench-hpa";

/// The bounds of the measured case; 16 replicas are the last doubling within them.
const MAX_REPLICAS: u32 = 20;

/// The namespace itself.
pub(super) fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
}

/// One pod that spins as soon as the file `step` is there, and so do all that follow it.
pub(super) fn deployment(name: &str, program: &Path, step: &Path) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{
                        "name": "spin",
                        "image": "loadtest",
                        "command": [program, "bench", "spin", "--after", step],
                        "resources": {
                            "requests": {"cpu": "100m", "memory": "16Mi"},
                            "limits": {"cpu": "200m", "memory": "64Mi"},
                        },
                    }],
                },
            },
        },
    })
}

/// Its autoscaler.
pub(super) fn autoscaler(name: &str) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": 50});
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": MAX_REPLICAS,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    })
}
