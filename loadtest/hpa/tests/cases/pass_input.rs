//! The input of whole passes, and what it is in the library.

use serde::Deserialize;
use stock_hpa::metrics::Answer;
use stock_hpa::reconcile::OtherHpa;
use stock_hpa::spec::{MetricId, MetricSource, ObjectRef, Target, TargetKind};
use stock_hpa::status::{Condition, ConditionKind, MetricStatus, Reading, Status};
use stock_hpa::{Hpa, MetricSpec, Moment};

use super::schema::{AnswerIn, BehaviorIn, EventIn, FeaturesIn, ObjectIn, PodIn, RecommendationIn};

/// The namespace all of upstream's rows live in.
const NAMESPACE: &str = "test-namespace";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reconcile {
    pub(crate) now_s: i64,
    pub(crate) controller: ControllerIn,
    pub(crate) features: FeaturesIn,
    pub(crate) hpa: HpaIn,
    pub(crate) other_hpas: Vec<OtherIn>,
    pub(crate) scale: ScaleIn,
    pub(crate) scale_update_answers: Vec<String>,
    pub(crate) recommendations: Option<Vec<RecommendationIn>>,
    pub(crate) scale_up_events: Vec<EventIn>,
    pub(crate) scale_down_events: Vec<EventIn>,
    pub(crate) pods: Vec<PodIn>,
    pub(crate) metric_responses: Vec<AnswerIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControllerIn {
    pub(crate) tolerance: f64,
    pub(crate) cpu_initialization_period_s: i64,
    pub(crate) delay_of_initial_readiness_status_s: i64,
    pub(crate) downscale_stabilization_window_s: i64,
    pub(crate) scale_up_limit_factor: f64,
    pub(crate) scale_up_limit_minimum: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HpaIn {
    pub(crate) min_replicas: Option<i32>,
    pub(crate) max_replicas: i32,
    pub(crate) status: StatusIn,
    #[serde(rename = "behavior_as_written")]
    pub(crate) _behavior_as_written: Option<BehaviorIn>,
    pub(crate) behavior: Option<BehaviorIn>,
    pub(crate) metrics: Vec<MetricIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusIn {
    pub(crate) current_replicas: i32,
    pub(crate) desired_replicas: i32,
    pub(crate) conditions: Vec<ConditionIn>,
    pub(crate) current_metrics: Vec<Option<MetricStatusIn>>,
    pub(crate) last_scale_time_s: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConditionIn {
    pub(crate) r#type: String,
    pub(crate) status: String,
    pub(crate) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricStatusIn {
    pub(crate) r#type: String,
    pub(crate) name: String,
    pub(crate) container: Option<String>,
    pub(crate) object: Option<ObjectIn>,
    pub(crate) average_utilization_percent: Option<i32>,
    pub(crate) average_value_milli: Option<i64>,
    pub(crate) value_milli: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricIn {
    pub(crate) r#type: String,
    pub(crate) resource: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) metric_name: Option<String>,
    pub(crate) object: Option<ObjectIn>,
    pub(crate) target: Option<TargetIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetIn {
    pub(crate) r#type: String,
    pub(crate) average_utilization_percent: Option<i32>,
    pub(crate) average_value_milli: Option<i64>,
    pub(crate) value_milli: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OtherIn {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) selector: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaleIn {
    #[serde(rename = "resource")]
    pub(crate) _resource: String,
    pub(crate) error: Option<String>,
    pub(crate) selector: Option<String>,
    pub(crate) spec_replicas: Option<i32>,
    pub(crate) status_replicas: Option<i32>,
}

pub(crate) fn hpa(given: HpaIn) -> Hpa {
    Hpa {
        name: "test-hpa".to_owned(),
        namespace: NAMESPACE.to_owned(),
        target: "the target".to_owned(),
        min_replicas: given.min_replicas,
        max_replicas: given.max_replicas,
        metrics: given.metrics.into_iter().map(metric).collect(),
        behavior: given.behavior.map(|behavior| behavior.behavior()),
        status: status(given.status),
    }
}

fn metric(given: MetricIn) -> MetricSpec {
    let target = given.target.map(|target| Target {
        kind: match target.r#type.as_str() {
            "Utilization" => TargetKind::Utilization,
            "Value" => TargetKind::Value,
            "AverageValue" => TargetKind::AverageValue,
            other => panic!("unknown target type {other}"),
        },
        average_utilization_percent: target.average_utilization_percent,
        average_value_milli: target.average_value_milli,
        value_milli: target.value_milli,
    });
    let name = given.resource.or(given.metric_name).unwrap_or_default();
    let source = source(&given.r#type, name, given.container, given.object);
    MetricSpec {
        source,
        target: target.unwrap_or_default(),
    }
}

fn source(
    kind: &str,
    name: String,
    container: Option<String>,
    object: Option<ObjectIn>,
) -> MetricSource {
    let id = MetricId {
        name: name.clone(),
        selector: None,
    };
    match kind {
        "Resource" => MetricSource::Resource { resource: name },
        "ContainerResource" => MetricSource::ContainerResource {
            resource: name,
            container: container.unwrap_or_default(),
        },
        "Pods" => MetricSource::Pods { metric: id },
        "Object" => MetricSource::Object {
            metric: id,
            object: object.map(ObjectRef::from).unwrap_or_default(),
        },
        "External" => MetricSource::External { metric: id },
        other => MetricSource::Unknown(other.to_owned()),
    }
}

fn status(given: StatusIn) -> Status {
    let condition = |condition: ConditionIn| Condition {
        kind: ConditionKind::from_name(&condition.r#type).expect("a known condition"),
        status: condition.status == "True",
        reason: condition.reason,
        message: String::new(),
        last_transition: None,
    };
    let metric = |metric: MetricStatusIn| MetricStatus {
        source: source(&metric.r#type, metric.name, metric.container, metric.object),
        current: Reading {
            average_utilization_percent: metric.average_utilization_percent,
            average_value_milli: metric.average_value_milli,
            value_milli: metric.value_milli,
        },
    };
    Status {
        current_replicas: given.current_replicas,
        desired_replicas: given.desired_replicas,
        last_scale_time: given.last_scale_time_s.map(Moment::from_secs),
        current_metrics: given
            .current_metrics
            .into_iter()
            .map(|m| m.map(metric))
            .collect(),
        conditions: given.conditions.into_iter().map(condition).collect(),
    }
}

pub(crate) fn others(given: Vec<OtherIn>) -> Vec<OtherHpa> {
    let other = |other: OtherIn| OtherHpa {
        namespace: other.namespace,
        name: other.name,
        selector: other.selector,
    };
    given.into_iter().map(other).collect()
}

fn container(source: &MetricSource) -> Option<&str> {
    match source {
        MetricSource::ContainerResource { container, .. } => Some(container),
        _ => None,
    }
}

/// The recorded answers are those of the queries made, in order; a metric that asks nothing (an
/// unknown type) has none.
pub(crate) fn answers(metrics: &[MetricSpec], given: Vec<AnswerIn>) -> Vec<Answer> {
    let mut given = given.into_iter().peekable();
    let answer = |metric: &MetricSpec| {
        let (source, name) = match &metric.source {
            MetricSource::Resource { resource }
            | MetricSource::ContainerResource { resource, .. } => ("resource", resource.as_str()),
            MetricSource::Pods { metric } => ("pods", metric.name.as_str()),
            MetricSource::Object { metric, .. } => ("object", metric.name.as_str()),
            MetricSource::External { metric } => ("external", metric.name.as_str()),
            MetricSource::Unknown(_) => ("", ""),
        };
        given
            .next_if(|answer| {
                let identity = answer.resource.as_deref().or(answer.metric_name.as_deref());
                answer.source == source
                    && identity == Some(name)
                    && answer.container.as_deref() == container(&metric.source)
            })
            .map_or_else(
                || Err("nothing was recorded".to_owned()),
                |answer| answer.samples(),
            )
    };
    metrics.iter().map(answer).collect()
}
