//! Which pods are judged, and which of their samples are believed.

mod common;

use std::time::Duration;

use common::{
    FAULTS, NO_LIMITS, SECOND, WAITING, at, node, observe, pod, pods, policy, sample, throttled,
    with_faults,
};
use proptest::prelude::*;
use scaler_core::{Autoscaler, NodeSample, Reason, Scheduling, Windows};

#[test]
fn pods_that_contradict_themselves_are_missing_and_the_reason_is_told() {
    let mut windows = Windows::default();
    for index in 0..3 {
        let mut sample = sample(at(100), 10, 100, 1000);
        sample.scheduling = Some(Scheduling {
            throttled_periods: 50,
            quota_periods: 10,
            ..Scheduling::default()
        });
        windows.record(&pod(index).uid, "server", sample);
    }
    let mut autoscaler = Autoscaler::new(policy(FAULTS, NO_LIMITS));
    let decision = autoscaler.decide(&observe(3, pods(3), &windows), at(100));
    assert_eq!(
        (decision.desired, decision.reason),
        (3, Reason::InsufficientData)
    );
    assert_eq!((decision.pods.contradictory, decision.pods.missing), (3, 3));
    assert!(
        decision
            .message
            .contains("(contradictory samples: throttled in more quota periods than there were)"),
        "{}",
        decision.message
    );
}

#[test]
fn one_pod_that_claims_more_than_its_node_has_is_not_believed() {
    let mut windows = Windows::default();
    windows.record_node("local", node(at(100), 0.5));
    for index in 0..2 {
        let mut sample = sample(at(100), 5000, 100, 1000);
        sample.scheduling = Some(Scheduling {
            on_cpu: SECOND * 1000,
            ..throttled()
        });
        windows.record(&pod(index).uid, "server", sample);
    }
    let mut autoscaler = Autoscaler::new(policy(FAULTS, NO_LIMITS));
    let decision = autoscaler.decide(&observe(2, pods(2), &windows), at(100));
    assert_eq!((decision.desired, decision.pods.contradictory), (2, 2));
}

#[test]
fn a_rollout_is_judged_by_its_new_pods_once_half_of_them_are_there() {
    let decide = |newer: usize, old_faults: u64, new_faults: u64| {
        let mut all = pods(4 + newer);
        let mut faults = vec![new_faults; newer];
        faults.extend([old_faults; 4]);
        for pod in &mut all[newer..] {
            pod.outdated = true;
        }
        let windows = with_faults(&faults, 100);
        Autoscaler::new(policy(FAULTS, NO_LIMITS)).decide(&observe(4, all, &windows), at(100))
    };
    let early = decide(1, 1000, 1000);
    assert_eq!(
        (early.pods.ready, early.pods.leaving),
        (5, 0),
        "the old ones still speak"
    );
    assert_eq!(early.desired, 4);
    let late = decide(2, 9000, 1000);
    assert_eq!((late.pods.ready, late.pods.leaving), (2, 4));
    assert_eq!(
        late.desired, 4,
        "what the old version does is no ground for more of the new one"
    );
    let surged = decide(1, 1300, 1300);
    assert_eq!(
        surged.desired, 6,
        "1.3 times what was asked for, not what is there"
    );
}

#[test]
fn work_that_pods_do_to_start_is_no_demand() {
    // Two settled pods at half their quota; two that have just started use all of theirs.
    let run = |starting: bool| {
        let mut autoscaler = Autoscaler::new(policy(WAITING, NO_LIMITS));
        let mut last = None;
        let mut windows = Windows::default();
        for now in 100..108 {
            let mut all = pods(4);
            for (index, pod) in all.iter_mut().enumerate() {
                let warming = starting && index >= 2;
                pod.age = Some(Duration::from_secs(if warming { now - 99 } else { 600 }));
                let mut sample = sample(at(now), 0, 100, 100_000);
                sample.scheduling = Some(Scheduling {
                    on_cpu: SECOND / if warming { 5 } else { 10 },
                    wait: SECOND / 100,
                    voluntary_switches: 25,
                    quota_periods: 10,
                    ..Scheduling::default()
                });
                windows.record(&pod.uid, "server", sample);
            }
            last = Some(autoscaler.decide(&observe(4, all, &windows), at(now)));
        }
        last.unwrap().evidence[0].demand_cores
    };
    let (settled, spiking) = (run(false).unwrap(), run(true).unwrap());
    assert!((settled - spiking).abs() < 0.02, "{settled} {spiking}");
}

#[test]
fn zeros_from_the_start_count_once_something_else_shows_that_they_are_measured() {
    let run = |witnessed: bool| {
        let mut autoscaler = Autoscaler::new(policy(WAITING, "maxReplicas: 20"));
        let mut windows = Windows::default();
        let mut current = 4;
        for now in 100..400 {
            let node = NodeSample {
                scheduler_seen: witnessed,
                ..node(at(now), 0.1)
            };
            windows.record_node("local", node);
            for pod in pods(current as usize) {
                let mut sample = sample(at(now), 0, 0, 0);
                sample.scheduling = Some(Scheduling::default());
                windows.record(&pod.uid, "server", sample);
            }
            let decision =
                autoscaler.decide(&observe(current, pods(current as usize), &windows), at(now));
            autoscaler.scaled(current, decision.desired, at(now));
            current = decision.desired;
        }
        current
    };
    assert_eq!(run(true), 1, "an idle deployment");
    assert_eq!(run(false), 4, "or a probe that sees nothing");
}

proptest! {
    /// Pods beyond those asked for, as a rollout has them, do not multiply what the metrics want; and
    /// more load never wants fewer replicas, whichever pods there are.
    #[test]
    fn a_rollout_does_not_inflate(
        current in 1u32..12, newer in 0usize..12, older in 0usize..12,
        (low, high) in (0u64..5000, 0u64..5000),
    ) {
        let (low, high) = (low.min(high), low.max(high));
        let desired = |faults: u64| {
            let mut all = pods(newer + older);
            for pod in &mut all[newer..] {
                pod.outdated = true;
            }
            let windows = with_faults(&vec![faults; newer + older], 100);
            let policy = policy(FAULTS, &NO_LIMITS.replacen("20", "100", 1));
            Autoscaler::new(policy).decide(&observe(current, all, &windows), at(100)).desired
        };
        // Divided and multiplied again, a whole number may come out a little larger.
        let most = (high as f64 / 1000.0 * f64::from(current) + 1e-6).ceil() as u32;
        prop_assert!(desired(high) <= most.max(current));
        prop_assert!(desired(low) <= desired(high));
    }
}
