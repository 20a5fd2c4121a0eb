//! Loads that change slowly, not at all, or only for a moment; and pods that cannot be helped.

use scaler_core::response::queueing::Waiting;

use super::load::{Arrivals, Shape};
use super::pod::PodKind;
use super::run::{Moment, run};
use super::scenarios::{
    CLOSED, FIFO, LOOP, OPEN, POLICY, POOL, SHARED, STEP, initially_needed, needed, queue, system,
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

fn failed_percent(moments: &[Moment], second: usize) -> f64 {
    let (then, last) = (
        moments[second - 1].requests,
        moments[moments.len() - 1].requests,
    );
    100.0 * (last.failed - then.failed) as f64 / (last.total - then.total).max(1) as f64
}

/// Not more than a quarter, and one pod, above what is needed.
fn assert_modest(highest: u32, needed: u32, case: &str) {
    assert!(
        4 * highest <= 5 * needed + 4,
        "{case}: {highest} pods, {needed} needed"
    );
}

#[test]
fn constant_load_is_left_alone() {
    for (name, kind, arrivals) in [
        ("one pod's worth", SHARED, OPEN),
        ("shared", SHARED, Arrivals::Open(150.0)),
        ("shared, many", SHARED, Arrivals::Open(400.0)),
        ("fifo", FIFO, Arrivals::Open(150.0)),
        ("loop", LOOP, Arrivals::Open(150.0)),
        ("pool", POOL, Arrivals::Open(150.0)),
        ("users", SHARED, CLOSED),
        (
            "users, many",
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
            let settled = &moments[60..];
            let ((low, high), changes) = (extremes(settled), changes(settled));
            let failed = failed_percent(&moments, 10);
            println!("{name:<16} needed {needed:>2}: {low:>2} to {high:>2}, {changes} changes");
            assert_modest(high, needed, name);
            assert!(low + 1 >= needed, "{name}: {low} pods, {needed} needed");
            assert!(changes <= 4, "{name}: {changes} changes in two minutes");
            assert!(failed <= 0.1, "{name}: {failed} % failed");
        }
    }
}

#[test]
fn idle_pods_stay_alone_and_leave() {
    let system = system(SHARED, Arrivals::Open(0.5), Shape::Constant);
    for seed in SEEDS {
        assert_eq!(extremes(&scaled(system, 1, 120, seed)), (1, 1));
        let left = scaled(system, 5, 120, seed)
            .last()
            .map(|moment| moment.replicas);
        assert_eq!(left, Some(1));
    }
}

#[test]
fn a_ramp_is_followed_without_failures() {
    for (name, arrivals) in [("ramp, open", OPEN), ("ramp, users", CLOSED)] {
        let shape = Shape::Ramp {
            from: 30.0,
            to: 90.0,
            factor: 8.0,
        };
        let system = system(SHARED, arrivals, shape);
        let needed = needed(system);
        for seed in SEEDS {
            let moments = scaled(system, initially_needed(system), 140, seed);
            let (_, high) = extremes(&moments);
            let at_top = moments[90].replicas;
            println!("{name} needed {needed}: {at_top} at the top, {high} at most");
            assert_modest(high, needed, name);
            assert!(
                3 * at_top >= 2 * needed,
                "{name}: only {at_top} pods at the top"
            );
            assert!(failed_percent(&moments, 30) <= 0.5, "{name}");
        }
    }
}

#[test]
fn pods_leave_when_load_drops_and_nobody_notices() {
    let shape = Shape::Step {
        at: 40.0,
        factor: 0.125,
    };
    let system = system(SHARED, Arrivals::Open(200.0), shape);
    let (start, end) = (
        needed(system),
        needed(super::scenarios::system(SHARED, OPEN, Shape::Constant)),
    );
    for seed in SEEDS {
        let moments = scaled(system, start, 150, seed);
        let (after, last) = (moments[99].replicas, moments[149].replicas);
        println!("drop {start} to {end}: {after} after a minute, {last} in the end");
        assert!(
            2 * after <= start + 2,
            "{after} pods a minute after the drop"
        );
        assert!(last <= end + 1, "{last} pods in the end");
        assert!(failed_percent(&moments, 40) <= 0.1);
    }
}

#[test]
fn a_spike_leaves_nothing_behind() {
    let shape = Shape::Spike {
        from: 30.0,
        to: 38.0,
        factor: 4.0,
    };
    let system = system(SHARED, OPEN, shape);
    let (start, top) = (initially_needed(system), needed(system));
    for seed in SEEDS {
        let moments = scaled(system, start, 140, seed);
        let (_, high) = extremes(&moments);
        println!(
            "spike {start} to {top}: {high} at most, {} in the end",
            moments[139].replicas
        );
        assert_modest(high, top, "spike");
        assert!(moments[139].replicas <= start + 1);
    }
}

#[test]
fn neighbours_are_named_and_not_outnumbered() {
    for seed in SEEDS {
        let system = System {
            neighbour: 0.02,
            ..system(SHARED, OPEN, Shape::Constant)
        };
        let moments = scaled(system, 2, 120, seed);
        let flagged = |moment: &&Moment| {
            moment
                .proposal
                .is_some_and(|proposal| proposal.waiting == Waiting::Contention)
        };
        let flagged = moments.iter().filter(flagged).count();
        let (_, high) = extremes(&moments);
        println!("neighbour: flagged in {flagged} of 120 s, {high} pods at most");
        assert!(flagged >= 40, "flagged in {flagged} of 120 s");
        assert!(high <= 4, "{high} pods against a neighbour");
    }
}

#[test]
fn pods_without_a_limit_get_company_too() {
    let kind = PodKind {
        limit_millis: None,
        ..SHARED
    };
    let shape = Shape::Step {
        at: f64::from(STEP),
        factor: 8.0,
    };
    let system = system(kind, Arrivals::Open(100.0), shape);
    let needed = needed(system);
    for seed in SEEDS {
        let moments = scaled(system, initially_needed(system), 120, seed);
        let step = STEP as usize;
        let (soon, (_, high)) = (moments[step + 5].replicas, extremes(&moments[step..]));
        println!("no limit: needed {needed}, {soon} after six decisions, {high} at most");
        assert!(
            3 * soon >= 2 * needed,
            "{soon} pods after six decisions, {needed} needed"
        );
        assert_modest(high, needed, "no limit");
        assert!(failed_percent(&moments, step) <= 3.0);
    }
}
