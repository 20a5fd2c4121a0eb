//! The objects and the policy of the benchmark.

use std::path::Path;

use demo_shop::Role;
use serde_json::{Value, json};

use super::MetricSet;
use crate::bench::policies::{CORE, measuring};
use crate::shop_manifests::{ShopParameters, objects};

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
        MetricSet::Core => CORE.to_vec(),
        MetricSet::All => probe_agent::metrics().collect(),
    };
    measuring(ROLE, metrics, (pods, pods))
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
