//! What one process's autoscaler knows of another's past.

mod common;

use std::time::Duration;

use common::{observe, pod, pods, policy, sample, throttled};
use proptest::prelude::*;
use scaler_core::{Autoscaler, Learned, Reason, Timestamp, Windows};

const FAULTS: &str = "{name: userPageFaults, threshold: 1000}";
const WAITING: &str = "{name: runqLatency, threshold: 2ms}";
/// Four pods in a minute, either way; scale-down at once.
const FOUR_A_MINUTE: &str = "maxReplicas: 50, window: 5s, behavior: {scaleUp: {policies: [{type: Pods, value: 4, periodSeconds: 60}]}, \
     scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 4, periodSeconds: 60}]}}";

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn desired(autoscaler: &mut Autoscaler, current: u32, faults: u64, now: u64) -> u32 {
    let mut windows = Windows::default();
    for index in 0..current as usize {
        windows.record(&pod(index).uid, "server", sample(at(now), faults, 0, 0));
    }
    let observation = observe(current, pods(current as usize), &windows);
    autoscaler.decide(&observation, at(now)).desired
}

#[test]
fn the_changes_of_the_one_before_count_for_the_limits() {
    let seen = [(at(10), 1, 2), (at(70), 2, 5)];
    let mut fresh = Autoscaler::new(policy(FAULTS, FOUR_A_MINUTE));
    assert_eq!(desired(&mut fresh, 5, 9000, 100), 9, "knows of nothing");
    let mut informed = Autoscaler::taking_over(policy(FAULTS, FOUR_A_MINUTE), seen, at(100));
    assert_eq!(
        desired(&mut informed, 5, 9000, 100),
        6,
        "three of four are used"
    );
    assert_eq!(
        desired(&mut informed, 6, 9000, 131),
        10,
        "those of 70 s are past"
    );
}

#[test]
fn nothing_is_taken_away_before_the_window_is_full() {
    let mut autoscaler = Autoscaler::taking_over(policy(FAULTS, FOUR_A_MINUTE), [], at(100));
    for now in 100..105 {
        assert_eq!(desired(&mut autoscaler, 4, 10, now), 4, "at {now}");
    }
    assert!(desired(&mut autoscaler, 4, 10, 105) < 4);
    let mut autoscaler = Autoscaler::taking_over(policy(FAULTS, FOUR_A_MINUTE), [], at(100));
    assert_eq!(
        desired(&mut autoscaler, 4, 9000, 100),
        8,
        "adding waits for nothing"
    );
}

#[test]
fn the_hold_says_why() {
    let mut windows = Windows::default();
    windows.record(&pod(0).uid, "server", sample(at(100), 10, 0, 0));
    windows.record(&pod(1).uid, "server", sample(at(100), 10, 0, 0));
    let mut autoscaler = Autoscaler::taking_over(policy(FAULTS, FOUR_A_MINUTE), [], at(99));
    let decision = autoscaler.decide(&observe(2, pods(2), &windows), at(100));
    assert_eq!(decision.reason, Reason::InsufficientData);
    assert!(
        decision
            .message
            .contains("nothing is taken away before the window is full"),
        "{}",
        decision.message
    );
}

#[test]
fn what_was_learned_is_handed_over() {
    let mut first = Autoscaler::new(policy(WAITING, "maxReplicas: 20"));
    for now in 100..140 {
        let mut windows = Windows::default();
        let mut crowded = sample(at(now), 0, 40, 50_000_000);
        crowded.scheduling = Some(throttled());
        windows.record(&pod(0).uid, "server", crowded);
        first.decide(&observe(1, pods(1), &windows), at(now));
    }
    let learned = first.learned();
    assert_eq!(learned.len(), 1);
    let mut second = Autoscaler::new(policy(WAITING, "maxReplicas: 20"));
    assert!(second.learned().is_empty());
    second.remember(learned.clone());
    assert_eq!(second.learned(), learned);
    second.remember([Learned {
        utilisation: 0.9,
        ..learned[0].clone()
    }]);
    assert_eq!(
        second.learned(),
        learned,
        "its own knowledge is not overwritten"
    );
    let mut other = Autoscaler::new(policy(FAULTS, "maxReplicas: 20"));
    other.remember(learned);
    assert!(other.learned().is_empty(), "nobody asks for it");
}

proptest! {
    /// Whatever was handed over, and however broken, what is remembered is a utilisation.
    #[test]
    fn nothing_handed_over_breaks_it(utilisation in any::<f64>()) {
        let mut autoscaler = Autoscaler::new(policy(WAITING, "maxReplicas: 20"));
        let statistic = autoscaler.policy().metrics[0].statistic;
        autoscaler.remember([Learned { container: None, statistic, utilisation }]);
        let learned = autoscaler.learned();
        prop_assert!((0.25..=0.9).contains(&learned[0].utilisation), "{learned:?}");
    }

    /// A new leader never adds more within a period than one leader would have.
    #[test]
    fn two_leaders_add_no_more_than_one(handover in 0u64..40, faults in 2000u64..50_000) {
        let mut current = 1;
        let mut changes = Vec::new();
        let mut autoscaler = Autoscaler::new(policy(FAULTS, FOUR_A_MINUTE));
        for now in 100..140 {
            if now == 100 + handover {
                let rules = policy(FAULTS, FOUR_A_MINUTE);
                autoscaler = Autoscaler::taking_over(rules, changes.clone(), at(now));
            }
            let to = desired(&mut autoscaler, current, faults, now);
            if to != current {
                autoscaler.scaled(current, to, at(now));
                changes.push((at(now), current, to));
                current = to;
            }
        }
        prop_assert!(current <= 5, "{current}");
    }
}

#[test]
fn a_stopped_clock_is_no_reason_to_panic() {
    let long_ago = [(at(0), 5, 1), (Timestamp::new(Duration::MAX), 1, 9)];
    let mut autoscaler = Autoscaler::taking_over(policy(FAULTS, FOUR_A_MINUTE), long_ago, at(1));
    assert_eq!(desired(&mut autoscaler, 1, 10, 1), 1);
}
