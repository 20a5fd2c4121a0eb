use super::*;
use crate::explain::view::{PodsView, WriteView};

fn metric() -> EvidenceView {
    EvidenceView {
        metric: "runqLatency".to_owned(),
        container: Some("server".to_owned()),
        statistic: "p95".to_owned(),
        response: "Queueing".to_owned(),
        unit: "ns".to_owned(),
        value: Some(39.5e6),
        value_text: "39.5ms".to_owned(),
        relative_error: None,
        threshold: Some(5e6),
        threshold_text: "5ms".to_owned(),
        proposal: Some(27),
        detail: "demand 2.31 cores at utilisation 0.43".to_owned(),
        demand_cores: Some(2.31),
        pods_used: 18,
        pods_missing: 0,
    }
}

fn explained() -> Explained {
    let decision = DecisionView {
        desired: 20,
        current: 18,
        mode: "Active".to_owned(),
        reason: "AboveThreshold".to_owned(),
        message: "runqLatency p95 of server 39.5ms over 5ms: 18 -> 20 replicas, 27 wanted"
            .to_owned(),
        evidence: vec![metric()],
        limits: vec!["TooManyReplicas".to_owned()],
        pods: PodsView {
            ready: 18,
            ..PodsView::default()
        },
    };
    Explained {
        namespace: "shop".to_owned(),
        name: "recommendation".to_owned(),
        deployment: "recommendationservice".to_owned(),
        file: "recommendation.yaml".to_owned(),
        mode: "Active".to_owned(),
        status: "InForce".to_owned(),
        status_reason: None,
        min_replicas: 1,
        max_replicas: 20,
        latest: Some(Told {
            age_seconds: 0.4,
            decision: decision.clone(),
        }),
        write: Some(WriteView {
            result: "Applied".to_owned(),
            problem: None,
            found: None,
        }),
        turns: Vec::new(),
        changes: vec![Changed {
            age_seconds: 75.0,
            from: 12,
            to: 18,
            decision,
        }],
    }
}

/// A change of this text is a change of what people read: look at it before accepting it.
#[test]
fn an_explanation_reads_from_verdict_to_history() {
    let expected = "\
shop/recommendation  Deployment recommendationservice, Active, 1 to 20 replicas  (recommendation.yaml)

18 replicas, wants 20: AboveThreshold, held back by TooManyReplicas  (0.4 s ago)
  runqLatency p95 of server 39.5ms over 5ms: 18 -> 20 replicas, 27 wanted

  metric                     now     threshold        asks for  demand      because
  runqLatency p95 of server  39.5ms  5ms        7.9x  27        2.31 cores  demand 2.31 cores at utilisation 0.43

  pods: 18 ready, 0 unready, 0 silent, 0 ending
  last write: Applied

For another replica count:
  - maxReplicas is 20, the metrics ask for 27: raise it
  - runqLatency p95 of server asks for 27 until it is at 5ms or below (now 39.5ms, 7.9x)

Last changes:
     75.0 s ago  12 -> 18  runqLatency p95 of server 39.5ms over 5ms: 18 -> 20 replicas, 27 wanted
";
    assert_eq!(render(&explained()), expected);
}

#[test]
fn each_way_of_standing_still_has_its_hint() {
    let hint = |change: fn(&mut Explained)| {
        let mut explained = explained();
        change(&mut explained);
        hints(&explained).remove(0)
    };
    assert!(hint(|e| e.latest = None).contains("just begun"));
    assert!(
        hint(|e| {
            e.latest = None;
            e.status = "Refused".to_owned();
            e.status_reason = Some("clashes".to_owned());
        })
        .contains("clashes")
    );
    assert!(
        hint(|e| {
            e.latest.as_mut().unwrap().decision.mode = "Paused".to_owned();
        })
        .contains("paused")
    );
    assert!(
        hint(|e| {
            e.latest.as_mut().unwrap().decision.mode = "DryRun".to_owned();
        })
        .contains("dry run")
    );
    assert!(
        hint(|e| {
            let decision = &mut e.latest.as_mut().unwrap().decision;
            decision.reason = "InsufficientData".to_owned();
            decision.pods.missing = 3;
        })
        .starts_with("3 ready pods send no samples")
    );
    assert!(
        hint(|e| {
            e.latest.as_mut().unwrap().decision.reason = "ScalingDisabled".to_owned();
        })
        .contains("replicas: 0")
    );
    assert!(
        hint(|e| {
            e.write.as_mut().unwrap().problem = Some("patch: forbidden".to_owned());
        })
        .contains("forbidden")
    );
}

#[test]
fn an_estimate_says_how_good_it_is() {
    let shown = |relative_error| {
        value(&EvidenceView {
            relative_error,
            ..metric()
        })
    };
    assert_eq!(shown(Some(0.0312)), "39.5ms ±3.1%");
    assert_eq!(shown(Some(0.0)), "39.5ms");
    assert_eq!(shown(None), "39.5ms");
}
