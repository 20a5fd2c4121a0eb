//! Whole decisions on small deployments.

mod common;

use common::{
    FAULTS, NO_LIMITS, WAITING, at, crowded_out, node, observe, pod, pods, policy, sample,
    throttled, with_faults,
};
use scaler_core::{
    Autoscaler, ConditionKind, Decision, Limit, PodPhase, Reason, ScalingPolicy, Scheduling,
    Windows,
};

/// The scheduling of a container that uses half its quota of 0.2 cores and waits for nothing.
fn busy() -> Scheduling {
    Scheduling {
        on_cpu: common::SECOND / 10,
        voluntary_switches: 25,
        quota_periods: 10,
        ..Scheduling::default()
    }
}

/// One decision of a fresh autoscaler about as many ready pods as replicas.
fn decide(policy: ScalingPolicy, current: u32, windows: &Windows) -> Decision {
    let observation = observe(current, pods(current as usize), windows);
    Autoscaler::new(policy).decide(&observation, at(100))
}

#[test]
fn scales_up_with_a_reason() {
    let decision = decide(
        policy(FAULTS, NO_LIMITS),
        2,
        &with_faults(&[3000, 1000], 100),
    );
    assert_eq!((decision.current, decision.desired), (2, 4));
    assert_eq!(decision.change(), Some(4));
    assert_eq!(decision.reason, Reason::AboveThreshold);
    assert_eq!(
        decision.message,
        "userPageFaults rate 2000/s over 1000/s: 2 -> 4 replicas (ratio 2.00)"
    );
    let evidence = &decision.evidence[0];
    assert_eq!(
        (evidence.value, evidence.threshold),
        (Some(2000.0), Some(1000.0))
    );
    assert_eq!((evidence.pods_used, evidence.pods_missing), (2, 0));
    assert!(decision.has(ConditionKind::ScalingActive));
    assert!(!decision.has(ConditionKind::ScalingLimited));
}

#[test]
fn the_largest_proposal_wins_and_observed_metrics_do_not_count() {
    let metrics = "{name: runqLatency, threshold: 2ms, response: Step}, {name: userPageFaults, threshold: 1000}, \
                   {name: runqLatency, statistic: p99, response: Observe}";
    let mut windows = Windows::default();
    for index in 0..2 {
        let sample = sample(at(100), 100, 100, 40_000_000);
        windows.record(&pod(index).uid, "server", sample);
    }
    let decision = decide(policy(metrics, NO_LIMITS), 2, &windows);
    assert_eq!(decision.desired, 3, "a step up beats a ratio down");
    let proposals: Vec<_> = decision
        .evidence
        .iter()
        .map(|metric| metric.proposal)
        .collect();
    assert_eq!(proposals, [Some(3), Some(1), None]);
    assert!(
        decision.evidence[2].value.is_some(),
        "observed all the same"
    );
}

#[test]
fn a_percentile_of_a_deployment_is_a_percentile_of_its_events() {
    let mut windows = Windows::default();
    windows.record(&pod(0).uid, "server", sample(at(100), 0, 990, 1000));
    windows.record(&pod(1).uid, "server", sample(at(100), 0, 10, 1_000_000_000));
    let decision = decide(policy(WAITING, "maxReplicas: 20"), 2, &windows);
    let p95 = decision.evidence[0].value.unwrap();
    assert!(
        p95 < 1024.0,
        "1 % of the events are slow, so the p95 is fast: {p95}"
    );
}

#[test]
fn off_below_and_above_the_bounds_come_first() {
    let windows = with_faults(&[5000; 9], 100);
    let rest = "minReplicas: 3, maxReplicas: 5";
    let off = decide(policy(FAULTS, rest), 0, &windows);
    assert_eq!((off.desired, off.reason), (0, Reason::ScalingDisabled));
    let few = decide(policy(FAULTS, rest), 1, &windows);
    assert_eq!((few.desired, few.reason), (3, Reason::TooFewReplicas));
    assert_eq!(few.message, "below minReplicas: 1 -> 3 replicas");
    let many = decide(policy(FAULTS, rest), 9, &windows);
    assert_eq!((many.desired, many.reason), (5, Reason::TooManyReplicas));
    let full = decide(policy(FAULTS, rest), 5, &windows);
    assert_eq!(
        (full.desired, full.limits.as_slice()),
        (5, [Limit::TooManyReplicas].as_slice())
    );
    assert!(full.has(ConditionKind::ScalingLimited));
}

