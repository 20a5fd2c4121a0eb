//! What upstream's tables leave open of whole passes: each of these fails when the point it names is
//! broken.

mod support;

use proptest::prelude::*;
use stock_hpa::behavior::{Behavior, PolicyKind, ScalingRules};
use stock_hpa::client::Samples;
use stock_hpa::history::History;
use stock_hpa::pod::Pod;
use stock_hpa::reconcile::{Action, Observation, Outcome, Scale, WriteAnswer, reconcile};
use stock_hpa::spec::{MetricId, MetricSource, MetricSpec, Target, TargetKind};
use stock_hpa::status::{ConditionKind, Status};
use stock_hpa::{Hpa, Settings};
use support::{NOW, pod, policy, samples, secs};

fn hpa(source: MetricSource, target: Target) -> Hpa {
    Hpa {
        name: "shop".to_owned(),
        namespace: "default".to_owned(),
        target: "Deployment/default/shop".to_owned(),
        min_replicas: Some(1),
        max_replicas: 20,
        metrics: vec![MetricSpec { source, target }],
        behavior: None,
        status: Status::default(),
    }
}

fn cpu_hpa() -> Hpa {
    let target = Target {
        average_utilization_percent: Some(50),
        ..Target::default()
    };
    hpa(
        MetricSource::Resource {
            resource: "cpu".to_owned(),
        },
        target,
    )
}

/// One pass over `replicas` pods whose CPU (or external metric) is `answer`.
fn pass(
    hpa: &Hpa,
    replicas: i32,
    answer: Samples,
    history: &mut History,
    settings: &Settings,
    write: impl FnMut(i32) -> WriteAnswer,
) -> Outcome {
    let pods: Vec<Pod> = (0..usize::try_from(replicas).expect("not negative"))
        .map(|at| pod(at, true))
        .collect();
    let selector = "app=shop".to_owned();
    let scale = Scale {
        spec_replicas: replicas,
        status_replicas: replicas,
        selector,
    };
    let answers = [Ok(answer)];
    let observation = Observation {
        scale: Ok(scale),
        pods: &pods,
        other_hpas: &[],
        answers: &answers,
    };
    reconcile(hpa, settings, &observation, history, NOW, write)
}

fn busy(pods: usize) -> Samples {
    Samples::Pods(samples(&vec![1000; pods]))
}

#[test]
fn a_step_without_behavior_at_most_doubles_in_production() {
    let outcome = pass(
        &cpu_hpa(),
        6,
        Samples::Pods(samples(&[9000; 6])),
        &mut History::default(),
        &Settings::default(),
        |_| WriteAnswer::Ok,
    );
    assert_eq!(
        (outcome.status.desired_replicas, outcome.action),
        (12, Action::ScaleUp)
    );
}

#[test]
fn conflicts_are_retried_five_times() {
    let run = |conflicts: usize| {
        let mut left = conflicts;
        pass(
            &cpu_hpa(),
            2,
            busy(2),
            &mut History::default(),
            &Settings::default(),
            |_| {
                left = left.checked_sub(1).map_or(usize::MAX, |left| left);
                if left == usize::MAX {
                    WriteAnswer::Ok
                } else {
                    WriteAnswer::Conflict
                }
            },
        )
    };
    let outcome = run(4);
    assert_eq!(
        (outcome.scale_writes.len(), outcome.status.desired_replicas),
        (5, 4)
    );
    assert_eq!(outcome.events.last().unwrap().reason, "SuccessfulRescale");
    let outcome = run(5);
    assert_eq!(
        (outcome.scale_writes.len(), outcome.action),
        (5, Action::None)
    );
    assert_eq!(outcome.events.last().unwrap().reason, "FailedRescale");
    assert!(outcome.error.is_some());
}

