//! The edge to Kubernetes' own types: autoscaling/v2, pods and their metrics in, status out.
//!
//! Moments are milliseconds since the Unix epoch here.

mod pod;
mod pod_metrics;
mod status;

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::behavior::{Behavior, PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy};
use crate::quantity::{Quantity, QuantityError};
use crate::spec::{Hpa, MetricId, MetricSource, MetricSpec, ObjectRef, Target, TargetKind};
use crate::time::Moment;

pub use pod_metrics::{ContainerMetrics, PodMetrics, PodMetricsList};

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
            status: object.status.as_ref().map(status::read).unwrap_or_default(),
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
    use crate::status::MetricStatus;

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
}
