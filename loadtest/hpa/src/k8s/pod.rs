//! Pods in.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::{EdgeError, milli, moment};
use crate::pod::{Container, Phase, Pod, ReadyCondition};

/// What the autoscaler looks at of a pod.
impl TryFrom<&v1::Pod> for Pod {
    type Error = EdgeError;

    fn try_from(pod: &v1::Pod) -> Result<Self, EdgeError> {
        let (spec, status) = (pod.spec.as_ref(), pod.status.as_ref());
        let conditions = status.and_then(|status| status.conditions.as_ref());
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|c| c.type_ == "Ready");
        let phase = match status.and_then(|status| status.phase.as_deref()) {
            Some("Pending") => Phase::Pending,
            Some("Running") => Phase::Running,
            Some("Succeeded") => Phase::Succeeded,
            Some("Failed") => Phase::Failed,
            _ => Phase::Unset,
        };
        let containers = |list: Option<&Vec<v1::Container>>| -> Result<Vec<Container>, EdgeError> {
            list.into_iter().flatten().map(container).collect()
        };
        let own = spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
        Ok(Self {
            name: pod
                .metadata
                .name
                .clone()
                .ok_or(EdgeError::Missing("metadata.name"))?,
            labels: pod.metadata.labels.clone().unwrap_or_default(),
            phase,
            being_deleted: pod.metadata.deletion_timestamp.is_some(),
            start_time: status
                .and_then(|status| status.start_time.as_ref())
                .map(moment),
            ready: ready.map(|condition| ReadyCondition {
                ready: condition.status == "True",
                last_transition: condition
                    .last_transition_time
                    .as_ref()
                    .map(moment)
                    .unwrap_or_default(),
            }),
            containers: containers(spec.map(|spec| &spec.containers))?,
            init_containers: containers(spec.and_then(|spec| spec.init_containers.as_ref()))?,
            pod_level_requests: own.map(requests).transpose()?,
        })
    }
}

fn container(container: &v1::Container) -> Result<Container, EdgeError> {
    let wanted = container
        .resources
        .as_ref()
        .and_then(|resources| resources.requests.as_ref());
    Ok(Container {
        name: container.name.clone(),
        requests: wanted.map(requests).transpose()?.unwrap_or_default(),
        restart_always: container.restart_policy.as_deref() == Some("Always"),
    })
}

fn requests(given: &BTreeMap<String, ApiQuantity>) -> Result<BTreeMap<String, i64>, EdgeError> {
    given
        .iter()
        .map(|(name, quantity)| Ok((name.clone(), milli(quantity)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Moment;

    #[test]
    fn a_pod_is_read_with_its_requests() {
        let pod = serde_json::json!({
            "metadata": {"name": "p", "labels": {"app": "shop"}},
            "spec": {"containers": [
                {"name": "c", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}},
            ]},
            "status": {"phase": "Running", "startTime": "1970-01-01T00:00:05Z", "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:00:06Z"},
            ]},
        });
        let pod: v1::Pod = serde_json::from_value(pod).unwrap();
        let pod = Pod::try_from(&pod).unwrap();
        assert!(pod.is_running_and_ready());
        assert_eq!(pod.start_time, Some(Moment::from_secs(5)));
        assert_eq!(pod.ready.unwrap().last_transition, Moment::from_secs(6));
        assert_eq!(
            pod.containers[0].requests["memory"],
            64 * 1024 * 1024 * 1000
        );
    }
}
