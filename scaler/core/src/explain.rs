//! Decisions in words: messages, evidence and conditions.

use crate::decision::{Condition, ConditionKind, Evidence, Limit, PodCounts, Reason};
use crate::measure::Measurement;
use crate::outcome::Outcome;
use crate::policy::{MetricPolicy, Mode, Response};
use crate::response::Proposal;

/// What stands where there is no number.
const NOTHING: &str = "-";

/// What one metric said.
pub(crate) fn evidence(
    policy: &MetricPolicy,
    measured: &Measurement,
    unready: u32,
    proposal: Option<Proposal>,
) -> Evidence {
    let unit = policy.statistic.unit_for(policy.metric);
    let threshold = policy.threshold.map(|threshold| threshold.value());
    let text =
        |value: Option<f64>| value.map_or_else(|| NOTHING.to_owned(), |value| unit.format(value));
    let detail = match (&proposal, policy.response) {
        (Some(proposal), _) => proposal.detail.clone(),
        (None, _) if measured.used == 0 => "no fresh samples".to_owned(),
        (None, Response::Observe) => "observed only".to_owned(),
        (None, Response::Queueing) if measured.events == 0 => {
            "nothing was seen to run since the scaler started: idle, or not measured".to_owned()
        }
        (None, _) => "too little happened to judge".to_owned(),
    };
    Evidence {
        metric: policy.metric,
        container: policy.container.clone(),
        statistic: policy.statistic,
        response: policy.response,
        unit,
        value: measured.value,
        value_text: text(measured.value),
        relative_error: measured.relative_error,
        threshold,
        threshold_text: text(threshold),
        proposal: proposal.as_ref().map(|proposal| proposal.replicas),
        demand_cores: proposal.and_then(|proposal| proposal.demand_cores),
        detail,
        pods_used: measured.used,
        pods_missing: measured.missing,
        pods_unready: unready,
    }
}

/// One sentence: what was seen, what follows, and what was in the way.
pub(crate) fn message(
    mode: Mode,
    current: u32,
    outcome: &Outcome,
    evidence: &[Evidence],
) -> String {
    let sentence = sentence(current, outcome, evidence);
    match (mode, current == outcome.desired) {
        (Mode::DryRun, false) => format!("dry run, not carried out: {sentence}"),
        _ => sentence,
    }
}

fn sentence(current: u32, outcome: &Outcome, evidence: &[Evidence]) -> String {
    let change = change(current, outcome.desired);
    match outcome.reason {
        Reason::TooFewReplicas => format!("below minReplicas: {change}"),
        Reason::TooManyReplicas => format!("above maxReplicas: {change}"),
        Reason::ScalingDisabled
        | Reason::Paused
        | Reason::InsufficientData
        | Reason::Conflict
        | Reason::ClusterSilent => {
            format!("{}: {change}", outcome.note)
        }
        Reason::Fallback => {
            let limits = match outcome.limits.as_slice() {
                [] => String::new(),
                limits => format!(", {} wanted, {}", outcome.wanted, in_words(limits)),
            };
            format!(
                "{}, so the fallback applies: {change}{limits}",
                outcome.note
            )
        }
        Reason::NodeSaturated => {
            format!(
                "{}: {change}, {} wanted ({})",
                lead(evidence),
                outcome.wanted,
                outcome.note
            )
        }
        Reason::AboveThreshold | Reason::BelowThreshold | Reason::WithinThreshold => {
            let detail = leader(evidence).map_or(NOTHING, |metric| metric.detail.as_str());
            let limits = match outcome.limits.as_slice() {
                [] => String::new(),
                limits => format!(", {} wanted, {}", outcome.wanted, in_words(limits)),
            };
            format!("{}: {change}{limits} ({detail})", lead(evidence))
        }
    }
}

/// `1 -> 4 replicas`, or that they stay.
fn change(current: u32, desired: u32) -> String {
    match (current == desired, desired) {
        (true, 1) => "1 replica stays".to_owned(),
        (true, _) => format!("{desired} replicas stay"),
        (false, 1) => format!("{current} -> 1 replica"),
        (false, _) => format!("{current} -> {desired} replicas"),
    }
}

/// The metric that decided: the first with the largest proposal.
fn leader(evidence: &[Evidence]) -> Option<&Evidence> {
    let proposing = evidence.iter().filter(|metric| metric.proposal.is_some());
    proposing.rev().max_by_key(|metric| metric.proposal)
}

/// `runqLatency p95 of server 38ms over 2ms`.
fn lead(evidence: &[Evidence]) -> String {
    let Some(metric) = leader(evidence) else {
        return "no metric".to_owned();
    };
    let container = metric
        .container
        .as_ref()
        .map_or(String::new(), |name| format!(" of {name}"));
    let relation = match metric.value.partial_cmp(&metric.threshold) {
        Some(std::cmp::Ordering::Greater) => "over",
        _ => "within",
    };
    format!(
        "{} {}{container} {} {relation} {}",
        metric.metric, metric.statistic, metric.value_text, metric.threshold_text
    )
}

