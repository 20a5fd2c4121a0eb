//! What keeps decisions from being carried out, and what keeps odd data from making any.

mod common;

use std::time::Duration;

use common::{observe, pod, pods, policy, sample, throttled};
use proptest::collection::vec;
use proptest::prelude::*;
use scaler_core::{
    Autoscaler, Circumstances, ConditionKind, Decision, Limit, NodeSample, Observation,
    PodObservation, Reason, Rival, RivalKind, ScalingPolicy, Scheduling, Timestamp, Windows,
};

const FAULTS: &str = "{name: userPageFaults, threshold: 1000}";
const WAITING: &str = "{name: runqLatency, threshold: 2ms}";
const NO_LIMITS: &str = "maxReplicas: 20, behavior: {scaleUp: {policies: [{type: Pods, value: 100, periodSeconds: 1}]}, \
     scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 100, periodSeconds: 1}]}}";

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn with_faults(faults: &[u64], now: u64) -> Windows {
    let mut windows = Windows::default();
    for (index, faults) in faults.iter().enumerate() {
        windows.record(&pod(index).uid, "server", sample(at(now), *faults, 0, 0));
    }
    windows
}

fn rival() -> Rival {
    Rival {
        kind: RivalKind::HorizontalPodAutoscaler,
        namespace: "b".to_owned(),
        name: "a".to_owned(),
    }
}

fn beside_a_rival(current: u32, windows: &Windows) -> Observation<'_> {
    Observation {
        circumstances: Circumstances {
            rivals: vec![rival()],
            outdated: None,
        },
        ..observe(current, pods(current as usize), windows)
    }
}

fn reason_of(decision: &Decision, kind: ConditionKind) -> &'static str {
    let mut conditions = decision.conditions.iter();
    conditions
        .find(|condition| condition.kind == kind)
        .map_or("", |condition| condition.reason)
}

#[test]
fn an_active_policy_holds_beside_another_autoscaler_and_says_whose() {
    let windows = with_faults(&[3000, 3000], 100);
    let mut autoscaler = Autoscaler::new(policy(FAULTS, NO_LIMITS));
    let held = autoscaler.decide(&beside_a_rival(2, &windows), at(100));
    assert_eq!((held.desired, held.change()), (2, None));
    assert_eq!(
        (held.reason, held.limits.as_slice()),
        (Reason::Conflict, [Limit::Conflict].as_slice())
    );
    assert!(held.has(ConditionKind::Conflict) && !held.has(ConditionKind::AbleToScale));
    assert_eq!(
        held.message,
        "HorizontalPodAutoscaler b/a scales this deployment too; delete the \
         HorizontalPodAutoscaler, or this policy: 2 replicas stay"
    );
    assert_eq!(
        held.evidence[0].value_text, "3000/s",
        "measured all the same"
    );
    let free = autoscaler.decide(&observe(2, pods(2), &windows), at(100));
    assert_eq!(
        free.change(),
        Some(6),
        "it goes on when the other one is gone"
    );
    assert!(!free.has(ConditionKind::Conflict));
}

#[test]
fn even_bounds_are_left_to_the_other_autoscaler() {
    let windows = with_faults(&[10; 9], 100);
    let mut autoscaler = Autoscaler::new(policy(FAULTS, "minReplicas: 2, maxReplicas: 5"));
    for current in [1, 9] {
        let held = autoscaler.decide(&beside_a_rival(current, &windows), at(100));
        assert_eq!((held.desired, held.reason), (current, Reason::Conflict));
    }
}

#[test]
fn after_a_conflict_the_way_down_takes_a_whole_window() {
    let rest = "maxReplicas: 20, behavior: {scaleDown: {stabilizationWindowSeconds: 30}}";
    let mut autoscaler = Autoscaler::new(policy(FAULTS, rest));
    let mut first = None;
    for now in 100..200 {
        let windows = with_faults(&[10; 4], now);
        let observation = match now < 150 {
            true => beside_a_rival(4, &windows),
            false => observe(4, pods(4), &windows),
        };
        if autoscaler.decide(&observation, at(now)).desired < 4 {
            first.get_or_insert(now);
        }
    }
    assert_eq!(
        first,
        Some(179),
        "30 s after the last second in which the other one held four"
    );
}

#[test]
fn a_dry_run_beside_another_autoscaler_goes_on_and_shows_the_conflict() {
    let windows = with_faults(&[3000, 3000], 100);
    let mut autoscaler = Autoscaler::new(policy(FAULTS, "maxReplicas: 20, mode: DryRun"));
    let dry = autoscaler.decide(&beside_a_rival(2, &windows), at(100));
    assert_eq!((dry.desired, dry.change()), (6, None));
    assert!(dry.has(ConditionKind::Conflict));
    assert_eq!(reason_of(&dry, ConditionKind::AbleToScale), "DryRun");
    assert!(
        dry.message
            .starts_with("dry run, not carried out: userPageFaults"),
        "{}",
        dry.message
    );
}

#[test]
fn old_news_of_the_api_server_is_no_ground_for_anything() {
    let windows = with_faults(&[3000, 3000], 100);
    let mut observation = observe(2, pods(2), &windows);
    observation.circumstances.outdated = Some("the watch of pods has failed for 31 s".to_owned());
    let decision = Autoscaler::new(policy(FAULTS, NO_LIMITS)).decide(&observation, at(100));
    assert_eq!(
        (decision.desired, decision.reason),
        (2, Reason::ClusterSilent)
    );
    assert!(!decision.has(ConditionKind::AbleToScale));
    assert!(
        decision.message.starts_with("the watch of pods"),
        "{}",
        decision.message
    );
}

