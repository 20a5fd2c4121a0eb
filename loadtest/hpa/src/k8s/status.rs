//! Status in and out.

use k8s_openapi::api::autoscaling::v2;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::{moment, time};
use crate::quantity::Quantity;
use crate::spec::{MetricId, MetricSource};
use crate::status::{Condition, ConditionKind, MetricStatus, Status};

/// The readings are left out: each pass makes its own. So a driver that wants to skip writes of an
/// unchanged status keeps the [`Status`] of its last pass instead of reading it back.
pub(super) fn read(status: &v2::HorizontalPodAutoscalerStatus) -> Status {
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
