//! What holds for every input.

mod common;

use std::time::Duration;

use common::{observe, pod, pods, policy, sample};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use scaler_core::{
    Autoscaler, ContainerObservation, ContainerSample, Log2Histogram, Metric, MetricDelta,
    NodeSample, PodObservation, PodPhase, ScalingPolicy, Scheduling, Timestamp, Windows, policy,
};

const RESPONSES: [&str; 4] = [
    "{name: userPageFaults, threshold: 1000}",
    "{name: userPageFaults, threshold: 1000, response: Step}",
    "{name: runqLatency, threshold: 2ms, response: Proportional}",
    "{name: runqLatency, threshold: 2ms}",
];

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// A policy with one metric of any response, bounds, and a scale-down window.
fn any_policy() -> impl Strategy<Value = ScalingPolicy> {
    (0..RESPONSES.len(), 1u32..5, 0u32..30, 0u64..60).prop_map(|(response, min, more, window)| {
        let rest = format!(
            "minReplicas: {min}, maxReplicas: {}, behavior: {{scaleDown: {{stabilizationWindowSeconds: {window}}}}}",
            min + more
        );
        policy(RESPONSES[response], &rest)
    })
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        Just(Duration::from_secs(1)),
        any::<u64>().prop_map(Duration::from_nanos),
    ]
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0u64..10_000, any::<u64>()]
}

prop_compose! {
    fn any_scheduling()(
        on_cpu in any_duration(), wait in any_duration(), throttled in any_duration(),
        voluntary_switches in any_count(), involuntary_switches in any_count(),
        throttled_periods in any_count(), quota_periods in any_count(),
    ) -> Scheduling {
        Scheduling {
            on_cpu, wait, voluntary_switches, involuntary_switches, throttled, throttled_periods,
            quota_periods,
        }
    }
}

prop_compose! {
    /// Anything that an agent, however broken, could send.
    fn any_sample()(
        received_at in any_duration(), interval in any_duration(),
        metrics in vec((0..Metric::ALL.len(), any_count(), any_count(), vec(any_count(), 0..70)), 0..4),
        scheduling in proptest::option::of(any_scheduling()),
    ) -> ContainerSample {
        let metric = |(index, count, sum, buckets): (usize, u64, u64, Vec<u64>)| {
            let histogram = Log2Histogram::from_buckets(buckets);
            let relative_error = 0.0;
            (Metric::ALL[index], MetricDelta { count, sum, histogram, sampling: 1.0, relative_error })
        };
        ContainerSample {
            received_at: Timestamp::new(received_at),
            interval,
            metrics: metrics.into_iter().map(metric).collect(),
            scheduling,
        }
    }
}

prop_compose! {
    fn any_pod()(
        index in 0usize..4, node in proptest::option::of("[ab]"), phase in 0..5, terminating: bool,
        ready: bool, age in proptest::option::of(any_duration()),
        limits in vec(proptest::option::of(prop_oneof![0.0f64..4.0, any::<f64>()]), 0..3),
    ) -> PodObservation {
        let phases = [
            PodPhase::Pending, PodPhase::Running, PodPhase::Succeeded, PodPhase::Failed,
            PodPhase::Unknown,
        ];
        let limits = limits.into_iter().enumerate();
        PodObservation {
            node: node.map(Into::into), terminating, ready, age,
            phase: phases[phase as usize],
            containers: limits.map(|(index, cpu_limit)| ContainerObservation {
                name: if index == 0 { "server".into() } else { format!("sidecar-{index}").into() },
                cpu_limit,
            }).collect(),
            ..pod(index)
        }
    }
}

