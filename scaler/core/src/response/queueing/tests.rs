//! Properties of the replica arithmetic, for any input; behaviour over time is in
//! `tests/simulation`.

use std::time::Duration;

use proptest::prelude::*;

use super::{Interval, Queueing, Reason, Waiting};

const WINDOW: Duration = Duration::from_secs(5);

/// One pod of 200m that is half busy with bursts of 4 ms and does not wait.
fn calm() -> Interval {
    Interval {
        length: Duration::from_secs(1),
        ready: 1,
        starting: 0,
        on_cpu: Duration::from_millis(100),
        wait: Duration::from_millis(5),
        voluntary: 25,
        involuntary: 5,
        throttled: Duration::ZERO,
        throttled_periods: 0,
        quota_periods: 10,
        limit_cores: Some(0.2),
        waiting: Some(Duration::from_millis(1)),
        threshold: Duration::from_millis(5),
    }
}

/// The same for several pods.
fn calm_pods(pods: u32) -> Interval {
    let one = calm();
    Interval {
        ready: pods,
        on_cpu: one.on_cpu * pods,
        wait: one.wait * pods,
        voluntary: one.voluntary * u64::from(pods),
        involuntary: one.involuntary * u64::from(pods),
        quota_periods: one.quota_periods * u64::from(pods),
        ..one
    }
}

/// Every pod uses its whole quota in every period, and the queue is out of sight.
fn saturated(pods: u32) -> Interval {
    Interval {
        on_cpu: Duration::from_millis(200) * pods,
        wait: Duration::from_millis(800) * pods,
        voluntary: 0,
        involuntary: 10 * u64::from(pods),
        throttled: Duration::from_millis(800) * pods,
        throttled_periods: 10 * u64::from(pods),
        waiting: Some(Duration::from_millis(80)),
        ..calm_pods(pods)
    }
}

fn trained(pods: u32) -> Queueing {
    let mut queueing = Queueing::new(WINDOW);
    for _ in 0..20 {
        queueing.propose(&calm_pods(pods));
    }
    queueing
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0_u64..20_000_000_000).prop_map(Duration::from_nanos),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
        1 => any::<u64>().prop_map(Duration::from_nanos),
    ]
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0_u64..5_000, 1 => any::<u64>(), 1 => Just(0), 1 => Just(u64::MAX)]
}

fn any_pods() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..50, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

fn any_limit() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        4 => (0.01..8.0).prop_map(Some),
        1 => Just(None),
        1 => any::<f64>().prop_map(Some),
        1 => Just(Some(f64::NAN)),
        1 => Just(Some(0.0)),
    ]
}

prop_compose! {
    fn any_interval()(
        (length, on_cpu, wait, throttled, threshold) in
            (any_duration(), any_duration(), any_duration(), any_duration(), any_duration()),
        (ready, starting) in (any_pods(), any_pods()),
        (voluntary, involuntary, throttled_periods, quota_periods) in
            (any_count(), any_count(), any_count(), any_count()),
        limit_cores in any_limit(),
        waiting in proptest::option::of(any_duration()),
    ) -> Interval {
        Interval {
            length, ready, starting, on_cpu, wait, voluntary, involuntary, throttled,
            throttled_periods, quota_periods, limit_cores, waiting, threshold,
        }
    }
}

proptest! {
    /// Whatever comes in, what goes out is finite and within bounds.
    #[test]
    fn every_input_gives_a_bounded_answer(
        intervals in proptest::collection::vec(any_interval(), 1..20),
        window in any_duration(),
    ) {
        let mut queueing = Queueing::new(window);
        for interval in intervals {
            let Some(proposal) = queueing.propose(&interval) else { continue };
            prop_assert!(interval.ready > 0);
            prop_assert!(proposal.replicas >= 1);
            let most = interval.ready.saturating_mul(4).max(
                interval.ready.saturating_add(interval.starting).saturating_add(1));
            prop_assert!(proposal.replicas <= most, "{} of {most}", proposal.replicas);
            prop_assert!((0.25..=0.9).contains(&proposal.rho));
            for value in [
                proposal.demand_cores,
                proposal.capacity_cores,
                proposal.utilisation,
                proposal.backlog_core_seconds,
            ] {
                prop_assert!(value.is_finite() && value >= 0.0, "{proposal:?}");
            }
        }
    }

    /// More work of the same kind never gives fewer pods.
    #[test]
    fn replicas_grow_with_demand(
        pods in 1_u32..40,
        less in 0.01_f64..1.0,
        more in 0.01_f64..1.0,
        waiting in 0_u64..20,
    ) {
        let (less, more) = if less <= more { (less, more) } else { (more, less) };
        let at = |fill: f64| {
            let seconds = 0.2 * f64::from(pods) * fill;
            let interval = Interval {
                on_cpu: Duration::from_secs_f64(seconds),
                voluntary: (seconds / 0.004) as u64,
                waiting: Some(Duration::from_millis(waiting)),
                ..calm_pods(pods)
            };
            trained(pods).propose(&interval).map(|proposal| proposal.replicas)
        };
        prop_assert!(at(less) <= at(more), "{:?} of {less}, {:?} of {more}", at(less), at(more));
    }

    /// While pods wait longer than allowed, or start, there are never fewer.
    #[test]
    fn never_fewer_while_waiting_or_starting(
        pods in 1_u32..40,
        starting in 0_u32..10,
        fill in 0.02_f64..1.0,
        waiting in 0_u64..20,
        throttled_periods in 0_u64..3,
    ) {
        prop_assume!(starting > 0 || waiting > 5);
        let seconds = 0.2 * f64::from(pods) * fill;
        let interval = Interval {
            starting,
            throttled_periods,
            on_cpu: Duration::from_secs_f64(seconds),
            voluntary: 20 + (seconds / 0.004) as u64,
            waiting: Some(Duration::from_millis(waiting)),
            ..calm_pods(pods)
        };
        let proposal = trained(pods).propose(&interval).expect("there is evidence");
        prop_assert!(proposal.replicas >= pods + starting, "{proposal:?}");
    }

    /// The same work again and again, with little waiting, never goes up and down: after the first
    /// answer, learning that pods may be fuller takes pods away, and nothing brings them back.
    #[test]
    fn constant_work_does_not_flap(pods in 1_u32..40, fill in 0.02_f64..0.45) {
        let mut queueing = trained(pods);
        let mut current = pods;
        let mut seen = Vec::new();
        for _ in 0..200 {
            // The work of `pods` at `fill`, spread over however many there are now.
            let seconds = 0.2 * f64::from(pods) * fill;
            let interval = Interval {
                on_cpu: Duration::from_secs_f64(seconds),
                voluntary: 20 + (seconds / 0.004) as u64,
                ..calm_pods(current)
            };
            current = queueing.propose(&interval).expect("there is evidence").replicas;
            seen.push(current);
        }
        prop_assert!(seen.is_sorted_by(|earlier, later| earlier >= later), "{seen:?}");
    }
}

