//! Faults, injected: random schedules of kills, cuts, delays, errors and clock jumps, and what must
//! hold whatever happens.
//!
//! ```text
//!  schedule (seed) ─▶ simulation: one thread, one tick after another, time is virtual
//!
//!   host "world"                                   hosts "scaler 0", "scaler 1"
//!   ┌───────────────────────────────┐  requests    ┌──────────────────────────┐
//!   │ API server (the local one's   │◀── faults ───│ scaler::parts, whole:    │
//!   │ routes and store, in process) │─── watches ─▶│ watches, ingest (gRPC),  │
//!   │ kubelet, human                │              │ election, controller …   │
//!   │ agents ───────── gRPC ────────│── wires ────▶│                          │
//!   └───────────────────────────────┘              └──────────────────────────┘
//!                    └──────────── oracle ─────────────┘
//! ```
//!
//! Every host is an async runtime of its own with a paused clock. Dropping it kills everything on
//! it at once, as SIGKILL does; not polling it for a while and then advancing its clock is SIGSTOP.
//! What is not simulated: TLS, TCP, the file system, threads. The real binaries have tests of their
//! own for those (`tests/faults.rs` of the workspace), fewer of them.
//!
//! A failure prints its seed, the smallest schedule that still fails, and the story of that one.
//!
//! | variable | meaning |
//! |---|---|
//! | `VIPERSCALE_FAULT_SCHEDULES` | how many schedules (default 500) |
//! | `VIPERSCALE_FAULT_FIRST_SEED` | the first seed (default 0): another part of the world |
//! | `VIPERSCALE_FAULT_STORY` | any value: prints the story of each schedule; for one seed at a time |

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod agents;
mod api;
mod faults;
mod host;
mod kubelet;
mod oracle;
mod schedule;
mod simulation;
mod wire;
mod world;

use std::fmt::Write as _;

use faults::{Fault, Kind};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use schedule::{Schedule, schedules};
use simulation::simulate;

/// Schedules that are run without being asked for another number.
const SCHEDULES: u64 = 500;
/// Attempts to make a failing schedule smaller; each is a simulation.
const SHRINKING: u32 = 200;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={text}: expected a whole number")),
        Err(_) => default,
    }
}

/// Runs every `step`th schedule, from the `first`.
fn run_schedules(first: u64, step: u64) {
    let from = number("VIPERSCALE_FAULT_FIRST_SEED", 0);
    let count = number("VIPERSCALE_FAULT_SCHEDULES", SCHEDULES);
    for seed in (from + first..from + count).step_by(step as usize) {
        run_seed(seed);
    }
}

fn run_seed(seed: u64) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: 1,
        max_shrink_iters: SHRINKING,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng).run(&schedules(), |schedule| {
        let (story, verdict) = simulate(seed, &schedule);
        if std::env::var_os("VIPERSCALE_FAULT_STORY").is_some() {
            println!("seed {seed}\n{schedule}\n{}", story.join("\n"));
        }
        verdict.map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, smallest)) => {
            panic!("{}", report(seed, &reason.to_string(), &smallest));
        }
        Err(TestError::Abort(reason)) => panic!("seed {seed}: {reason}"),
    }
}

fn report(seed: u64, reason: &str, smallest: &Schedule) -> String {
    let (story, verdict) = simulate(seed, smallest);
    let mut text = format!(
        "seed {seed}: {reason}\n\nthe smallest schedule that fails:\n{smallest}\n\nits story:\n"
    );
    for line in story {
        let _ = writeln!(text, "  {line}");
    }
    if verdict.is_ok() {
        let _ = writeln!(
            text,
            "  (this repetition did not fail: something is not seeded)"
        );
    }
    let _ = write!(
        text,
        "\nagain: VIPERSCALE_FAULT_FIRST_SEED={seed} VIPERSCALE_FAULT_SCHEDULES=1 cargo test -p \
         scaler --test faults schedules_0"
    );
    text
}

// Four tests, so that they share the machine's cores.
#[test]
fn schedules_0() {
    run_schedules(0, 4);
}

#[test]
fn schedules_1() {
    run_schedules(1, 4);
}

#[test]
fn schedules_2() {
    run_schedules(2, 4);
}

#[test]
fn schedules_3() {
    run_schedules(3, 4);
}

#[test]
fn without_faults_it_converges() {
    let (story, verdict) = simulate(0, &Schedule(Vec::new()));
    assert_eq!(verdict, Ok(()), "{}", story.join("\n"));
    assert!(
        story.iter().any(|line| line.contains("wrote")),
        "the load must move replicas, or nothing is tested:\n{}",
        story.join("\n")
    );
}

/// Each kind by itself, so that a fault that breaks nothing on its own is known not to be empty.
#[test]
fn each_fault_alone_is_survived() {
    for kind in Kind::examples() {
        let fault = Fault {
            at_ms: 12_000,
            lasts_ms: 15_000,
            kind,
        };
        let schedule = Schedule(vec![fault]);
        let (story, verdict) = simulate(1, &schedule);
        assert_eq!(verdict, Ok(()), "{schedule}\n{}", story.join("\n"));
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let schedule = Schedule(
        Kind::examples()
            .enumerate()
            .map(|(index, kind)| Fault {
                at_ms: 3_000 + 4_000 * index as u64,
                lasts_ms: 5_000,
                kind,
            })
            .collect(),
    );
    let first = simulate(7, &schedule);
    assert_eq!(first, simulate(7, &schedule));
}