#[test]
fn a_fallback_adds_replicas_after_its_time_and_keeps_to_the_rate_limits() {
    let rest = "maxReplicas: 20, fallback: {replicas: 8, after: 60s}, \
                behavior: {scaleUp: {policies: [{type: Pods, value: 4, periodSeconds: 10}]}}";
    let mut autoscaler = Autoscaler::new(policy(FAULTS, rest));
    let mut changes = Vec::new();
    let mut current = 2;
    for now in 100..200 {
        let windows = Windows::default();
        let decision =
            autoscaler.decide(&observe(current, pods(current as usize), &windows), at(now));
        if decision.desired != current {
            changes.push((now, current, decision.desired, decision.reason));
            assert!(
                decision.message.contains("so the fallback applies"),
                "{}",
                decision.message
            );
            assert_eq!(
                reason_of(&decision, ConditionKind::ScalingActive),
                "Fallback"
            );
        }
        autoscaler.scaled(current, decision.desired, at(now));
        current = decision.desired;
    }
    assert_eq!(
        changes,
        [(160, 2, 6, Reason::Fallback), (170, 6, 8, Reason::Fallback)]
    );
}

#[test]
fn a_fallback_never_shrinks_and_ends_with_the_silence() {
    let rest = "maxReplicas: 20, fallback: {replicas: 3, after: 10s}";
    let mut autoscaler = Autoscaler::new(policy(FAULTS, rest));
    for now in 100..130 {
        let windows = Windows::default();
        let decision = autoscaler.decide(&observe(5, pods(5), &windows), at(now));
        assert_eq!(
            (decision.desired, decision.reason),
            (5, Reason::InsufficientData)
        );
    }
    let windows = with_faults(&[1000; 2], 130);
    let heard = autoscaler.decide(&observe(2, pods(2), &windows), at(130));
    assert_eq!(heard.reason, Reason::WithinThreshold);
    let windows = Windows::default();
    let silent = autoscaler.decide(&observe(2, pods(2), &windows), at(134));
    assert_eq!(
        (silent.desired, silent.reason),
        (2, Reason::InsufficientData),
        "counted anew"
    );
}

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
    windows.record_node("local", common::node(at(100), 0.5));
    for index in 0..2 {
        let mut sample = sample(at(100), 5000, 100, 1000);
        sample.scheduling = Some(Scheduling {
            on_cpu: common::SECOND * 1000,
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
                    on_cpu: common::SECOND / if warming { 5 } else { 10 },
                    wait: common::SECOND / 100,
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
                ..common::node(at(now), 0.1)
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

fn any_policy() -> impl Strategy<Value = ScalingPolicy> {
    (0..3usize, 1u32..5, 0u32..30, any::<bool>()).prop_map(|(mode, min, more, fallback)| {
        let mode = ["Active", "DryRun", "Paused"][mode];
        let fallback = match fallback {
            true => format!("fallback: {{replicas: {}, after: 10s}}, ", min + more),
            false => String::new(),
        };
        let rest = format!(
            "{fallback}minReplicas: {min}, maxReplicas: {}, mode: {mode}",
            min + more
        );
        policy(FAULTS, &rest)
    })
}

fn any_pods() -> impl Strategy<Value = Vec<PodObservation>> {
    vec((any::<bool>(), any::<bool>(), 0u64..30), 0..12).prop_map(|pods| {
        let pods = pods.into_iter().enumerate();
        pods.map(|(index, (ready, outdated, age))| PodObservation {
            ready,
            outdated,
            age: Some(Duration::from_secs(age)),
            ..pod(index)
        })
        .collect()
    })
}

proptest! {
    /// Whatever happens: nothing is written beside a rival, on old news, for a policy that is not
    /// active, or for a deployment that is off; and what is written is inside the bounds.
    #[test]
    fn nothing_is_written_that_must_not_be(
        policy in any_policy(),
        rounds in vec((0u32..40, any_pods(), vec(0u64..5000, 0..12), any::<bool>(), any::<bool>()), 1..20),
    ) {
        let (min, max) = (policy.min_replicas, policy.max_replicas);
        let mut autoscaler = Autoscaler::new(policy);
        for (second, (current, pods, faults, contested, old)) in (100..).zip(rounds) {
            let windows = with_faults(&faults, second);
            let observation = Observation {
                circumstances: Circumstances {
                    rivals: if contested { vec![rival()] } else { Vec::new() },
                    outdated: old.then(|| "old".to_owned()),
                },
                ..observe(current, pods, &windows)
            };
            let decision = autoscaler.decide(&observation, at(second));
            prop_assert_eq!(decision.has(ConditionKind::Conflict), contested);
            if let Some(to) = decision.change() {
                prop_assert!(!contested && !old && current > 0, "{:?}", decision);
                prop_assert!((min..=max).contains(&to), "{:?}", decision);
            }
        }
    }

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

    /// On silence the count may only rise, to the fallback and no further.
    #[test]
    fn silence_never_takes_replicas_away(
        policy in any_policy(), current in 1u32..40, seconds in 1u64..120,
    ) {
        let inside = current.clamp(policy.min_replicas, policy.max_replicas);
        let most = policy.fallback.map_or(inside, |fallback| fallback.replicas.max(inside));
        let mut autoscaler = Autoscaler::new(policy);
        let windows = Windows::default();
        let mut replicas = inside;
        for now in 100..100 + seconds {
            let there = pods(replicas as usize);
            let decision = autoscaler.decide(&observe(replicas, there, &windows), at(now));
            prop_assert!((replicas..=most).contains(&decision.desired), "{:?}", decision);
            autoscaler.scaled(replicas, decision.desired, at(now));
            replicas = decision.desired;
        }
    }
}