/// Which proposing metrics have nothing to say, and of how many pods.
pub(crate) fn silence(evidence: &[Evidence], pods: PodCounts) -> String {
    let silent: Vec<String> = evidence
        .iter()
        .filter(|metric| metric.response != Response::Observe && metric.proposal.is_none())
        .map(|metric| format!("{} ({})", metric.metric, metric.detail))
        .collect();
    format!(
        "no evidence from {}; pods: {} ready, {} unready, {} missing",
        silent.join(", "),
        pods.ready,
        pods.unready,
        pods.missing
    )
}

/// What each limit means, joined.
fn in_words(limits: &[Limit]) -> String {
    let words = |limit: &Limit| match limit {
        Limit::ScaleUpStabilized => "held by a lower recommendation in the scale-up window",
        Limit::ScaleDownStabilized => "held by a higher recommendation in the scale-down window",
        Limit::ScaleUpLimit => "limited by behavior.scaleUp",
        Limit::ScaleDownLimit => "limited by behavior.scaleDown",
        Limit::TooFewReplicas => "limited by minReplicas",
        Limit::TooManyReplicas => "limited by maxReplicas",
        Limit::NodeSaturated => "held because the nodes are full",
        Limit::PartialData => "held because data is missing",
        Limit::Conflict => "held because another autoscaler scales the deployment",
        Limit::ClusterSilent => "held because the API server's news is old",
    };
    limits.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// The conditions of the policy after this outcome. `conflict` says who else scales the deployment.
pub(crate) fn conditions(mode: Mode, outcome: &Outcome, conflict: Option<&str>) -> Vec<Condition> {
    let condition = |kind, status, reason, message: &str| Condition {
        kind,
        status,
        reason,
        message: message.to_owned(),
    };
    let stabilized = outcome.limits.iter().find_map(|limit| match limit {
        Limit::ScaleUpStabilized => Some("ScaleUpStabilized"),
        Limit::ScaleDownStabilized => Some("ScaleDownStabilized"),
        _ => None,
    });
    let not_able =
        |reason, message: &str| condition(ConditionKind::AbleToScale, false, reason, message);
    let able = match (outcome.reason, mode, stabilized) {
        (Reason::Conflict, ..) => not_able("Conflict", &outcome.note),
        (Reason::ClusterSilent, ..) => not_able("ClusterSilent", &outcome.note),
        (_, Mode::DryRun, _) => not_able("DryRun", "decisions are shown and not carried out"),
        (_, Mode::Paused, _) => not_able("Paused", "the replica count stays as it is"),
        (_, Mode::Active, Some(reason)) => condition(
            ConditionKind::AbleToScale,
            true,
            reason,
            "a recommendation inside the stabilization window is more cautious",
        ),
        (_, Mode::Active, None) => condition(
            ConditionKind::AbleToScale,
            true,
            "ReadyForNewScale",
            "nothing stands in the way of a change",
        ),
    };
    let active = match outcome.reason {
        Reason::ScalingDisabled => (false, "ScalingDisabled"),
        Reason::Paused => (false, "Paused"),
        // The HPA's word for metrics of pods that it cannot get.
        Reason::InsufficientData => (false, "FailedGetPodsMetric"),
        Reason::Fallback => (false, "Fallback"),
        Reason::Conflict => (false, "Conflict"),
        Reason::ClusterSilent => (false, "ClusterSilent"),
        _ => (true, "ValidMetricFound"),
    };
    let active_message = match (active.0, outcome.note.as_str()) {
        (true, _) => "the replica count follows the metrics",
        (false, note) => note,
    };
    let limited = outcome.limits.iter().find_map(|limit| match limit {
        Limit::ScaleUpLimit => Some("ScaleUpLimit"),
        Limit::ScaleDownLimit => Some("ScaleDownLimit"),
        Limit::TooFewReplicas => Some("TooFewReplicas"),
        Limit::TooManyReplicas => Some("TooManyReplicas"),
        _ => None,
    });
    let limited_message = match limited {
        Some(_) => in_words(&outcome.limits),
        None => "the wanted count is within the limits".to_owned(),
    };
    let saturated = outcome.reason == Reason::NodeSaturated;
    let (saturated_reason, saturated_message) = match saturated {
        true => ("NodesFull", outcome.note.as_str()),
        false => (
            "NodesHaveRoom",
            "more replicas are not held back by full nodes",
        ),
    };
    let (conflict_reason, conflict_message) = match conflict {
        Some(message) => ("OtherAutoscaler", message),
        None => ("NoOtherAutoscaler", "nothing else scales this deployment"),
    };
    vec![
        able,
        condition(
            ConditionKind::ScalingActive,
            active.0,
            active.1,
            active_message,
        ),
        condition(
            ConditionKind::ScalingLimited,
            limited.is_some(),
            limited.unwrap_or("DesiredWithinRange"),
            &limited_message,
        ),
        condition(
            ConditionKind::NodeSaturated,
            saturated,
            saturated_reason,
            saturated_message,
        ),
        condition(
            ConditionKind::Conflict,
            conflict.is_some(),
            conflict_reason,
            conflict_message,
        ),
    ]
}
