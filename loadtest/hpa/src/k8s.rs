//! The edge to Kubernetes' own types: autoscaling/v2 and pods in, status out.
//!
//! Moments are milliseconds since the Unix epoch here.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v2;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::behavior::{Behavior, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy};
use crate::pod::{Container, Phase, Pod, ReadyCondition};
use crate::quantity::{Quantity, QuantityError};
use crate::spec::{Hpa, MetricId, MetricSource, MetricSpec, ObjectRef, Target, TargetKind};
use crate::status::{Condition, ConditionKind, MetricStatus, Status};
use crate::time::Moment;

/// An object the autoscaler cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// A required field is not there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field holds a value this version does not know.
    #[error("`{field}` is `{value}`, which is none of {known}")]
    Unknown {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        known: &'static str,
    },
    /// See [`QuantityError`].
    #[error(transparent)]
    Quantity(#[from] QuantityError),
}

/// Spec and replicas of the status; defaults are filled in.
impl TryFrom<&v2::HorizontalPodAutoscaler> for Hpa {
    type Error = EdgeError;

    fn try_from(object: &v2::HorizontalPodAutoscaler) -> Result<Self, EdgeError> {
        let spec = &object.spec;
        let name = object
            .metadata
            .name
            .clone()
            .ok_or(EdgeError::Missing("metadata.name"))?;
        let namespace = object
            .metadata
            .namespace
            .clone()
            .ok_or(EdgeError::Missing("metadata.namespace"))?;
        let reference = &spec.scale_target_ref;
        let metrics = spec
            .metrics
            .iter()
            .flatten()
            .map(metric)
            .collect::<Result<_, _>>()?;
        let hpa = Self {
            target: format!("{}/{namespace}/{}", reference.kind, reference.name),
            name,
            namespace,
            min_replicas: spec.min_replicas,
            max_replicas: spec.max_replicas,
            metrics,
            behavior: spec.behavior.as_ref().map(behavior).transpose()?,
            status: object.status.as_ref().map(status).unwrap_or_default(),
        };
        Ok(hpa.with_defaults())
    }
}

fn metric(metric: &v2::MetricSpec) -> Result<MetricSpec, EdgeError> {
    let id = |id: &v2::MetricIdentifier| MetricId {
        name: id.name.clone(),
        selector: id.selector.clone(),
    };
    let (source, wanted) = if let Some(metric) = &metric.resource {
        (
            MetricSource::Resource {
                resource: metric.name.clone(),
            },
            Some(&metric.target),
        )
    } else if let Some(metric) = &metric.container_resource {
        let (resource, container) = (metric.name.clone(), metric.container.clone());
        (
            MetricSource::ContainerResource {
                resource,
                container,
            },
            Some(&metric.target),
        )
    } else if let Some(metric) = &metric.pods {
        (
            MetricSource::Pods {
                metric: id(&metric.metric),
            },
            Some(&metric.target),
        )
    } else if let Some(metric) = &metric.object {
        let object = ObjectRef {
            api_version: metric
                .described_object
                .api_version
                .clone()
                .unwrap_or_default(),
            kind: metric.described_object.kind.clone(),
            name: metric.described_object.name.clone(),
        };
        (
            MetricSource::Object {
                metric: id(&metric.metric),
                object,
            },
            Some(&metric.target),
        )
    } else if let Some(metric) = &metric.external {
        (
            MetricSource::External {
                metric: id(&metric.metric),
            },
            Some(&metric.target),
        )
    } else {
        (MetricSource::Unknown(metric.type_.clone()), None)
    };
    Ok(MetricSpec {
        source,
        target: wanted.map(target).transpose()?.unwrap_or_default(),
    })
}

fn target(target: &v2::MetricTarget) -> Result<Target, EdgeError> {
    let kind = match target.type_.as_str() {
        "Utilization" => TargetKind::Utilization,
        "Value" => TargetKind::Value,
        "AverageValue" => TargetKind::AverageValue,
        other => {
            return Err(unknown(
                "target.type",
                other,
                "Utilization, Value, AverageValue",
            ));
        }
    };
    Ok(Target {
        kind,
        average_utilization_percent: target.average_utilization,
        average_value_milli: target.average_value.as_ref().map(milli).transpose()?,
        value_milli: target.value.as_ref().map(milli).transpose()?,
    })
}

