//! The group about whole passes.

use serde::Deserialize;
use serde_json::{Value, json};
use stock_hpa::history::History;
use stock_hpa::metrics::{Answer, FaultKind, MetricResult};
use stock_hpa::reconcile::{self, Action, Observation, OtherHpa, Outcome, Scale, WriteAnswer};
use stock_hpa::spec::{MetricId, MetricSource, ObjectRef, Target, TargetKind};
use stock_hpa::status::{Condition, ConditionKind, MetricStatus, Reading, Status};
use stock_hpa::{Hpa, MetricSpec, Moment, Settings};

use super::report::{Actual, unless_null};
use super::schema::{
    AnswerIn, BehaviorIn, EventIn, FeaturesIn, ObjectIn, PodIn, RecommendationIn, events,
    events_out, pods, recommendations, recommendations_out, secs,
};

/// The namespace all of upstream's rows live in.
const NAMESPACE: &str = "test-namespace";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reconcile {
    now_s: i64,
    controller: ControllerIn,
    features: FeaturesIn,
    hpa: HpaIn,
    other_hpas: Vec<OtherIn>,
    scale: ScaleIn,
    scale_update_answers: Vec<String>,
    recommendations: Option<Vec<RecommendationIn>>,
    scale_up_events: Vec<EventIn>,
    scale_down_events: Vec<EventIn>,
    pods: Vec<PodIn>,
    metric_responses: Vec<AnswerIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControllerIn {
    tolerance: f64,
    cpu_initialization_period_s: i64,
    delay_of_initial_readiness_status_s: i64,
    downscale_stabilization_window_s: i64,
    scale_up_limit_factor: f64,
    scale_up_limit_minimum: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HpaIn {
    min_replicas: Option<i32>,
    max_replicas: i32,
    status: StatusIn,
    #[serde(rename = "behavior_as_written")]
    _behavior_as_written: Option<BehaviorIn>,
    behavior: Option<BehaviorIn>,
    metrics: Vec<MetricIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusIn {
    current_replicas: i32,
    desired_replicas: i32,
    conditions: Vec<ConditionIn>,
    current_metrics: Vec<Option<MetricStatusIn>>,
    last_scale_time_s: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionIn {
    r#type: String,
    status: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricStatusIn {
    r#type: String,
    name: String,
    container: Option<String>,
    object: Option<ObjectIn>,
    average_utilization_percent: Option<i32>,
    average_value_milli: Option<i64>,
    value_milli: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricIn {
    r#type: String,
    resource: Option<String>,
    container: Option<String>,
    metric_name: Option<String>,
    object: Option<ObjectIn>,
    target: Option<TargetIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetIn {
    r#type: String,
    average_utilization_percent: Option<i32>,
    average_value_milli: Option<i64>,
    value_milli: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherIn {
    name: String,
    namespace: String,
    selector: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaleIn {
    #[serde(rename = "resource")]
    _resource: String,
    error: Option<String>,
    selector: Option<String>,
    spec_replicas: Option<i32>,
    status_replicas: Option<i32>,
}

pub(crate) fn reconcile(case: Reconcile) -> Actual {
    let settings = Settings {
        tolerance: case.controller.tolerance,
        cpu_initialization_period: secs(case.controller.cpu_initialization_period_s),
        initial_readiness_delay: secs(case.controller.delay_of_initial_readiness_status_s),
        downscale_stabilization_window: secs(case.controller.downscale_stabilization_window_s),
        scale_up_limit_factor: case.controller.scale_up_limit_factor,
        scale_up_limit_minimum: case.controller.scale_up_limit_minimum,
        features: case.features.into(),
    };
    let hpa = hpa(case.hpa);
    let answers = answers(&hpa.metrics, case.metric_responses);
    let (pods, other_hpas) = (pods(case.pods), others(case.other_hpas));
    let scale = match case.scale.error {
        Some(error) => Err(error),
        None => Ok(Scale {
            spec_replicas: case.scale.spec_replicas.expect("spec replicas"),
            status_replicas: case.scale.status_replicas.expect("status replicas"),
            selector: case.scale.selector.expect("a selector"),
        }),
    };
    let observation = Observation {
        scale,
        pods: &pods,
        other_hpas: &other_hpas,
        answers: &answers,
    };
    let mut history = History {
        recommendations: case.recommendations.as_deref().map(recommendations),
        scale_up_events: events(&case.scale_up_events),
        scale_down_events: events(&case.scale_down_events),
    };
    let mut writes = case.scale_update_answers.iter();
    let write = |_| match writes.next().map(String::as_str) {
        None | Some("ok") => WriteAnswer::Ok,
        Some("conflict") => WriteAnswer::Conflict,
        Some("error") => WriteAnswer::Error("the write failed".to_owned()),
        Some(other) => panic!("unknown answer {other}"),
    };
    let now = Moment::from_secs(case.now_s);
    let outcome = reconcile::reconcile(&hpa, &settings, &observation, &mut history, now, write);
    actual(&hpa, &outcome, &history)
}

fn actual(hpa: &Hpa, outcome: &Outcome, history: &History) -> Actual {
    // The tables leave messages out, so a status that differs only there counts as the same.
    let changed = without_messages(&outcome.status) != without_messages(&hpa.status);
    let reconciliation = json!({
        "action": match outcome.action {
            Action::ScaleUp => "scale_up",
            Action::ScaleDown => "scale_down",
            Action::None => "none",
        },
        "error": if outcome.error.is_some() { "internal" } else { "none" },
    });
    let mut computation: Vec<(&str, Value)> = outcome
        .metrics
        .iter()
        .map(|metric| {
            (
                metric.kind.as_str(),
                computed(metric, hpa.status.current_replicas),
            )
        })
        .collect();
    let observed_computation: Vec<Value> =
        computation.iter().map(|(_, value)| value.clone()).collect();
    computation.sort_by_key(|&(kind, _)| kind);
    let computation: Vec<Value> = computation.into_iter().map(|(_, value)| value).collect();
    let status = status_out(&outcome.status);
    let writes: Vec<Value> = outcome
        .scale_writes
        .iter()
        .map(|write| {
            let result = match write.answer {
                WriteAnswer::Ok => "ok",
                WriteAnswer::Conflict => "conflict",
                WriteAnswer::Error(_) => "error",
            };
            json!({"replicas": write.replicas, "result": result})
        })
        .collect();
    let written = outcome
        .scale_writes
        .last()
        .is_some_and(|write| write.answer == WriteAnswer::Ok);
    let cpu = outcome
        .status
        .current_metrics
        .iter()
        .flatten()
        .find_map(|metric| {
            let cpu = metric.name() == "cpu";
            metric.current.average_utilization_percent.filter(|_| cpu)
        });
    Actual {
        expected: json!({
            "status_update": changed,
            "desired_replicas": outcome.status.desired_replicas,
            "scale_update_succeeded": written,
            "conditions": unless_null(status["conditions"].clone()),
            "cpu_utilization_percent": unless_null(json!(cpu)),
            "reconciliation": reconciliation,
            "metric_computation": computation,
        }),
        observed: json!({
            "reconciliation": reconciliation,
            "metric_computation": observed_computation,
            "scale_updates": writes,
            "status_update": if changed { status } else { Value::Null },
            "state_after": {
                "recommendations": history.recommendations.as_deref().map(recommendations_out),
                "scale_up_events": events_out(&history.scale_up_events),
                "scale_down_events": events_out(&history.scale_down_events),
            },
        }),
    }
}

fn computed(metric: &MetricResult, current: i32) -> Value {
    let (action, error) = match metric.proposal {
        Ok(replicas) => (Action::between(current, replicas), "none"),
        Err(FaultKind::Spec) => (Action::None, "spec"),
        Err(FaultKind::Internal) => (Action::None, "internal"),
    };
    let action = match action {
        Action::ScaleUp => "scale_up",
        Action::ScaleDown => "scale_down",
        Action::None => "none",
    };
    json!({"type": metric.kind, "action": action, "error": error})
}

fn without_messages(status: &Status) -> Status {
    let mut status = status.clone();
    status
        .conditions
        .iter_mut()
        .for_each(|condition| condition.message.clear());
    status
}

fn status_out(status: &Status) -> Value {
    let condition = |condition: &Condition| {
        let value = if condition.status { "True" } else { "False" };
        json!({"type": condition.kind.name(), "status": value, "reason": condition.reason})
    };
    let metric = |metric: &Option<MetricStatus>| match metric {
        None => Value::Null,
        Some(metric) => json!({
            "type": metric.source.kind(),
            "name": metric.name(),
            "container": match &metric.source {
                MetricSource::ContainerResource { container, .. } => json!(container),
                _ => Value::Null,
            },
            "object": metric.object().map(|object| json!({
                "name": object.name, "kind": object.kind, "api_version": object.api_version,
            })),
            "average_utilization_percent": metric.current.average_utilization_percent,
            "average_value_milli": metric.current.average_value_milli,
            "value_milli": metric.current.value_milli,
        }),
    };
    json!({
        "current_replicas": status.current_replicas,
        "desired_replicas": status.desired_replicas,
        "conditions": status.conditions.iter().map(condition).collect::<Vec<_>>(),
        "current_metrics": status.current_metrics.iter().map(metric).collect::<Vec<_>>(),
        "last_scale_time_s": status.last_scale_time.map(super::schema::secs_of),
    })
}

fn hpa(given: HpaIn) -> Hpa {
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

fn others(given: Vec<OtherIn>) -> Vec<OtherHpa> {
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
fn answers(metrics: &[MetricSpec], given: Vec<AnswerIn>) -> Vec<Answer> {
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
