//! The group about whole passes.

use serde_json::{Value, json};
use stock_hpa::history::History;
use stock_hpa::metrics::{FaultKind, MetricResult};
use stock_hpa::reconcile::{self, Action, Observation, Outcome, Scale, WriteAnswer};
use stock_hpa::spec::MetricSource;
use stock_hpa::status::{Condition, MetricStatus, Status};
use stock_hpa::{Hpa, Moment, Settings};

use super::pass_input::{Reconcile, answers, hpa, others};
use super::report::{Actual, unless_null};
use super::schema::{events, events_out, pods, recommendations, recommendations_out, secs};

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