fn behavior(given: &v2::HorizontalPodAutoscalerBehavior) -> Result<Behavior, EdgeError> {
    Ok(Behavior {
        scale_up: given.scale_up.as_ref().map(rules).transpose()?,
        scale_down: given.scale_down.as_ref().map(rules).transpose()?,
    })
}

fn rules(rules: &v2::HPAScalingRules) -> Result<ScalingRules, EdgeError> {
    let select = |name: &String| match name.as_str() {
        "Max" => Ok(SelectPolicy::Max),
        "Min" => Ok(SelectPolicy::Min),
        "Disabled" => Ok(SelectPolicy::Disabled),
        other => Err(unknown("selectPolicy", other, "Max, Min, Disabled")),
    };
    let policy = |policy: &v2::HPAScalingPolicy| {
        let kind = match policy.type_.as_str() {
            "Pods" => PolicyKind::Pods,
            "Percent" => PolicyKind::Percent,
            other => return Err(unknown("policies.type", other, "Pods, Percent")),
        };
        Ok(ScalingPolicy {
            kind,
            value: policy.value,
            period: secs(policy.period_seconds),
        })
    };
    let policies = rules.policies.as_ref();
    Ok(ScalingRules {
        stabilization_window: rules.stabilization_window_seconds.map(secs),
        select_policy: rules.select_policy.as_ref().map(select).transpose()?,
        policies: policies
            .map(|list| list.iter().map(policy).collect())
            .transpose()?,
        tolerance: rules
            .tolerance
            .as_ref()
            .map(milli)
            .transpose()?
            .map(|n| n as f64 / 1000.0),
    })
}

/// The readings are left out: each pass makes its own. So a driver that wants to skip writes of an
/// unchanged status keeps the [`Status`] of its last pass instead of reading it back.
fn status(status: &v2::HorizontalPodAutoscalerStatus) -> Status {
    let condition = |condition: &v2::HorizontalPodAutoscalerCondition| {
        Some(Condition {
            kind: ConditionKind::from_name(&condition.type_)?,
            status: condition.status == "True",
            reason: condition.reason.clone().unwrap_or_default(),
            message: condition.message.clone().unwrap_or_default(),
            last_transition: condition.last_transition_time.as_ref().map(moment),
        })
    };
    Status {
        current_replicas: status.current_replicas.unwrap_or(0),
        desired_replicas: status.desired_replicas,
        last_scale_time: status.last_scale_time.as_ref().map(moment),
        current_metrics: Vec::new(),
        conditions: status
            .conditions
            .iter()
            .flatten()
            .filter_map(condition)
            .collect(),
    }
}

/// The status as it is written; `observedGeneration` is never set.
impl From<&Status> for v2::HorizontalPodAutoscalerStatus {
    fn from(status: &Status) -> Self {
        let condition = |condition: &Condition| v2::HorizontalPodAutoscalerCondition {
            type_: condition.kind.name().to_owned(),
            status: if condition.status { "True" } else { "False" }.to_owned(),
            reason: Some(condition.reason.clone()),
            message: Some(condition.message.clone()),
            last_transition_time: condition.last_transition.and_then(time),
            observed_generation: None,
        };
        Self {
            current_replicas: Some(status.current_replicas),
            desired_replicas: status.desired_replicas,
            last_scale_time: status.last_scale_time.and_then(time),
            current_metrics: Some(status.current_metrics.iter().map(reading).collect()),
            conditions: Some(status.conditions.iter().map(condition).collect()),
            observed_generation: None,
        }
    }
}

