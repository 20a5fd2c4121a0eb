//! Named systems, what they need, and how a rule did.

use std::time::Duration;

use super::load::{Arrivals, Shape};
use super::pod::{MILLI, PodKind};
use super::rules::{BusyRatio, Fixed, Hpa, Queue, Rule, WaitRatio};
use super::run::{Moment, Policy, run};
use super::world::System;

pub(crate) const POLICY: Policy = Policy {
    threshold: Duration::from_millis(5),
    window: 5,
    stabilisation: 30,
    max: 40,
};
/// When the load of a step changes: after rules had time to settle.
pub(crate) const STEP: u32 = 30;

/// 200m, one thread per request, processor sharing with slices of 3 ms.
pub(crate) const SHARED: PodKind = PodKind {
    limit_millis: Some(200),
    workers: None,
    slice: Some(3 * MILLI),
};
/// The same, first come, first served.
pub(crate) const FIFO: PodKind = PodKind {
    slice: None,
    ..SHARED
};
/// An event loop: one worker, whose queue no scheduler sees.
pub(crate) const LOOP: PodKind = PodKind {
    workers: Some(1),
    ..SHARED
};
/// A pool of ten workers.
pub(crate) const POOL: PodKind = PodKind {
    workers: Some(10),
    ..SHARED
};

/// 25 requests a second of 4 ms: half of one pod.
pub(crate) const OPEN: Arrivals = Arrivals::Open(25.0);
/// About the same from users who think for a second.
pub(crate) const CLOSED: Arrivals = Arrivals::Closed {
    users: 25.0,
    think: 1.0,
};

pub(crate) fn system(kind: PodKind, arrivals: Arrivals, shape: Shape) -> System {
    System {
        arrivals,
        shape,
        kind,
        work: 0.004,
        neighbour: 0.0,
    }
}

pub(crate) fn step(factor: f64) -> Shape {
    Shape::Step {
        at: f64::from(STEP),
        factor,
    }
}

/// The response under test, then its rivals. The second HPA has the target at which its pods are as
/// full as those of the queueing response: half the limit.
pub(crate) fn rules() -> Vec<Box<dyn Rule>> {
    vec![
        Box::new(queue()),
        Box::new(Hpa {
            name: "hpa 50%/100m",
            target_cores: 0.05,
        }),
        Box::new(Hpa {
            name: "hpa 100%/100m",
            target_cores: 0.1,
        }),
        Box::new(WaitRatio),
        Box::new(BusyRatio),
    ]
}

pub(crate) fn queue() -> Queue {
    Queue::new(Duration::from_secs(POLICY.window as u64))
}

/// The fewest pods under which four decisions in five find the policy kept, at the load's highest
/// factor.
pub(crate) fn needed(system: System) -> u32 {
    let scale = system.shape.highest();
    let steady = System {
        shape: Shape::Constant,
        arrivals: match system.arrivals {
            Arrivals::Open(rate) => Arrivals::Open(rate * scale),
            Arrivals::Closed { users, think } => Arrivals::Closed {
                users: users * scale,
                think,
            },
        },
        ..system
    };
    let suffices = |pods: u32| {
        let moments = run(steady, POLICY, &mut Fixed, pods, 40, 99);
        let measured = &moments[POLICY.window..];
        let above = measured
            .iter()
            .filter(|moment| moment.waiting > Some(POLICY.threshold))
            .count();
        5 * above <= measured.len()
    };
    let (mut low, mut high) = (1, POLICY.max);
    while low < high {
        let middle = low.midpoint(high);
        if suffices(middle) {
            high = middle
        } else {
            low = middle + 1
        }
    }
    low
}

/// The same before the load changes.
pub(crate) fn initially_needed(system: System) -> u32 {
    needed(System {
        shape: Shape::Constant,
        ..system
    })
}

/// How one run went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Seconds from the step to the first higher proposal.
    pub(crate) first: Option<u32>,
    /// Seconds from the step until at least what is needed was asked for.
    pub(crate) reached: Option<u32>,
    /// The same for two thirds of what is needed.
    pub(crate) nearly: Option<u32>,
    pub(crate) peak: u32,
    pub(crate) replica_seconds: u32,
    pub(crate) failed: u64,
    pub(crate) requests: u64,
    /// Changes of the replica count in the last 30 seconds.
    pub(crate) late_changes: u32,
}

pub(crate) fn outcome(moments: &[Moment], needed: u32) -> Outcome {
    let before = moments[STEP as usize - 1].replicas;
    let after = || moments.iter().skip(STEP as usize);
    let since = |moment: &Moment| moment.second - STEP;
    let last = moments.last().expect("a run has moments");
    let late = &moments[moments.len().saturating_sub(30)..];
    Outcome {
        first: after().find(|m| m.replicas > before).map(since),
        reached: after().find(|m| m.replicas >= needed).map(since),
        nearly: after().find(|m| 3 * m.replicas >= 2 * needed).map(since),
        peak: after().map(|m| m.replicas).max().unwrap_or(0),
        replica_seconds: moments.iter().map(|m| m.replicas).sum(),
        failed: last.requests.failed,
        requests: last.requests.total,
        late_changes: late
            .windows(2)
            .filter(|pair| pair[0].replicas != pair[1].replicas)
            .count() as u32,
    }
}