/// Pods that do nothing, and are seen doing it.
fn idle(pods: u32) -> Interval {
    Interval {
        on_cpu: Duration::ZERO,
        wait: Duration::ZERO,
        voluntary: 0,
        involuntary: 0,
        quota_periods: 0,
        waiting: None,
        ..calm_pods(pods)
    }
}

#[test]
fn idle_pods_leave_down_to_the_last() {
    let mut queueing = trained(5);
    let mut replicas = 5;
    for _ in 0..60 {
        let proposal = queueing.propose(&idle(replicas)).expect("zero is measured");
        assert!(proposal.replicas <= replicas, "{proposal:?}");
        replicas = proposal.replicas;
    }
    let last = queueing.propose(&idle(1)).expect("zero is measured");
    assert_eq!((replicas, last.replicas), (1, 1));
    assert_eq!(last.reason, Reason::Steady);
}

#[test]
fn pods_that_start_or_are_held_back_are_not_idle() {
    let starting = Interval {
        starting: 2,
        ..idle(3)
    };
    let starved = Interval {
        wait: Duration::from_secs(3),
        ..idle(3)
    };
    let mut queueing = trained(3);
    for _ in 0..60 {
        let held = queueing.propose(&starting).map(|held| held.replicas);
        assert_eq!(held, Some(5));
        assert_eq!(queueing.propose(&starved), None);
    }
}

#[test]
fn silence_proposes_nothing() {
    let mut queueing = Queueing::new(WINDOW);
    assert_eq!(queueing.propose(&idle(3)), None, "nothing ever ran");
    let mut queueing = trained(3);
    assert_eq!(
        queueing.propose(&Interval {
            ready: 0,
            ..calm_pods(3)
        }),
        None
    );
    assert_eq!(
        queueing.propose(&Interval {
            length: Duration::ZERO,
            ..calm_pods(3)
        }),
        None
    );
}

#[test]
fn a_queue_out_of_sight_doubles_once_per_start_up() {
    let mut queueing = trained(2);
    let first = queueing.propose(&saturated(2)).expect("there is evidence");
    assert_eq!((first.replicas, first.reason), (4, Reason::Saturated));
    // Nothing is learned from the same pods while the new ones start.
    let starting = Interval {
        starting: 2,
        ..saturated(2)
    };
    for _ in 0..5 {
        assert_eq!(
            queueing
                .propose(&starting)
                .map(|proposal| proposal.replicas),
            Some(4)
        );
    }
    queueing.propose(&saturated(4));
    assert_eq!(
        queueing
            .propose(&saturated(4))
            .map(|proposal| proposal.replicas),
        Some(8)
    );
}

#[test]
fn an_event_loop_in_its_quota_all_the_time_makes_few_stints_and_is_believed() {
    let interval = saturated(1);
    assert!(interval.voluntary + interval.involuntary < 20);
    let proposal = trained(1).propose(&interval).unwrap();
    assert_eq!(proposal.waiting, Waiting::Quota);
    assert_eq!(proposal.reason, Reason::Saturated);

    // One long request of an otherwise idle second: all its periods, but few of the second's.
    let short = Interval {
        on_cpu: Duration::from_millis(50),
        wait: Duration::from_millis(160),
        voluntary: 1,
        involuntary: 2,
        throttled: Duration::from_millis(160),
        throttled_periods: 2,
        quota_periods: 2,
        ..interval
    };
    let proposal = trained(1).propose(&short).unwrap();
    assert_eq!(proposal.waiting, Waiting::Acceptable);
    assert_eq!(proposal.replicas, 1);
}

#[test]
fn a_few_slow_events_of_an_idle_pod_are_no_evidence() {
    let idle = Interval {
        on_cpu: Duration::from_millis(1),
        voluntary: 4,
        involuntary: 0,
        waiting: Some(Duration::from_secs(1)),
        ..calm()
    };
    let proposal = trained(1).propose(&idle).expect("it ran");
    assert_eq!(
        (proposal.replicas, proposal.waiting),
        (1, Waiting::Acceptable)
    );
}

#[test]
fn waiting_without_throttling_is_the_neighbours() {
    let mut queueing = trained(2);
    let crowded = Interval {
        wait: Duration::from_secs(1),
        waiting: Some(Duration::from_millis(40)),
        ..calm_pods(2)
    };
    for _ in 0..60 {
        let proposal = queueing.propose(&crowded).expect("there is evidence");
        assert_eq!(proposal.waiting, Waiting::Contention);
        assert!(proposal.replicas <= 3, "{proposal:?}");
    }
}
