use super::*;
use crate::crd::{Difference, difference};
use scaler_core::Learned;
use scaler_core::policy::Response;
use scaler_core::{Limit, Metric, PodCounts, Statistic, Unit};

fn at(seconds: i64) -> WallTime {
    WallTime::from_second(seconds).unwrap()
}

fn decision(current: u32, desired: u32, reason: Reason) -> Decision {
    let condition = |kind, status, reason| scaler_core::Condition {
        kind,
        status,
        reason,
        message: "so it is".to_owned(),
    };
    Decision {
        desired,
        current,
        mode: Mode::Active,
        reason,
        message: "because".to_owned(),
        evidence: vec![Evidence {
            metric: Metric::RunqLatency,
            container: None,
            statistic: Statistic::P95,
            response: Response::Queueing,
            unit: Unit::Time,
            value: Some(38e6),
            value_text: "38ms".to_owned(),
            relative_error: None,
            threshold: Some(2e6),
            threshold_text: "2ms".to_owned(),
            proposal: Some(desired),
            detail: String::new(),
            demand_cores: None,
            pods_used: 1,
            pods_missing: 0,
            pods_unready: 0,
        }],
        limits: Vec::<Limit>::new(),
        conditions: vec![
            condition(ConditionKind::AbleToScale, true, "ReadyForNewScale"),
            condition(ConditionKind::ScalingActive, true, "ValidMetricFound"),
            condition(ConditionKind::ScalingLimited, false, "DesiredWithinRange"),
            condition(ConditionKind::NodeSaturated, false, "NodesHaveRoom"),
        ],
        pods: PodCounts::default(),
    }
}

fn findings<'a>(standing: &'a Standing, decision: Option<&'a Decision>) -> Findings<'a> {
    Findings {
        generation: 3,
        standing,
        decision: decision.map(|decision| (decision, at(100))),
        write: None,
        last_scale: None,
        learned: &[],
        now: at(101),
    }
}

/// `Ready=True/Scaling AbleToScale=...`.
fn words(status: &ScalingPolicyStatus) -> String {
    let words: Vec<String> = status
        .conditions
        .iter()
        .map(|c| format!("{}={}/{}", c.kind, c.status, c.reason))
        .collect();
    words.join(" ")
}

#[test]
fn a_decision_becomes_a_status() {
    let decision = decision(1, 4, Reason::AboveThreshold);
    let status = report(&findings(&Standing::InForce, Some(&decision)), None);
    assert_eq!(
        words(&status),
        "Ready=True/Scaling AbleToScale=True/ReadyForNewScale ScalingActive=True/ValidMetricFound \
         ScalingLimited=False/DesiredWithinRange Conflict=False/SoleOwner \
         NodeSaturated=False/NodesHaveRoom"
    );
    assert_eq!(status.observed_generation, 3);
    assert!(status.conditions.iter().all(|c| c.observed_generation == 3));
    assert_eq!(
        (status.current_replicas, status.desired_replicas),
        (Some(1), Some(4))
    );
    assert_eq!(
        status.metrics_summary.as_deref(),
        Some("runqLatency p95 38ms (2ms)")
    );
    assert_eq!(status.metrics[0].threshold.as_deref(), Some("2ms"));
    assert_eq!(status.last_decision.unwrap().reason, "AboveThreshold");
}

#[test]
fn readiness_is_strict() {
    let ready = |findings: &Findings<'_>| {
        let status = report(findings, None);
        let ready = &status.conditions[0];
        format!("{}/{}: {}", ready.status, ready.reason, ready.message)
    };
    let in_force = Standing::InForce;
    assert_eq!(
        ready(&findings(&in_force, None)),
        "Unknown/Starting: no decision has been made yet"
    );
    let wants_more = decision(1, 4, Reason::AboveThreshold);
    let mut late = findings(&in_force, Some(&wants_more));
    late.now = at(131);
    assert_eq!(
        ready(&late),
        "Unknown/NoDecisions: no decision for more than 30 s"
    );
    let silent = decision(1, 1, Reason::InsufficientData);
    assert_eq!(
        ready(&findings(&in_force, Some(&silent))),
        "False/InsufficientData: because"
    );
    let refused = Outcome::Failed {
        problem: "forbidden: may not patch deployments/scale".to_owned(),
    };
    let mut failed = findings(&in_force, Some(&wants_more));
    failed.write = Some(&refused);
    assert_eq!(
        ready(&failed),
        "False/FailedUpdateScale: forbidden: may not patch deployments/scale"
    );
    let content = decision(4, 4, Reason::WithinThreshold);
    failed.decision = Some((&content, at(100)));
    assert!(
        ready(&failed).starts_with("True/Scaling"),
        "a failure that matters no more"
    );
    let missing = Standing::DeploymentNotFound("there is no Deployment shop/web".to_owned());
    assert_eq!(
        ready(&findings(&missing, None)),
        "False/DeploymentNotFound: there is no Deployment shop/web"
    );
}

#[test]
fn an_invalid_version_says_which_one_stays() {
    let problem = "spec.metrics[0]: listed twice".to_owned();
    let invalid = |in_force| Standing::Invalid {
        problem: problem.clone(),
        in_force,
    };
    let decision = decision(1, 1, Reason::WithinThreshold);
    let kept = report(&findings(&invalid(Some(2)), Some(&decision)), None);
    assert_eq!(
        kept.conditions[0].message,
        "spec.metrics[0]: listed twice; generation 2 stays in force"
    );
    assert_eq!(
        kept.current_replicas,
        Some(1),
        "the old version still decides"
    );
    let lost = report(&findings(&invalid(None), None), None);
    assert_eq!(
        lost.conditions[0].message,
        "spec.metrics[0]: listed twice; nothing is measured or scaled"
    );
    assert!(words(&lost).contains("ScalingActive=Unknown/NotInForce"));
}

