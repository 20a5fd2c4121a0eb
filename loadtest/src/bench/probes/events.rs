//! What our programs cost per event, beside other tools on the same events.
//!
//! ```text
//!  each round, each case:  load on ─▶ floor │ ours, unmonitored │ ours, monitored │ peers    one at a time
//!  each measurement:       the kernel's own statistics: ns in the programs, runs    medians over rounds
//! ```
//!
//! The kernel reads a clock before and after each run, which is most of what it then reports for a
//! cheap program. The *floor* is what it reports for a program that does nothing; it is subtracted
//! once per run.

mod case;
mod load;
pub(super) mod measure;
pub(super) mod peer;
mod ping_pong;
mod report;

use std::time::Duration;

use anyhow::{Context, Result};
use aya::sys::{Stats, enable_stats};
use probe_agent::kernel::{Kernel, Options};

use super::cgroup::Stay;
use case::{CASES, Case};
use measure::Cost;
use peer::Peer;
pub(super) use report::EventsReport;

/// What all rounds measured of one case.
#[derive(Debug, Default)]
struct Rounds {
    unmonitored: Vec<Cost>,
    monitored: Vec<Cost>,
    /// By peer, in the case's order.
    peers: Vec<PeerRounds>,
    /// Why ours could not be measured.
    missing: Option<String>,
}

#[derive(Debug, Default)]
struct PeerRounds {
    costs: Vec<Cost>,
    /// Why it could not be measured; it is not tried again.
    missing: Option<String>,
}

/// Measures for `rounds` rounds of `time` per program. Dropped half-way, it leaves nothing behind.
///
/// # Errors
/// Without BTF, or when a program cannot be loaded.
pub(super) async fn measure(rounds: u32, time: Duration) -> Result<EventsReport> {
    let _statistics = enable_stats(Stats::RunTime).context("cannot switch on BPF statistics")?;
    let stay = Stay::in_new_cgroup()?;
    let mut kernel = Kernel::open(Options::new(stay.tree(), stay.v2_mount()))?;
    let mut floor = Vec::new();
    let mut all: Vec<Rounds> = CASES.iter().map(Rounds::of).collect();
    for round in 0..rounds {
        let mut turns: Vec<(&Case, &mut Rounds)> = CASES.iter().zip(&mut all).collect();
        // There and back, so that no case always follows the same other one.
        if round % 2 == 1 {
            turns.reverse();
        }
        for (case, results) in turns {
            if results.missing.is_none() {
                take_turn(&mut kernel, &stay, case, results, &mut floor, time)
                    .await
                    .with_context(|| format!("cannot measure {}", case.event))?;
            }
        }
    }
    Ok(EventsReport::from_rounds(&floor, CASES.iter().zip(&all)))
}

async fn take_turn(
    kernel: &mut Kernel,
    stay: &Stay,
    case: &'static Case,
    results: &mut Rounds,
    floor: &mut Vec<Cost>,
    time: Duration,
) -> Result<()> {
    let unsupported = case
        .metrics
        .iter()
        .map(|metric| kernel.support().get(*metric))
        .find(|support| !support.is_measured());
    if let Some(support) = unsupported {
        results.missing = Some(support.to_string());
        return Ok(());
    }
    let load = match (case.load)() {
        Ok(load) => load,
        Err(error) => {
            results.missing = Some(format!("{error:#}"));
            return Ok(());
        }
    };
    // The kernel's statistics cost the same wherever a program is.
    if case.is_first() {
        floor.push(measure::floor(time).await?);
    }
    for (monitored, costs) in [
        (None, &mut results.unmonitored),
        (Some(stay), &mut results.monitored),
    ] {
        match measure::ours(kernel, monitored, case, time).await? {
            Ok(cost) => costs.push(cost),
            Err(reason) => {
                results.missing = Some(reason);
                return Ok(());
            }
        }
    }
    for (peer, rounds) in case.peers.iter().zip(&mut results.peers) {
        if rounds.missing.is_none() {
            let measured = match Peer::start(peer).await? {
                Ok(running) => running.measure(time).await,
                Err(reason) => Err(reason),
            };
            match measured {
                Ok(cost) => rounds.costs.push(cost),
                Err(reason) => rounds.missing = Some(reason),
            }
        }
    }
    drop(load);
    Ok(())
}

impl Rounds {
    fn of(case: &Case) -> Self {
        let peers = case.peers.iter().map(|_| PeerRounds::default());
        Self {
            peers: peers.collect(),
            ..Self::default()
        }
    }
}
