//! The shop of a trial: the demo shop with the scenario's work, or Deployments that are there already.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use comparison::Scenario;
use comparison::record::DeploymentFacts;
use comparison::scenario::RoleWork;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerSpec;
use k8s_openapi::api::core::v1::Container;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use stock_hpa::Quantity;

use super::leftovers::REPLICAS_BEFORE;
use super::{LABEL, MANAGER};
use crate::compare::job::{Job, Place};
use crate::shop::deploy_objects;
use crate::shop_manifests::{ShopParameters, objects};

/// The label that every node carries, its name.
const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// Creates the demo shop.
///
/// # Errors
/// Names the object that the API server refuses.
pub(super) async fn deploy(client: &Client, job: &Job, scenario: &Scenario) -> Result<()> {
    let mut objects = objects(&ShopParameters::new(&job.programs.demo_shop));
    for object in &mut objects {
        object["metadata"]["labels"][LABEL] = json!(MANAGER);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let work = scenario.shop.work.get(name).copied();
        if object["kind"] != "Deployment" {
            continue;
        }
        let pod = &mut object["spec"]["template"]["spec"];
        if let Some(work) = work {
            set_work(&mut pod["containers"][0]["env"], work);
        }
        if let Place::Foreign(cluster) = &job.place {
            // Only there is the program that plays the shop.
            pod["nodeSelector"] = json!({HOSTNAME_LABEL: cluster.node});
            // The first by name, without which our node runs nothing.
            pod["tolerations"] = json!([
                {"key": local_node::HOST_PROCESSES, "operator": "Exists"},
                {"operator": "Exists"},
            ]);
        }
    }
    deploy_objects(client, objects).await.map(drop)
}

/// Puts the variables of `work` in, in place of those of the same name.
fn set_work(environment: &mut Value, work: RoleWork) {
    let Some(variables) = environment.as_array_mut() else {
        return;
    };
    for (name, value) in work.environment() {
        variables.retain(|variable| variable["name"] != name);
        variables.push(json!({"name": name, "value": value}));
    }
}

/// Scales the Deployments that are there to the least that their policy allows, and notes on each how many it had.
///
/// # Errors
/// When one does not exist or must not be changed.
pub(super) async fn shrink(client: &Client, scenario: &Scenario) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &scenario.namespace);
    for (name, (least, _)) in bounds(scenario) {
        let what = || format!("cannot scale deployment {name} to its least");
        let deployment = api.get(&name).await.with_context(what)?;
        let before = deployment.spec.replicas.unwrap_or(1);
        let patch = json!({
            "metadata": {"annotations": {REPLICAS_BEFORE: before.to_string()}},
            "spec": {"replicas": least},
        });
        api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .with_context(what)?;
    }
    Ok(())
}

/// What the optimum must know of each scaled deployment.
///
/// # Errors
/// When one does not exist, or has a resource that is no quantity.
pub(super) async fn facts(
    client: &Client,
    scenario: &Scenario,
) -> Result<BTreeMap<String, DeploymentFacts>> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &scenario.namespace);
    let mut facts = BTreeMap::new();
    for (name, (min_replicas, max_replicas)) in bounds(scenario) {
        let deployment = api
            .get(&name)
            .await
            .with_context(|| format!("cannot read deployment {name}"))?;
        let pod = deployment.spec.template.spec.unwrap_or_default();
        let cpu = |of: fn(&Container) -> Option<&str>| -> Result<Option<f64>> {
            let mut sum = 0.0;
            for container in &pod.containers {
                let Some(text) = of(container) else {
                    return Ok(None);
                };
                let quantity: Quantity = text
                    .parse()
                    .with_context(|| format!("the CPU of deployment {name}"))?;
                sum += quantity.milli as f64 / 1000.0;
            }
            Ok(Some(sum))
        };
        let request = cpu(|container| {
            let requests = container.resources.as_ref()?.requests.as_ref()?;
            Some(requests.get("cpu")?.0.as_str())
        })?;
        let limit = cpu(|container| {
            let limits = container.resources.as_ref()?.limits.as_ref()?;
            Some(limits.get("cpu")?.0.as_str())
        })?;
        let of_deployment = DeploymentFacts {
            cpu_request_cores: request.or(limit).with_context(|| {
                format!("deployment {name} requests no CPU: the HPA needs that")
            })?,
            cpu_limit_cores: limit,
            min_replicas,
            max_replicas,
        };
        facts.insert(name, of_deployment);
    }
    Ok(facts)
}

/// Least and most replicas by deployment, from the HPA's spec.
fn bounds(scenario: &Scenario) -> BTreeMap<String, (u32, u32)> {
    let count = |count: i32| u32::try_from(count).unwrap_or(1);
    let spec = |object: &Value| {
        let name = object["metadata"]["name"].as_str()?.to_owned();
        let spec: HorizontalPodAutoscalerSpec =
            serde_json::from_value(object["spec"].clone()).ok()?;
        let least = spec.min_replicas.unwrap_or(1);
        Some((name, (count(least), count(spec.max_replicas))))
    };
    scenario.hpa_objects().iter().filter_map(spec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_the_place_of_what_was_there() {
        let mut environment =
            json!([{"name": "PORT", "value": "80"}, {"name": "SHOP_CPU_US", "value": "1"}]);
        let work = RoleWork {
            cpu_microseconds: Some(4000),
            ..RoleWork::default()
        };
        set_work(&mut environment, work);
        let expected =
            json!([{"name": "PORT", "value": "80"}, {"name": "SHOP_CPU_US", "value": "4000"}]);
        assert_eq!(environment, expected);
    }

    #[test]
    fn bounds_are_the_policies() {
        let scenario = Scenario::load("bottleneck").unwrap();
        assert_eq!(bounds(&scenario)["recommendationservice"], (1, 20));
    }
}
