//! What a node shall measure: the containers of its pods that policies ask about. Pure.

use std::collections::BTreeMap;

use scaler_core::policy::Response;
use scaler_core::{Metric, ScalingPolicy};
use viperscale_proto::v1 as wire;

use super::convert::metric_to_wire;
use crate::policies::PolicySet;
use crate::workloads::{Container, Index};

/// The targets of `node`, in a stable order, so that equal situations give equal targets.
pub(super) fn targets_of(node: &str, index: &Index, policies: &PolicySet) -> Vec<wire::Target> {
    let mut targets = Vec::new();
    for pod in index.pods_on(node).filter(|pod| !pod.is_finished()) {
        let policy = index
            .deployment_of(pod)
            .and_then(|deployment| policies.in_force.get(&deployment.key));
        let Some(policy) = policy else { continue };
        for container in &pod.containers {
            let metrics = settings(policy, container);
            if let (Some(id), false) = (&container.id, metrics.is_empty()) {
                targets.push(wire::Target {
                    pod_uid: pod.uid.to_string(),
                    container_name: container.name.to_string(),
                    container_id: id.clone(),
                    metrics,
                });
            }
        }
    }
    targets.sort_by(|a, b| (&a.pod_uid, &a.container_name).cmp(&(&b.pod_uid, &b.container_name)));
    targets
}

/// The metrics of one container. Where several entries of the policy ask for one metric, the
/// highest sampling serves them all.
fn settings(policy: &ScalingPolicy, container: &Container) -> Vec<wire::MetricSetting> {
    let mut sampling_of: BTreeMap<Metric, f64> = BTreeMap::new();
    for asked in &policy.metrics {
        if asked
            .container
            .as_deref()
            .is_some_and(|name| name != &*container.name)
        {
            continue;
        }
        let sampling = sampling_of.entry(asked.metric).or_insert(asked.sampling);
        *sampling = sampling.max(asked.sampling);
        if asked.response == Response::Queueing {
            // That response works on what the scheduler hook counts, which this turns on.
            sampling_of
                .entry(Metric::RunqLatency)
                .or_insert(asked.sampling);
        }
    }
    sampling_of
        .into_iter()
        .map(|(metric, sampling)| wire::MetricSetting {
            metric: metric_to_wire(metric).into(),
            sampling,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pod, shop_index};
    use super::*;
    use crate::workloads::PodRecord;
    use scaler_core::{PodPhase, policy};
    use std::sync::Arc;

    fn policies(metrics: &str) -> PolicySet {
        let text = format!(
            "apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: web, namespace: shop}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}
  minReplicas: 1
  maxReplicas: 5
  metrics:
{metrics}"
        );
        let loaded = policy::load(&text, "web.yaml").unwrap();
        let mut set = PolicySet::default();
        for policy in loaded {
            set.in_force
                .insert(crate::policies::target_of(&policy), Arc::new(policy));
        }
        set
    }

    fn shape(targets: &[wire::Target]) -> Vec<String> {
        let metrics = |target: &wire::Target| -> Vec<String> {
            let name = |setting: &wire::MetricSetting| {
                format!("{}@{}", setting.metric().as_str_name(), setting.sampling)
            };
            target.metrics.iter().map(name).collect()
        };
        targets
            .iter()
            .map(|t| format!("{} {}", t.container_id, metrics(t).join(" ")))
            .collect()
    }

    #[test]
    fn a_node_measures_its_own_pods_of_deployments_with_a_policy() {
        let policies = policies(
            "    - {name: runqLatency, statistic: p95, threshold: 2ms, container: server}\n",
        );
        let targets = targets_of("n1", &shop_index(), &policies);
        assert_eq!(shape(&targets), ["web-1-server METRIC_RUNQ_LATENCY@1"]);
        assert!(targets_of("n1", &shop_index(), &PolicySet::default()).is_empty());
        assert!(targets_of("n3", &shop_index(), &policies).is_empty());
    }

    #[test]
    fn settings_of_one_metric_are_merged_at_the_highest_sampling() {
        let policies = policies(
            "    - {name: userPageFaults, statistic: rate, threshold: \"10\", sampling: 0.1}
    - {name: userPageFaults, statistic: rate, threshold: \"20\", sampling: 0.5, container: proxy}
",
        );
        assert_eq!(
            shape(&targets_of("n2", &shop_index(), &policies)),
            [
                "web-2-proxy METRIC_USER_PAGE_FAULTS@0.5",
                "web-2-server METRIC_USER_PAGE_FAULTS@0.1"
            ]
        );
    }

    #[test]
    fn what_does_not_run_is_no_target() {
        let policies = policies("    - {name: runqLatency, statistic: p95, threshold: 2ms}\n");
        let mut index = shop_index();
        let mut waiting = pod("web-3", Some("r1"), "n1");
        waiting
            .containers
            .iter_mut()
            .for_each(|container| container.id = None);
        index.put_pod(waiting);
        index.put_pod(PodRecord {
            phase: PodPhase::Failed,
            ..pod("web-1", Some("r1"), "n1")
        });
        assert!(targets_of("n1", &index, &policies).is_empty());
    }
}