#[test]
fn a_conflict_is_a_condition_of_its_own() {
    let standing = Standing::Conflict {
        reason: "AnotherPolicy".to_owned(),
        message: "deployment shop/web has another policy".to_owned(),
    };
    let status = report(&findings(&standing, None), None);
    let words = words(&status);
    assert!(words.contains("Ready=False/AnotherPolicy"), "{words}");
    assert!(words.contains("Conflict=True/AnotherPolicy"), "{words}");
    assert_eq!(status.desired_replicas, None);
}

#[test]
fn times_of_transition_stay_until_the_status_of_a_condition_changes() {
    let decision = decision(1, 1, Reason::WithinThreshold);
    let first = report(&findings(&Standing::InForce, Some(&decision)), None);
    let mut later = findings(&Standing::InForce, Some(&decision));
    later.now = at(120);
    let second = report(&later, Some(&first));
    assert_eq!(second.conditions[0].last_transition_time, Time(at(101)));
    later.now = at(140);
    let third = report(&later, Some(&second));
    assert_eq!(third.conditions[0].status, "Unknown");
    assert_eq!(third.conditions[0].last_transition_time, Time(at(140)));
}

#[test]
fn values_are_no_news_but_states_are() {
    let one = decision(1, 1, Reason::WithinThreshold);
    let mut other = one.clone();
    other.evidence[0].value_text = "39ms".to_owned();
    let mut more = one.clone();
    more.desired = 2;
    let status = |decision: &Decision| report(&findings(&Standing::InForce, Some(decision)), None);
    let first = status(&one);
    assert_eq!(difference(None, &first), Difference::State);
    assert_eq!(difference(Some(&first), &status(&one)), Difference::None);
    assert_eq!(
        difference(Some(&first), &status(&other)),
        Difference::Values
    );
    assert_eq!(difference(Some(&first), &status(&more)), Difference::State);
}

#[test]
fn a_fresh_change_is_told_with_the_hpas_word() {
    let decision = decision(4, 4, Reason::WithinThreshold);
    let mut fresh = findings(&Standing::InForce, Some(&decision));
    fresh.last_scale = Some(at(95));
    assert!(words(&report(&fresh, None)).contains("AbleToScale=True/SucceededRescale"));
    fresh.now = at(111);
    assert!(words(&report(&fresh, None)).contains("AbleToScale=True/ReadyForNewScale"));
}

#[test]
fn absent_values_are_nulls_of_the_patch() {
    let status = report(&findings(&Standing::InForce, None), None);
    let patch = serde_json::to_value(&status).unwrap();
    assert!(patch["desiredReplicas"].is_null() && patch.get("desiredReplicas").is_some());
    assert!(patch.get("lastDecision").is_some());
}

/// A merge patch replaces a list whole, and leaves the `null`s in it, which `kubectl describe` shows.
#[test]
fn absent_values_of_list_items_are_absent() {
    let mut decision = decision(2, 2, Reason::InsufficientData);
    decision.evidence[0].container = None;
    decision.evidence[0].value = None;
    decision.evidence[0].threshold = None;
    decision.evidence[0].proposal = None;
    let standing = Standing::InForce;
    let mut findings = findings(&standing, Some(&decision));
    let learned = [Learned {
        container: None,
        statistic: Statistic::P95,
        utilisation: 0.4,
    }];
    findings.learned = &learned;
    let patch = serde_json::to_value(report(&findings, None)).unwrap();
    let keys = |item: &serde_json::Value| item.as_object().unwrap().keys().cloned().collect();
    let (metric, learned): (Vec<_>, Vec<_>) =
        (keys(&patch["metrics"][0]), keys(&patch["learned"][0]));
    assert_eq!(metric, ["name", "statistic"]);
    assert_eq!(learned, ["statistic", "utilisation"]);
    // What an earlier version wrote is still read.
    let written = serde_json::json!({"name": "runqLatency", "statistic": "p95", "value": null});
    let read: MetricStatus = serde_json::from_value(written).unwrap();
    assert_eq!(read.value, None);
}

#[test]
fn another_autoscaler_is_a_conflict_as_another_policy_is() {
    let mut decision = decision(3, 3, Reason::Conflict);
    let rival = "HorizontalPodAutoscaler shop/web scales this deployment too";
    decision.conditions.push(scaler_core::Condition {
        kind: ConditionKind::Conflict,
        status: true,
        reason: "AnotherAutoscaler",
        message: rival.to_owned(),
    });
    let words = words(&report(
        &findings(&Standing::InForce, Some(&decision)),
        None,
    ));
    assert!(words.contains("Ready=False/AnotherAutoscaler"), "{words}");
    assert!(words.contains("Conflict=True/AnotherAutoscaler"), "{words}");
}

#[test]
fn what_was_learned_is_kept_until_something_else_is() {
    let learned = [Learned {
        container: None,
        statistic: Statistic::P95,
        utilisation: 0.4267,
    }];
    let standing = Standing::InForce;
    let mut findings = findings(&standing, None);
    assert_eq!(report(&findings, None).learned, None);
    findings.learned = &learned;
    let status = report(&findings, None);
    let read: Vec<Learned> = status.learned().collect();
    let rounded = Learned {
        utilisation: 0.43,
        ..learned[0].clone()
    };
    assert_eq!(read, [rounded], "to the percent");
    findings.learned = &[];
    assert_eq!(report(&findings, Some(&status)).learned, status.learned);
}