#[test]
fn dry_runs_decide_and_do_nothing_and_pauses_hold() {
    let windows = with_faults(&[5000], 100);
    let dry = decide(policy(FAULTS, "maxReplicas: 5, mode: DryRun"), 1, &windows);
    assert_eq!((dry.desired, dry.change()), (5, None));
    let paused = decide(policy(FAULTS, "maxReplicas: 5, mode: Paused"), 1, &windows);
    assert_eq!((paused.desired, paused.reason), (1, Reason::Paused));
    assert_eq!(
        paused.evidence[0].value_text, "5000/s",
        "measured all the same"
    );
}

#[test]
fn silence_is_no_reason_to_do_anything() {
    let decision = decide(policy(FAULTS, NO_LIMITS), 3, &with_faults(&[9000; 3], 90));
    assert_eq!(
        (decision.desired, decision.reason),
        (3, Reason::InsufficientData)
    );
    assert_eq!(
        decision.message,
        "no evidence from userPageFaults (no fresh samples); pods: 0 ready, 0 unready, 3 missing: 3 replicas stay"
    );
    assert!(!decision.has(ConditionKind::ScalingActive));
}

#[test]
fn partial_data_never_scales_down_but_may_scale_up() {
    let metrics = format!("{FAULTS}, {{name: sentBytes, threshold: 1MiB}}");
    let low = decide(policy(&metrics, NO_LIMITS), 3, &with_faults(&[10; 3], 100));
    assert_eq!((low.desired, low.reason), (3, Reason::InsufficientData));
    assert_eq!(low.limits, [Limit::PartialData]);
    let high = decide(
        policy(&metrics, NO_LIMITS),
        3,
        &with_faults(&[2000; 3], 100),
    );
    assert_eq!(high.desired, 6);
}

#[test]
fn pods_are_sorted_as_the_hpa_sorts_them() {
    let mut all = pods(7);
    all[1].terminating = true;
    all[2].phase = PodPhase::Failed;
    all[3].phase = PodPhase::Pending;
    all[4].age = Some(common::SECOND);
    all[5].ready = false;
    let windows = with_faults(&[2000, 9000, 9000, 9000, 9000, 9000], 100);
    let observation = observe(6, all, &windows);
    let decision = Autoscaler::new(policy(FAULTS, NO_LIMITS)).decide(&observation, at(100));
    let counts = decision.pods;
    // Six are asked for, five are there: the sixth is on its way.
    assert_eq!(
        (counts.ready, counts.unready, counts.missing, counts.ignored),
        (1, 4, 1, 2)
    );
    assert_eq!(
        decision.evidence[0].value,
        Some(2000.0),
        "only the first pod is judged"
    );
    assert_eq!(
        decision.desired, 6,
        "a ratio of 2 with the others idle crosses 1"
    );
}

#[test]
fn scale_down_waits_for_the_window_and_remembers_the_highest() {
    let rest = "maxReplicas: 20, behavior: {scaleDown: {stabilizationWindowSeconds: 30}}";
    let mut autoscaler = Autoscaler::new(policy(FAULTS, rest));
    let mut downs = Vec::new();
    for now in 100..140 {
        let windows = with_faults(&[if now == 104 { 1000 } else { 100 }; 4], now);
        let decision = autoscaler.decide(&observe(4, pods(4), &windows), at(now));
        if decision.desired < 4 {
            downs.push(now);
        } else if now > 104 {
            assert_eq!(decision.limits, [Limit::ScaleDownStabilized]);
            assert!(
                decision.message.contains("4 replicas stay, 1 wanted"),
                "{}",
                decision.message
            );
        }
    }
    assert_eq!(
        downs.first(),
        Some(&134),
        "30 s after the last second that needed four"
    );
}

