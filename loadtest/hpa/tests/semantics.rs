//! What upstream's tables leave open of the arithmetic: each of these fails when the point it names
//! is broken. `passes.rs` has those of whole passes.

mod support;

use stock_hpa::behavior::{PolicyKind, Rules, ScalingPolicy, SelectPolicy};
use stock_hpa::history::{History, Recommendation, ScaleEvent, change_within, store_event};
use stock_hpa::limits::{Events, Limit, Step, scale_down_limit, scale_up_limit};
use stock_hpa::pod::Pod;
use stock_hpa::replicas::Calculator;
use stock_hpa::{Moment, Settings, Tolerance};
use support::{NOW, pod, policy, samples, secs};

const TENTH: Tolerance = Tolerance {
    scale_up: 0.1,
    scale_down: 0.1,
};

/// Runs `f` with `ready` ready pods followed by `unready` unready ones.
fn with_pods<T>(ready: usize, unready: usize, f: impl FnOnce(&Calculator<'_>) -> T) -> T {
    let all: Vec<Pod> = (0..ready + unready).map(|at| pod(at, at < ready)).collect();
    let pods: Vec<&Pod> = all.iter().collect();
    let settings = Settings::default();
    f(&Calculator {
        settings: &settings,
        tolerance: TENTH,
        pods: &pods,
        now: NOW,
    })
}

/// Replicas for a 50 % CPU target.
fn cpu(ready: usize, unready: usize, current: i32, values: &[i64]) -> i32 {
    with_pods(ready, unready, |calculator| {
        calculator
            .resource_utilization(current, 50, "cpu", None, samples(values))
            .expect("a proposal")
            .replicas
    })
}

#[test]
fn tolerance_includes_its_bounds_and_looks_at_whole_percents() {
    assert_eq!(cpu(2, 0, 2, &[550, 550]), 2, "110 % of the target");
    assert_eq!(cpu(2, 0, 2, &[559, 559]), 2, "55.9 % counts as 55 %");
    assert_eq!(cpu(2, 0, 2, &[560, 560]), 3);
    assert_eq!(cpu(4, 0, 4, &[450; 4]), 4, "90 % of the target");
    assert_eq!(
        cpu(4, 0, 4, &[449; 4]),
        4,
        "44 %: outside, but ceil(0.88 * 4) is 4"
    );
    assert_eq!(cpu(10, 0, 10, &[449; 10]), 9, "44.9 % counts as 44 %");
}

#[test]
fn pods_in_doubt_count_as_idle_when_scaling_up() {
    assert_eq!(cpu(2, 0, 2, &[1000]), 2, "one missing: 50 % over both");
    assert_eq!(cpu(3, 0, 3, &[1000, 1000]), 4, "66 % over three");
    assert_eq!(cpu(1, 1, 2, &[1000, 0]), 2, "one unready");
    // 56 % of ten pods alone would be outside of the tolerance, and ask for 12.
    assert_eq!(cpu(11, 0, 11, &[560; 10]), 11, "50 % with the missing one");
    assert_eq!(cpu(10, 1, 11, &[560; 11]), 11, "50 % with the unready one");
    assert_eq!(cpu(1, 1, 2, &[1000, 5000]), 2, "whatever its sample says");
}

#[test]
fn missing_pods_count_as_busy_when_scaling_down_and_unready_ones_do_not() {
    assert_eq!(cpu(4, 0, 4, &[100; 3]), 3, "32 % over four");
    assert_eq!(
        cpu(3, 1, 4, &[100; 4]),
        1,
        "10 % over the three that are ready"
    );
    with_pods(4, 0, |calculator| {
        let target = |percent| {
            let samples = samples(&[100; 3]);
            calculator
                .resource_utilization(4, percent, "cpu", None, samples)
                .unwrap()
                .replicas
        };
        assert_eq!(
            target(300),
            2,
            "as busy as a target above 100 %: 82 % of 300 %"
        );
    });
}

#[test]
fn average_values_work_for_resources_with_cpu_readiness_and_for_memory_without() {
    with_pods(1, 1, |calculator| {
        let replicas = |resource| {
            let proposal = calculator
                .average_value(2, 100, resource, samples(&[200, 200]))
                .unwrap();
            (proposal.replicas, proposal.reading.average_value_milli)
        };
        assert_eq!(
            replicas(Some("cpu")),
            (2, Some(200)),
            "the unready pod is idle"
        );
        assert_eq!(
            replicas(Some("memory")),
            (4, Some(200)),
            "readiness is for CPU only"
        );
        assert_eq!(replicas(None), (4, Some(200)));
        let memory = calculator
            .resource_utilization(2, 50, "memory", None, samples(&[900, 900]))
            .unwrap();
        assert_eq!(
            (memory.replicas, memory.reading.average_utilization_percent),
            (4, Some(90))
        );
        // 119.5 on average counts as 119 ... and 110.5 as 110, which is on the bound.
        assert_eq!(
            calculator
                .average_value(2, 100, None, samples(&[110, 111]))
                .unwrap()
                .replicas,
            2
        );
    });
}

#[test]
fn value_targets_multiply_ready_pods_and_average_targets_look_at_status_replicas() {
    with_pods(2, 1, |calculator| {
        assert_eq!(
            calculator.value(5, 100, 200).unwrap().replicas,
            4,
            "two ready pods"
        );
        assert_eq!(
            calculator.value(0, 1000, 1001).unwrap().replicas,
            2,
            "from zero: the ratio"
        );
        let average = calculator.average_of_total(4, 100, 401);
        assert_eq!(
            (average.replicas, average.reading.average_value_milli),
            (4, Some(101))
        );
        assert_eq!(calculator.average_of_total(2, 100, 401).replicas, 5);
        assert_eq!(calculator.external_average(4, 100, &[400, 1]), average);
    });
}

fn rules(select_policy: SelectPolicy, policies: &[ScalingPolicy]) -> Rules {
    Rules {
        stabilization_window: secs(0),
        select_policy,
        policies: policies.to_vec(),
    }
}

fn event(replica_change: i32, at: i64) -> ScaleEvent {
    ScaleEvent {
        replica_change,
        at: Moment::from_secs(at),
        outdated: false,
    }
}

#[test]
fn an_event_exactly_a_period_old_is_outside_and_its_slot_not_yet_free() {
    let mut log = vec![event(7, -60), event(5, -59)];
    assert_eq!(change_within(secs(60), &log, NOW), 5);
    let rules = rules(SelectPolicy::Max, &[policy(PolicyKind::Pods, 1, 60)]);
    store_event(&mut log, &rules, 1, NOW);
    assert_eq!(log.len(), 3, "outdated means older than the period");
    store_event(&mut log, &rules, 2, Moment::from_millis(1));
    assert_eq!((log.len(), log[0].replica_change), (3, 2));
}

#[test]
fn recommendations_at_the_edge_count_without_behavior_and_not_with_it() {
    let log = || History {
        recommendations: Some(vec![Recommendation {
            replicas: 9,
            at: Moment::from_secs(-300),
        }]),
        ..History::default()
    };
    let mut history = log();
    assert_eq!(history.stabilize(3, secs(300), NOW), 9);
    assert_eq!(history.recommendations.unwrap().len(), 2, "still needed");
    assert_eq!(log().stabilize(3, secs(299), NOW), 3);
    let mut history = log();
    assert_eq!(
        history.stabilize_with_behavior(9, 3, secs(0), secs(300), NOW),
        3
    );
    assert_eq!(history.recommendations.unwrap().len(), 2, "not yet free");
    assert_eq!(
        log().stabilize_with_behavior(9, 3, secs(0), secs(301), NOW),
        9
    );
}

#[test]
fn policies_select_round_and_can_be_disabled() {
    let none = Events { up: &[], down: &[] };
    let both = [
        policy(PolicyKind::Pods, 1, 60),
        policy(PolicyKind::Percent, 50, 60),
    ];
    let up = |select| scale_up_limit(5, none, &rules(select, &both), NOW);
    let down = |select| scale_down_limit(5, none, &rules(select, &both), NOW);
    assert_eq!(
        [
            up(SelectPolicy::Max),
            up(SelectPolicy::Min),
            up(SelectPolicy::Disabled)
        ],
        [8, 6, 5]
    );
    assert_eq!(
        [
            down(SelectPolicy::Max),
            down(SelectPolicy::Min),
            down(SelectPolicy::Disabled)
        ],
        [2, 4, 5],
        "2.5 down is truncated"
    );
    let events = Events {
        up: &[event(2, -1)],
        down: &[event(4, -1)],
    };
    assert_eq!(
        scale_up_limit(5, events, &rules(SelectPolicy::Max, &both[..1]), NOW),
        5 - 2 + 4 + 1
    );
    assert_eq!(
        scale_down_limit(5, events, &rules(SelectPolicy::Max, &both[..1]), NOW),
        5 - 2 + 4 - 1
    );
}

#[test]
fn a_maximum_equal_to_the_rate_is_named_as_the_maximum() {
    let step = Step {
        current: 4,
        desired: 100,
        min: 1,
        max: 8,
    };
    let (up, down) = (
        rules(SelectPolicy::Max, &[policy(PolicyKind::Pods, 4, 15)]),
        rules(SelectPolicy::Max, &[policy(PolicyKind::Pods, 2, 15)]),
    );
    let none = Events { up: &[], down: &[] };
    assert_eq!(
        step.limit_with_rules(&up, &down, none, NOW),
        (8, Limit::TooManyReplicas)
    );
    assert_eq!(
        step.limit(&Settings::default()),
        (8, Limit::TooManyReplicas),
        "2 * 4, not 8 * 4"
    );
    assert_eq!(
        Step { max: 9, ..step }.limit(&Settings::default()),
        (8, Limit::ScaleUpLimit)
    );
    let step = Step {
        current: 4,
        desired: 0,
        min: 2,
        max: 8,
    };
    assert_eq!(
        step.limit_with_rules(&up, &down, none, NOW),
        (2, Limit::TooFewReplicas)
    );
}
