//! One system under one rule: the loop of measuring and deciding.

use std::collections::VecDeque;
use std::time::Duration;

use scaler_core::response::queueing::{Interval, Proposal};

use super::histogram::Log2;
use super::pod::{Counters, MILLI, SECOND};
use super::rules::Rule;
use super::world::{Requests, System, World};

/// What the policy says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) threshold: Duration,
    /// Seconds the statistic looks back.
    pub(crate) window: usize,
    /// Seconds a lower proposal has to stand before it is followed.
    pub(crate) stabilisation: usize,
    pub(crate) max: u32,
}

/// From the end of an interval to the new replica count being stored.
const REPORTING: u64 = 200 * MILLI;

/// One second of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) second: u32,
    pub(crate) replicas: u32,
    /// The policy's statistic.
    pub(crate) waiting: Option<Duration>,
    pub(crate) requests: Requests,
    pub(crate) proposal: Option<Proposal>,
}

/// Runs `system` for so many seconds, starting from `replicas`.
pub(crate) fn run(
    system: System,
    policy: Policy,
    rule: &mut dyn Rule,
    replicas: u32,
    seconds: u32,
    seed: u64,
) -> Vec<Moment> {
    let mut world = World::new(system, replicas, seed);
    let mut waits: VecDeque<Log2> = VecDeque::new();
    let mut proposals: VecDeque<u32> = VecDeque::new();
    let mut moments = Vec::new();
    for second in 1..=seconds {
        let now = u64::from(second) * SECOND;
        world.advance(now);
        let (ready, starting) = world.pods();
        let sum = total(&world.report());
        waits.push_back(sum.waits);
        if waits.len() > policy.window {
            waits.pop_front();
        }
        let mut window = Log2::default();
        waits.iter().for_each(|waits| window.merge(waits));
        let interval = Interval {
            length: Duration::from_secs(1),
            ready,
            starting,
            on_cpu: Duration::from_nanos(sum.on_cpu),
            wait: Duration::from_nanos(sum.wait),
            voluntary: sum.voluntary,
            involuntary: sum.involuntary,
            throttled: Duration::from_nanos(sum.throttled),
            throttled_periods: sum.throttled_periods,
            quota_periods: sum.periods,
            limit_cores: system
                .kind
                .limit_millis
                .map(|millis| millis as f64 / 1_000.0),
            waiting: window.percentile(0.95).map(Duration::from_secs_f64),
            threshold: policy.threshold,
        };
        let current = ready + starting;
        let proposed = rule.replicas(&interval, current).clamp(1, policy.max);
        proposals.push_back(proposed);
        if proposals.len() > policy.stabilisation {
            proposals.pop_front();
        }
        let highest = proposals.iter().copied().max().unwrap_or(proposed);
        let desired = if proposed >= current {
            proposed
        } else {
            highest.min(current)
        };
        world.advance(now + REPORTING);
        world.scale(desired);
        moments.push(Moment {
            second,
            replicas: desired,
            waiting: interval.waiting,
            requests: world.requests,
            proposal: rule.explain(),
        });
    }
    moments
}

fn total(pods: &[Counters]) -> Counters {
    let mut sum = Counters::default();
    for pod in pods {
        sum.on_cpu += pod.on_cpu;
        sum.wait += pod.wait;
        sum.voluntary += pod.voluntary;
        sum.involuntary += pod.involuntary;
        sum.throttled += pod.throttled;
        sum.throttled_periods += pod.throttled_periods;
        sum.periods += pod.periods;
        sum.waits.merge(&pod.waits);
    }
    sum
}