#[test]
fn a_gap_in_the_data_neither_forgets_recommendations_nor_adds_any() {
    let rest = "maxReplicas: 20, behavior: {scaleDown: {stabilizationWindowSeconds: 30}}";
    let mut autoscaler = Autoscaler::new(policy(FAULTS, rest));
    let mut downs = Vec::new();
    for now in 100..140 {
        let windows = match now {
            100..105 => with_faults(&[1000; 4], now),
            105..120 => Windows::default(),
            _ => with_faults(&[100; 4], now),
        };
        let decision = autoscaler.decide(&observe(4, pods(4), &windows), at(now));
        if decision.desired < 4 {
            downs.push(now);
        }
    }
    assert_eq!(
        downs.first(),
        Some(&134),
        "30 s after the last second known to need four"
    );
}

#[test]
fn an_idle_deployment_goes_to_its_minimum_once_the_window_has_passed() {
    let idle_since = 110;
    // Seconds until the first scale-down, and the replicas in the end.
    let run = |start: u32, rest| {
        let mut autoscaler = Autoscaler::new(policy(WAITING, rest));
        let mut windows = Windows::default();
        let (mut current, mut first) = (start, None);
        for now in 100..400 {
            for pod in pods(current as usize) {
                let mut sample = sample(at(now), 0, 0, 0);
                sample.scheduling = Some(match now < idle_since {
                    true => busy(),
                    false => Scheduling::default(),
                });
                windows.record(&pod.uid, "server", sample);
            }
            let observation = observe(current, pods(current as usize), &windows);
            let decision = autoscaler.decide(&observation, at(now));
            assert_ne!(decision.reason, Reason::InsufficientData);
            if decision.desired < current {
                first.get_or_insert(now - idle_since);
            }
            assert!(decision.desired <= current, "{}", decision.message);
            autoscaler.scaled(current, decision.desired, at(now));
            current = decision.desired;
        }
        (first, current)
    };
    let (first, last) = run(5, "minReplicas: 2, maxReplicas: 20");
    assert_eq!(last, 2);
    assert!((60..90).contains(&first.unwrap()), "{first:?}");
    assert_eq!(run(5, "maxReplicas: 20").1, 1);
    assert_eq!(run(1, "maxReplicas: 20"), (None, 1));
}

#[test]
fn rate_limits_count_what_was_done() {
    let rest = "maxReplicas: 20, behavior: {scaleUp: {policies: [{type: Pods, value: 3, periodSeconds: 10}]}}";
    let mut autoscaler = Autoscaler::new(policy(FAULTS, rest));
    let mut decide = |current: u32, now| {
        let windows = with_faults(&vec![9000; current as usize], now);
        let decision =
            autoscaler.decide(&observe(current, pods(current as usize), &windows), at(now));
        autoscaler.scaled(current, decision.desired, at(now));
        decision
    };
    let first = decide(2, 100);
    assert_eq!(
        (first.desired, first.limits.as_slice()),
        (5, [Limit::ScaleUpLimit].as_slice())
    );
    assert_eq!(decide(5, 105).desired, 5);
    assert_eq!(decide(5, 110).desired, 8);
}

#[test]
fn few_events_are_no_ground_for_more_replicas() {
    let step = "{name: runqLatency, threshold: 2ms, response: Step}";
    let with = |events, sampling| {
        let mut windows = Windows::default();
        let mut sample = sample(at(100), 0, events, 90_000_000);
        for delta in sample.metrics.values_mut() {
            delta.sampling = sampling;
        }
        windows.record(&pod(0).uid, "server", sample);
        decide(policy(step, NO_LIMITS), 1, &windows).desired
    };
    let whole = |events| with(events, 1.0);
    assert_eq!((whole(0), whole(19), whole(20)), (1, 1, 2));
    // Of 190 events, one in ten recorded, only 19 were seen.
    assert_eq!((with(190, 0.1), with(200, 0.1)), (1, 2));
}