fn reading(metric: &Option<MetricStatus>) -> v2::MetricStatus {
    let Some(metric) = metric else {
        return v2::MetricStatus::default();
    };
    let quantity =
        |milli: Option<i64>| milli.map(|n| ApiQuantity(Quantity::decimal(n).to_string()));
    let current = v2::MetricValueStatus {
        average_utilization: metric.current.average_utilization_percent,
        average_value: match &metric.source {
            MetricSource::Resource { resource }
            | MetricSource::ContainerResource { resource, .. } => metric
                .current
                .average_value_milli
                .map(|n| ApiQuantity(Quantity::of_resource(resource, n).to_string())),
            _ => quantity(metric.current.average_value_milli),
        },
        value: quantity(metric.current.value_milli),
    };
    let id = |id: &MetricId| v2::MetricIdentifier {
        name: id.name.clone(),
        selector: id.selector.clone(),
    };
    let mut status = v2::MetricStatus {
        type_: metric.source.kind().to_owned(),
        ..v2::MetricStatus::default()
    };
    match &metric.source {
        MetricSource::Resource { resource } => {
            status.resource = Some(v2::ResourceMetricStatus {
                current,
                name: resource.clone(),
            });
        }
        MetricSource::ContainerResource {
            resource,
            container,
        } => {
            let (name, container) = (resource.clone(), container.clone());
            status.container_resource = Some(v2::ContainerResourceMetricStatus {
                container,
                current,
                name,
            });
        }
        MetricSource::Pods { metric } => {
            status.pods = Some(v2::PodsMetricStatus {
                current,
                metric: id(metric),
            });
        }
        MetricSource::Object { metric, object } => {
            let described_object = v2::CrossVersionObjectReference {
                api_version: Some(object.api_version.clone()),
                kind: object.kind.clone(),
                name: object.name.clone(),
            };
            let metric = id(metric);
            status.object = Some(v2::ObjectMetricStatus {
                current,
                described_object,
                metric,
            });
        }
        MetricSource::External { metric } => {
            status.external = Some(v2::ExternalMetricStatus {
                current,
                metric: id(metric),
            });
        }
        MetricSource::Unknown(_) => {}
    }
    status
}

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

fn milli(quantity: &ApiQuantity) -> Result<i64, EdgeError> {
    Ok(quantity.0.parse::<Quantity>()?.milli)
}

fn secs(secs: i32) -> Duration {
    Duration::from_secs(u64::try_from(secs).unwrap_or(0))
}

fn moment(time: &Time) -> Moment {
    Moment::from_millis(time.0.as_millisecond())
}

/// `None` for moments beyond the calendar.
fn time(moment: Moment) -> Option<Time> {
    Timestamp::from_millisecond(moment.millis()).ok().map(Time)
}

fn unknown(field: &'static str, value: &str, known: &'static str) -> EdgeError {
    EdgeError::Unknown {
        field,
        value: value.to_owned(),
        known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_with_defaults_and_its_status_written_back() {
        let object = serde_json::json!({
            "metadata": {"name": "shop", "namespace": "default"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
                "maxReplicas": 20,
                "behavior": {"scaleUp": {"tolerance": "50m"}},
            },
            "status": {"currentReplicas": 2, "desiredReplicas": 2, "conditions": [
                {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ]},
        });
        let object: v2::HorizontalPodAutoscaler = serde_json::from_value(object).unwrap();
        let mut hpa = Hpa::try_from(&object).unwrap();
        assert_eq!(
            (hpa.min_replicas(), hpa.target.as_str()),
            (1, "Deployment/default/shop")
        );
        assert_eq!(hpa.metrics[0].target.average_utilization_percent, Some(80));
        assert_eq!(
            hpa.behavior.unwrap().scale_up.unwrap().tolerance,
            Some(0.05)
        );
        let current = crate::status::Reading {
            average_utilization_percent: Some(63),
            average_value_milli: Some(126),
            value_milli: None,
        };
        let source = hpa.metrics[0].source.clone();
        hpa.status.current_metrics = vec![Some(MetricStatus { source, current }), None];
        let written = serde_json::to_value(v2::HorizontalPodAutoscalerStatus::from(&hpa.status));
        let written = written.unwrap();
        assert_eq!(
            written["conditions"][0]["lastTransitionTime"],
            "2026-01-01T00:00:00Z"
        );
        assert_eq!(
            written["currentMetrics"][0]["resource"]["current"]["averageValue"],
            "126m"
        );
        assert_eq!(written.get("observedGeneration"), None);
    }

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
