//! The objects and the policy of the benchmark.

use std::path::Path;

use demo_shop::Role;
use probe_agent::kernel::Metric;
use serde_json::{Value, json};

use super::MetricSet;
use crate::bench::probes::shop::policies::observed;
use crate::shop_manifests::{NAMESPACE, ShopParameters, objects};

/// What all pods play: a role that calls nobody and works little.
pub(super) const ROLE: Role = Role::ProductCatalog;

/// The namespace, Service and Deployment of `pods` pods with one container each.
pub(super) fn workload(program: &Path, pods: u32) -> Vec<Value> {
    let mut parameters = ShopParameters::new(program);
    parameters.replicas = pods;
    let mut objects = objects(&parameters);
    objects.retain(|one| one["kind"] == "Namespace" || one["metadata"]["name"] == ROLE.name());
    request_little(&mut objects);
    objects
}

/// Has the pods of all Deployments among `objects` request so little that any number of them fits on
/// this machine.
pub(in crate::bench) fn request_little(objects: &mut [Value]) {
    for deployment in objects.iter_mut().filter(|one| one["kind"] == "Deployment") {
        deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] =
            json!({"cpu": "2m", "memory": "16Mi"});
    }
}

/// A policy that measures `metrics`, and changes nothing.
pub(super) fn policy(pods: u32, metrics: MetricSet) -> Value {
    let metrics = match metrics {
        MetricSet::Core => vec![
            Metric::RunqLatency,
            Metric::UserPageFaults,
            Metric::SentBytes,
        ],
        MetricSet::All => probe_agent::metrics().collect(),
    };
    let metrics: Vec<Value> = metrics.into_iter().map(observed).collect();
    json!({
        "apiVersion": "viperscale.dev/v1alpha1",
        "kind": "ScalingPolicy",
        "metadata": {"name": ROLE.name(), "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": ROLE.name()},
            "mode": "DryRun",
            "minReplicas": pods,
            "maxReplicas": pods,
            "metrics": metrics,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workload_is_one_deployment_with_its_service() {
        let objects = workload(Path::new("/bin/demo-shop"), 7);
        let kinds: Vec<&str> = objects.iter().filter_map(|o| o["kind"].as_str()).collect();
        assert_eq!(kinds, ["Namespace", "Service", "Deployment"]);
        let spec = &objects[2]["spec"];
        assert_eq!(spec["replicas"], 7);
        let containers = spec["template"]["spec"]["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1);
        assert_eq!(containers[0]["resources"]["requests"]["cpu"], "2m");
    }
}