proptest! {
    #[test]
    fn no_input_panics_and_no_decision_leaves_the_bounds(
        policy in any_policy(),
        rounds in vec(
            (any::<u32>(), vec(any_pod(), 0..6), vec((0usize..4, any_sample()), 0..6),
             any_duration(), any_duration(), any::<u32>()),
            1..8,
        ),
    ) {
        let (min, max) = (policy.min_replicas, policy.max_replicas);
        let mut autoscaler = Autoscaler::new(policy);
        let mut windows = Windows::default();
        for (replicas, pods, samples, now, busy, cpus) in rounds {
            let now = Timestamp::new(now);
            for (index, sample) in samples {
                windows.record(&pod(index).uid, "server", sample);
            }
            let node = NodeSample {
                received_at: now, interval: busy, cpus, busy, stolen: busy, cpu_pressure: busy,
                scheduler_seen: true,
            };
            windows.record_node("a", node);
            let decision = autoscaler.decide(&observe(replicas, pods, &windows), now);
            prop_assert!(replicas == 0 || (min..=max).contains(&decision.desired), "{decision:?}");
            prop_assert!(replicas != 0 || decision.desired == 0);
            autoscaler.scaled(decision.current, decision.desired, now);
            windows.prune(now);
        }
    }

    /// A deployment that does what it is told, under a load that jumps about.
    #[test]
    fn never_up_and_then_down_within_one_window(
        policy in any_policy(),
        // `None`: nothing arrives in that second.
        loads in vec(weighted(0.8, (0u64..8000, 0u64..200, 0u64..60_000_000)), 20..120),
    ) {
        let window = policy.behavior.scale_down.stabilization_window;
        let (min, max) = (policy.min_replicas, policy.max_replicas);
        let mut autoscaler = Autoscaler::new(policy);
        let mut windows = Windows::default();
        let mut current = min;
        let mut last_up = None;
        for (second, load) in loads.into_iter().enumerate() {
            let now = at(1000 + second as u64);
            windows.record_node("local", common::node(now, 0.5));
            match load {
                Some((faults, waits, wait)) => for pod in pods(current as usize) {
                    let mut sample = sample(now, faults, waits, wait);
                    // A load without waiting is none at all.
                    sample.scheduling = Some(match waits {
                        0 => Scheduling::default(),
                        _ => common::throttled(),
                    });
                    windows.record(&pod.uid, "server", sample);
                },
                None => windows = Windows::default(),
            }
            let decision = autoscaler.decide(&observe(current, pods(current as usize), &windows), now);
            prop_assert!((min..=max).contains(&decision.desired));
            if decision.desired < current {
                let since: Option<Duration> = last_up.map(|up: Timestamp| now.since(up));
                prop_assert!(since.is_none_or(|since| since >= window), "{decision:#?}");
            }
            if decision.desired > current {
                last_up = Some(now);
            }
            autoscaler.scaled(current, decision.desired, now);
            current = decision.desired;
        }
    }

    /// From the same past, a larger value never gives fewer replicas.
    #[test]
    fn monotone_in_the_metric(
        policy in any_policy(),
        past in vec((0u64..5000, 0u64..200, 0u64..30_000_000), 0..8),
        current in 1u32..12,
        there in 1usize..12,
        silent in 0usize..3,
        (low, high) in (0u64..20_000, 0u64..20_000),
        throttled: bool,
    ) {
        let (low, high) = (low.min(high), low.max(high));
        let current = current.clamp(policy.min_replicas, policy.max_replicas);
        let scheduling = if throttled { common::throttled() } else { common::crowded_out() };
        let mut autoscaler = Autoscaler::new(policy);
        let mut windows = Windows::default();
        let record = |windows: &mut Windows, now, faults, waits, wait| {
            for pod in pods(there).iter().skip(silent) {
                let mut sample = sample(now, faults, waits, wait);
                sample.scheduling = Some(scheduling);
                windows.record(&pod.uid, "server", sample);
            }
        };
        let mut second = 1000;
        for (faults, waits, wait) in past {
            record(&mut windows, at(second), faults, waits, wait);
            autoscaler.decide(&observe(current, pods(there), &windows), at(second));
            second += 1;
        }
        let desired = |value: u64| {
            let (mut autoscaler, mut windows) = (autoscaler.clone(), windows.clone());
            record(&mut windows, at(second), value, 100, value * 1000);
            autoscaler.decide(&observe(current, pods(there), &windows), at(second)).desired
        };
        prop_assert!(desired(low) <= desired(high), "{} > {}", desired(low), desired(high));
    }

    #[test]
    fn holds_on_silence(
        policy in any_policy(),
        current in 1u32..40,
        there in 0usize..40,
        history in vec((0u64..5000, 0u64..200, 0u64..30_000_000), 0..5),
        silence in 4u64..100,
    ) {
        let inside = current.clamp(policy.min_replicas, policy.max_replicas);
        let mut autoscaler = Autoscaler::new(policy);
        let mut windows = Windows::default();
        let mut now = 1000;
        for (faults, waits, wait) in history {
            now += 1;
            windows.record(&pod(0).uid, "server", sample(at(now), faults, waits, wait));
            autoscaler.decide(&observe(inside, pods(there), &windows), at(now));
        }
        let decision = autoscaler.decide(&observe(current, pods(there), &windows), at(now + silence));
        prop_assert_eq!(decision.desired, inside);
    }

    #[test]
    fn the_policy_loader_never_panics(text: String) {
        let _ = policy::load(&text, "any");
    }

    /// Text that is nearly a policy finds more of the loader than text that is nothing.
    #[test]
    fn the_policy_loader_never_panics_on_broken_policies(
        cuts in vec((0usize..600, 0usize..40, "[-a-z0-9:{}\\[\\]&*!|>'\"%@,. \n#~]{0,12}"), 1..4),
    ) {
        let mut text: Vec<char> = include_str!("../../../policies/frontend.yaml").chars().collect();
        for (start, length, new) in cuts {
            let start = start.min(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = policy::load(&text, "any") {
            let lines = text.lines().count() + 1;
            prop_assert!(!errors.is_empty());
            prop_assert!(errors.iter().all(|error| (1..=lines).contains(&error.line)), "{errors:?}");
        }
    }
}
