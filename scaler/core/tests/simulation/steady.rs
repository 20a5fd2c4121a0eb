//! Loads that change slowly, not at all, or only for a moment; and pods that cannot be helped.

use scaler_core::response::queueing::Waiting;

use super::load::{Arrivals, Shape};
use super::pod::PodKind;
use super::run::{Moment, run};
use super::scenarios::{
    CLOSED, FIFO, LOOP, OPEN, POLICY, POOL, SHARED, initially_needed, needed, queue, system,
};
use super::world::System;

const SEEDS: [u64; 3] = [11, 12, 13];

fn scaled(system: System, replicas: u32, seconds: u32, seed: u64) -> Vec<Moment> {
    run(system, POLICY, &mut queue(), replicas, seconds, seed)
}

fn extremes(moments: &[Moment]) -> (u32, u32) {
    let replicas = || moments.iter().map(|moment| moment.replicas);
    (replicas().min().unwrap_or(0), replicas().max().unwrap_or(0))
}

fn changes(moments: &[Moment]) -> usize {
    moments
        .windows(2)
        .filter(|pair| pair[0].replicas != pair[1].replicas)
        .count()
}

fn failed_since(moments: &[Moment], second: usize) -> f64 {
    let (then, last) = (
        moments[second - 1].requests,
        moments[moments.len() - 1].requests,
    );
    (last.failed - then.failed) as f64 / (last.total - then.total).max(1) as f64
}

#[test]
fn constant_load_is_left_alone() {
    for (name, kind, arrivals) in [
        ("one pod's worth", SHARED, OPEN),
        ("few", SHARED, Arrivals::Open(150.0)),
        ("many", SHARED, Arrivals::Open(400.0)),
        ("fifo", FIFO, Arrivals::Open(150.0)),
        ("loop", LOOP, Arrivals::Open(150.0)),
        ("pool", POOL, Arrivals::Open(150.0)),
        ("users", SHARED, CLOSED),
        (
            "many users",
            SHARED,
            Arrivals::Closed {
                users: 300.0,
                think: 1.0,
            },
        ),
    ] {
        let system = system(kind, arrivals, Shape::Constant);
        let needed = needed(system);
        for seed in SEEDS {
            let moments = scaled(system, needed, 180, seed);
            let (low, high) = extremes(&moments[60..]);
            let changes = changes(&moments[60..]);
            let failed = 100.0 * failed_since(&moments, 10);
            println!(
                "{name:<16} seed {seed} needed {needed:>2}: {low:>2} to {high:>2}, {changes} changes, {failed:.2} % failed"
            );
        }
    }
}

#[test]
fn idle_pods_stay_alone() {
    for seed in SEEDS {
        let system = system(SHARED, Arrivals::Open(0.5), Shape::Constant);
        println!("idle {:?}", extremes(&scaled(system, 1, 120, seed)));
        println!(
            "idle from 5 {:?}",
            scaled(system, 5, 120, seed).last().map(|m| m.replicas)
        );
    }
}

#[test]
fn ramp() {
    for (name, arrivals) in [("open", OPEN), ("users", CLOSED)] {
        let shape = Shape::Ramp {
            from: 30.0,
            to: 90.0,
            factor: 8.0,
        };
        let system = system(SHARED, arrivals, shape);
        let needed = needed(system);
        for seed in SEEDS {
            let moments = scaled(system, initially_needed(system), 140, seed);
            println!(
                "ramp {name} needed {needed} {:?} at 90 {} failed {:.3}",
                extremes(&moments),
                moments[90].replicas,
                100.0 * failed_since(&moments, 30)
            );
        }
    }
}

#[test]
fn drop() {
    let high = system(
        SHARED,
        Arrivals::Open(200.0),
        Shape::Step {
            at: 40.0,
            factor: 0.125,
        },
    );
    let low = system(SHARED, OPEN, Shape::Constant);
    let (start, end) = (needed(high), needed(low));
    for seed in SEEDS {
        let m = scaled(high, start, 150, seed);
        println!(
            "drop {start}->{end}: at 70 {} 80 {} 100 {} 149 {} failed {:.3}",
            m[69].replicas,
            m[79].replicas,
            m[99].replicas,
            m[149].replicas,
            100.0 * failed_since(&m, 40)
        );
    }
}

#[test]
fn spike() {
    let system = system(
        SHARED,
        OPEN,
        Shape::Spike {
            from: 30.0,
            to: 38.0,
            factor: 4.0,
        },
    );
    let (start, top) = (initially_needed(system), needed(system));
    for seed in SEEDS {
        let m = scaled(system, start, 140, seed);
        println!(
            "spike {start} top {top}: {:?} end {}",
            extremes(&m),
            m[139].replicas
        );
    }
}

#[test]
fn neighbour() {
    for seed in SEEDS {
        let system = System {
            neighbour: 0.02,
            ..system(SHARED, OPEN, Shape::Constant)
        };
        let m = scaled(system, 2, 120, seed);
        let flagged = m
            .iter()
            .filter(|m| m.proposal.is_some_and(|p| p.waiting == Waiting::Contention))
            .count();
        println!("neighbour {:?} flagged {flagged}", extremes(&m));
    }
}

#[test]
fn unlimited() {
    let kind = PodKind {
        limit_millis: None,
        ..SHARED
    };
    let system = system(
        kind,
        Arrivals::Open(100.0),
        Shape::Step {
            at: 30.0,
            factor: 8.0,
        },
    );
    let needed = needed(system);
    for seed in SEEDS {
        let m = scaled(system, initially_needed(system), 120, seed);
        println!(
            "unlimited needed {needed} from {} {:?} at 31..40 {:?} end {} failed {:.2}",
            initially_needed(system),
            extremes(&m[30..]),
            m[30..40].iter().map(|m| m.replicas).collect::<Vec<_>>(),
            m[119].replicas,
            100.0 * failed_since(&m, 30)
        );
    }
}