#[test]
fn written_changes_limit_the_next_pass_with_behavior_and_are_not_kept_without() {
    let mut history = History::default();
    let settings = Settings::default();
    let mut hpa = cpu_hpa();
    pass(&hpa, 4, busy(4), &mut history, &settings, |_| {
        WriteAnswer::Ok
    });
    assert!(history.scale_up_events.is_empty());
    let policies = Some(vec![policy(PolicyKind::Pods, 3, 60)]);
    let up = ScalingRules {
        policies,
        ..ScalingRules::default()
    };
    hpa.behavior = Some(Behavior {
        scale_up: Some(up),
        scale_down: None,
    });
    let mut history = History::default();
    let outcome = pass(&hpa, 4, busy(4), &mut history, &settings, |_| {
        WriteAnswer::Ok
    });
    assert_eq!(
        (
            outcome.status.desired_replicas,
            history.scale_up_events.len()
        ),
        (7, 1)
    );
    let outcome = pass(&hpa, 7, busy(7), &mut history, &settings, |_| {
        WriteAnswer::Ok
    });
    assert_eq!(
        (outcome.status.desired_replicas, outcome.action),
        (7, Action::None)
    );
    let mut failed = History::default();
    pass(&hpa, 4, busy(4), &mut failed, &settings, |_| {
        WriteAnswer::Error(String::new())
    });
    assert!(
        failed.scale_up_events.is_empty(),
        "only what was written counts"
    );
}

#[test]
fn a_default_scale_down_window_holds_with_behavior_too() {
    let mut hpa = cpu_hpa();
    hpa.behavior = Some(Behavior::default());
    let mut history = History::default();
    let idle = || Samples::Pods(samples(&[0; 4]));
    let outcome = pass(&hpa, 4, idle(), &mut history, &Settings::default(), |_| {
        WriteAnswer::Ok
    });
    assert_eq!(
        outcome.status.desired_replicas, 4,
        "seeded with what it found"
    );
    assert_eq!(outcome.status.conditions[0].reason, "ScaleDownStabilized");
    let settings = Settings {
        downscale_stabilization_window: secs(0),
        ..Settings::default()
    };
    let outcome = pass(&hpa, 4, idle(), &mut history, &settings, |_| {
        WriteAnswer::Ok
    });
    assert_eq!(outcome.status.desired_replicas, 1);
}

#[test]
fn coming_back_from_zero_goes_to_a_minimum_raised_meanwhile() {
    let target = Target {
        kind: TargetKind::Value,
        value_milli: Some(1000),
        ..Target::default()
    };
    let metric = MetricId {
        name: "queue".to_owned(),
        selector: None,
    };
    let mut hpa = hpa(MetricSource::External { metric }, target);
    hpa.min_replicas = Some(3);
    hpa.behavior = Some(Behavior::default());
    hpa.status
        .set_condition(ConditionKind::ScaledToZero, true, "ScaledToZero", "", NOW);
    let mut settings = Settings::default();
    let wake = |hpa: &Hpa, settings: &Settings| {
        let answer = Samples::External(vec![500]);
        pass(hpa, 0, answer, &mut History::default(), settings, |_| {
            WriteAnswer::Ok
        })
    };
    let outcome = wake(&hpa, &settings);
    assert_eq!(
        outcome.status.desired_replicas, 0,
        "without the gate zero is final"
    );
    assert!(
        !outcome
            .status
            .conditions
            .iter()
            .any(|c| c.kind == ConditionKind::ScaledToZero)
    );
    settings.features.scale_to_zero = true;
    let outcome = wake(&hpa, &settings);
    assert_eq!(outcome.status.desired_replicas, 3);
    assert!(!outcome.status.is_true(ConditionKind::ScaledToZero));
}

proptest! {
    /// Whatever the usage, a pass stays within the bounds, and more usage never asks for fewer.
    #[test]
    fn a_pass_stays_within_bounds_and_is_monotonic(
        current in 1i32..12, usage in 0i64..20_000, more in 0i64..20_000,
        min in 1i32..5, max in 5i32..30, with_behavior: bool,
    ) {
        let mut hpa = cpu_hpa();
        (hpa.min_replicas, hpa.max_replicas) = (Some(min), max);
        hpa.behavior = with_behavior.then(Behavior::default);
        let desired = |usage| {
            let pods = usize::try_from(current).unwrap();
            let answer = Samples::Pods(samples(&vec![usage; pods]));
            let mut history = History { recommendations: Some(vec![]), ..History::default() };
            pass(&hpa, current, answer, &mut history, &Settings::default(), |_| WriteAnswer::Ok)
                .status.desired_replicas
        };
        let (less, more) = (desired(usage), desired(usage + more));
        prop_assert!((min..=max).contains(&less));
        prop_assert!(less <= more);
    }
}