#[test]
fn queueing_scales_on_demand_and_says_so() {
    let mut autoscaler = Autoscaler::new(policy(WAITING, NO_LIMITS));
    let mut windows = Windows::default();
    let mut last = None;
    for now in 100..104 {
        let mut sample = sample(at(now), 0, 100, 40_000_000);
        sample.scheduling = Some(throttled());
        windows.record(&pod(0).uid, "server", sample);
        windows.record_node("local", node(at(now), 1.0));
        last = Some(autoscaler.decide(&observe(1, pods(1), &windows), at(now)));
    }
    let decision = last.unwrap();
    assert!(decision.desired > 1, "{decision:#?}");
    assert!(
        decision.message.starts_with("runqLatency p95 ")
            && decision.message.contains(" over 2ms: 1 -> ")
            && decision.message.contains("(demand "),
        "{}",
        decision.message
    );
}

#[test]
fn full_nodes_hold_unless_the_quota_explains_the_waiting_or_another_node_has_room() {
    let step = "{name: runqLatency, threshold: 2ms, response: Step}";
    let decide_with = |scheduling, busy, other: Option<f64>| {
        let mut windows = Windows::default();
        let mut sample = sample(at(100), 0, 100, 40_000_000);
        sample.scheduling = Some(scheduling);
        windows.record(&pod(0).uid, "server", sample);
        windows.record_node("local", node(at(100), busy));
        if let Some(busy) = other {
            windows.record_node("other", node(at(100), busy));
        }
        decide(policy(step, NO_LIMITS), 1, &windows)
    };
    let held = decide_with(crowded_out(), 1.0, None);
    assert_eq!((held.desired, held.reason), (1, Reason::NodeSaturated));
    assert!(held.has(ConditionKind::NodeSaturated));
    assert!(
        held.message.contains("2 wanted (all 1 nodes"),
        "{}",
        held.message
    );
    assert_eq!(decide_with(crowded_out(), 1.0, Some(0.99)).desired, 1);
    assert_eq!(decide_with(crowded_out(), 1.0, Some(0.5)).desired, 2);
    assert_eq!(decide_with(crowded_out(), 0.9, None).desired, 2);
    assert_eq!(decide_with(throttled(), 1.0, None).desired, 2);
}

/// The window still says that the pod waited for its neighbours; the newest second says what the
/// step has brought.
#[test]
fn a_full_node_does_not_hold_back_pods_that_have_just_met_their_quota() {
    let step = "{name: runqLatency, threshold: 2ms, response: Step}";
    let decide_after = |newest: Scheduling| {
        let mut windows = Windows::default();
        for now in 100..105 {
            let mut sample = sample(at(now), 0, 100, 40_000_000);
            sample.scheduling = Some(if now == 104 { newest } else { crowded_out() });
            windows.record(&pod(0).uid, "server", sample);
            windows.record_node("local", node(at(now), 1.0));
        }
        let mut autoscaler = Autoscaler::new(policy(step, NO_LIMITS));
        let decision = autoscaler.decide(&observe(1, pods(1), &windows), at(104));
        decision.desired
    };
    assert_eq!(decide_after(crowded_out()), 1);
    assert_eq!(decide_after(throttled()), 2);
}

#[test]
fn a_decision_is_data() {
    let decision = decide(policy(FAULTS, NO_LIMITS), 1, &with_faults(&[3000], 100));
    let json = serde_json::to_value(&decision).unwrap();
    assert_eq!(json["desired"], 3);
    assert_eq!(json["reason"], "AboveThreshold");
    assert_eq!(json["mode"], "Active");
    assert_eq!(json["evidence"][0]["metric"], "userPageFaults");
    assert_eq!(json["evidence"][0]["unit"], "events/s");
    assert_eq!(json["evidence"][0]["value_text"], "3000/s");
    assert_eq!(json["conditions"][0]["type"], "AbleToScale");
    assert_eq!(json["pods"]["ready"], 1);
}
