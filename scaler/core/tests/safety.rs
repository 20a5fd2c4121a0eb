//! What keeps decisions from being carried out.

mod common;

use std::time::Duration;

use common::{FAULTS, NO_LIMITS, at, observe, pod, pods, policy, with_faults};
use proptest::collection::vec;
use proptest::prelude::*;
use scaler_core::{
    Autoscaler, Circumstances, ConditionKind, Decision, Limit, Observation, PodObservation, Reason,
    Rival, RivalKind, ScalingPolicy, Windows,
};

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
