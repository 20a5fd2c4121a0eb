//! Load that multiplies at once: how fast, how far, at what price.

use super::load::Arrivals;
use super::pod::PodKind;
use super::run::run;
use super::scenarios::{
    CLOSED, FIFO, LOOP, OPEN, POLICY, POOL, SHARED, initially_needed, needed, outcome, queue,
    rules, step, system,
};
use super::table::{Line, line, print, print_header};

const SEEDS: [u64; 3] = [1, 2, 3];
const SECONDS: u32 = 80;

/// Every rule through one step, over all seeds; the queueing response first.
fn compare(name: &str, kind: PodKind, arrivals: Arrivals, factor: f64) -> (u32, Vec<Line>) {
    let system = system(kind, arrivals, step(factor));
    let (before, needed) = (initially_needed(system), needed(system));
    let scenario = format!("{name} x{factor}");
    let mut lines = Vec::new();
    for index in 0..rules().len() {
        let mut name = "";
        let outcomes: Vec<_> = SEEDS
            .iter()
            .map(|&seed| {
                let mut rule = rules().swap_remove(index);
                name = rule.name();
                outcome(
                    &run(system, POLICY, rule.as_mut(), before, SECONDS, seed),
                    needed,
                )
            })
            .collect();
        let line = line(&outcomes);
        print(&scenario, name, needed, &line);
        lines.push(line);
    }
    (needed, lines)
}

/// The goals, for every factor; the margins are what the seeds need.
fn check(name: &str, kind: PodKind, arrivals: Arrivals, factors: &[f64]) {
    print_header();
    for &factor in factors {
        let (needed, lines) = compare(name, kind, arrivals, factor);
        let [queueing, hpa, _, wait_ratio, busy_ratio] = lines[..] else {
            panic!("five rules, not {}", lines.len());
        };
        let case = format!("{name} x{factor}: needed {needed}, {queueing:?}");
        if factor >= 4.0 {
            assert!(
                queueing.first <= Some(2) && queueing.first.is_some(),
                "late: {case}"
            );
        }
        assert!(
            queueing.nearly.is_some_and(|seconds| seconds <= 8),
            "slow: {case}"
        );
        assert!(4 * queueing.peak <= 5 * needed + 8, "overshoots: {case}");
        assert!(queueing.late_changes <= 3, "flaps: {case}");
        assert!(
            queueing.failed <= if factor > 4.0 { 4.0 } else { 2.0 },
            "fails: {case}"
        );
        let cheaper =
            |other: &Line, by: f64| queueing.replica_seconds <= by * other.replica_seconds;
        assert!(cheaper(&hpa, 0.75), "dearer than the HPA's rule: {case}");
        assert!(cheaper(&wait_ratio, 0.75), "dearer than W / T: {case}");
        assert!(cheaper(&busy_ratio, 0.9), "dearer than u / u*: {case}");
    }
}

#[test]
fn steps_of_open_arrivals_processor_sharing() {
    check("shared", SHARED, OPEN, &[2.0, 4.0, 8.0]);
}

#[test]
fn steps_of_open_arrivals_first_come_first_served() {
    check("fifo", FIFO, OPEN, &[2.0, 4.0, 8.0]);
}

#[test]
fn steps_of_open_arrivals_at_an_event_loop() {
    check("loop", LOOP, OPEN, &[2.0, 4.0, 8.0]);
}

#[test]
fn steps_of_open_arrivals_at_a_pool_of_workers() {
    check("pool", POOL, OPEN, &[2.0, 4.0, 8.0]);
}

#[test]
fn steps_of_users_who_think() {
    check("users", SHARED, CLOSED, &[2.0, 4.0, 8.0]);
}

#[test]
fn steps_of_users_at_an_event_loop() {
    check("users, loop", LOOP, CLOSED, &[2.0, 4.0, 8.0]);
}

#[test]
fn steps_of_many_pods() {
    check("many, shared", SHARED, Arrivals::Open(100.0), &[2.0, 4.0]);
    check("many, loop", LOOP, Arrivals::Open(100.0), &[2.0, 4.0]);
}

/// In one of these seeds, few slow requests come together shortly before the step. They stay in the
/// statistic's window for five decisions, and must not count five times: that made 18 pods of 11.
#[test]
fn bad_luck_before_a_step_does_not_size_the_answer() {
    for kind in [SHARED, FIFO] {
        let system = system(kind, OPEN, step(8.0));
        let (before, needed) = (initially_needed(system), needed(system));
        for seed in 101..=106 {
            let moments = run(system, POLICY, &mut queue(), before, SECONDS, seed);
            let peak = outcome(&moments, needed).peak;
            assert!(
                4 * peak <= 5 * needed + 3,
                "seed {seed}: {peak} pods, {needed} needed"
            );
        }
    }
}
