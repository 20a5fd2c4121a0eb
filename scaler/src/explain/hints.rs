//! What would have to change for another replica count. Pure.

use super::view::{DecisionView, EvidenceView, Explained};

/// One line each, the most important first; never none.
pub(super) fn hints(explained: &Explained) -> Vec<String> {
    let Some(latest) = &explained.latest else {
        return vec![without_decision(explained)];
    };
    let decision = &latest.decision;
    let mut hints = Vec::new();
    if let Some(write) = &explained.write
        && let Some(problem) = &write.problem
    {
        hints.push(format!("the last write failed: {problem}"));
    }
    match decision.mode.as_str() {
        "DryRun" if decision.desired != decision.current => {
            hints.push("nothing is written in a dry run: set `mode: Active`".to_owned());
        }
        "Paused" => {
            hints.push("the policy is paused: set `mode: Active`".to_owned());
            return hints;
        }
        _ => {}
    }
    match decision.reason.as_str() {
        "ScalingDisabled" => {
            hints.push(format!(
                "the deployment has replicas: 0, which means off: scale it to {} or more",
                explained.min_replicas.max(1)
            ));
            return hints;
        }
        "InsufficientData" => {
            hints.extend(silent(decision));
            return hints;
        }
        "Fallback" => {
            hints.push(
                "spec.fallback applies while no metric has data; it adds and never takes away"
                    .to_owned(),
            );
            hints.extend(silent(decision));
            return hints;
        }
        // The message names who it is, or what fails, and what to do about it.
        "Conflict" | "ClusterSilent" => {
            hints.push(decision.message.clone());
            return hints;
        }
        "NodeSaturated" => hints.push(
            "more replicas would wait too: give the cluster a node with room, or take load off these".to_owned(),
        ),
        _ => {}
    }
    hints.extend(
        decision
            .limits
            .iter()
            .filter_map(|limit| lifted(limit, explained, decision)),
    );
    hints.extend(
        decision
            .evidence
            .iter()
            .filter_map(|metric| moved(metric, decision.current)),
    );
    if hints.is_empty() {
        hints.push("no metric of the policy proposes anything".to_owned());
    }
    hints
}

fn without_decision(explained: &Explained) -> String {
    match (explained.status.as_str(), &explained.status_reason) {
        ("InForce", _) => "the scaler has just begun: ask again in a few seconds".to_owned(),
        (_, Some(reason)) => reason.clone(),
        (status, None) => status.to_owned(),
    }
}

fn silent(decision: &DecisionView) -> Vec<String> {
    let pods = decision.pods;
    let mut hints = Vec::new();
    let unheard = pods.missing.saturating_sub(pods.contradictory);
    if unheard > 0 {
        hints.push(format!(
            "{unheard} ready pods send no samples: is probe-agent running on their nodes, and connected? \
             (viperscale_agents_connected, `probe-agent check` there)"
        ));
    }
    if pods.contradictory > 0 {
        hints.push(format!(
            "the samples of {} pods contradict each other, so they are not believed: is one probe-agent \
             running on their nodes, and of this version?",
            pods.contradictory
        ));
    }
    if pods.ready == 0 && pods.missing == 0 {
        hints.push(format!(
            "no pod is ready for longer than the warm-up ({} are not): it goes on as soon as one is",
            pods.unready
        ));
    }
    let silent = decision
        .evidence
        .iter()
        .filter(|e| e.threshold.is_some() && e.proposal.is_none());
    hints.extend(silent.map(|metric| format!("{}: {}", named(metric), metric.detail)));
    hints
}

/// What would lift a limit.
fn lifted(limit: &str, explained: &Explained, decision: &DecisionView) -> Option<String> {
    let asked = decision
        .evidence
        .iter()
        .filter_map(|metric| metric.proposal)
        .max();
    let asked = asked.unwrap_or(decision.desired);
    Some(match limit {
        "TooManyReplicas" => format!(
            "maxReplicas is {}, the metrics ask for {asked}: raise it",
            explained.max_replicas
        ),
        "TooFewReplicas" => format!(
            "minReplicas is {}, the metrics ask for {asked}: lower it",
            explained.min_replicas
        ),
        "ScaleUpLimit" => format!(
            "behavior.scaleUp allows {} now; the metrics ask for {asked}: wait for its period to pass",
            decision.desired
        ),
        "ScaleDownLimit" => format!(
            "behavior.scaleDown allows {} now; the metrics ask for {asked}: wait for its period to pass",
            decision.desired
        ),
        "ScaleUpStabilized" => {
            "a lower recommendation is younger than the scale-up window: wait for it to pass"
                .to_owned()
        }
        "ScaleDownStabilized" => {
            "a higher recommendation is younger than the scale-down window: wait for it to pass"
                .to_owned()
        }
        "PartialData" => "not scaled down while a metric has no data".to_owned(),
        // Told by the reason.
        _ => return None,
    })
}

/// How far a metric is from asking for something else.
fn moved(metric: &EvidenceView, current: u32) -> Option<String> {
    let (value, threshold) = (
        metric.value?,
        metric.threshold.filter(|threshold| *threshold > 0.0)?,
    );
    let proposal = metric.proposal?;
    let ratio = times(value / threshold);
    let name = named(metric);
    let (now, at) = (&metric.value_text, &metric.threshold_text);
    Some(match proposal.cmp(&current) {
        std::cmp::Ordering::Greater => {
            format!("{name} asks for {proposal} until it is at {at} or below (now {now}, {ratio})")
        }
        std::cmp::Ordering::Less => {
            format!("{name} is content with {proposal} (now {now} of {at}, {ratio})")
        }
        std::cmp::Ordering::Equal => {
            format!("more replicas when {name} exceeds {at} (now {now}, {ratio})")
        }
    })
}

/// `runqLatency p95 of server`.
pub(super) fn named(metric: &EvidenceView) -> String {
    let container = metric.container.as_ref();
    let of = container.map_or(String::new(), |name| format!(" of {name}"));
    format!("{} {}{of}", metric.metric, metric.statistic)
}

/// `7.9x` of the threshold, `0.22x` of it.
pub(super) fn times(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 9.95 => format!("{ratio:.0}x"),
        ratio if ratio >= 0.995 => format!("{ratio:.1}x"),
        ratio => format!("{ratio:.2}x"),
    }
}
