//! One measurement: something attached, a while of load, and the kernel's statistics about it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use aya::programs::{BtfTracePoint, loaded_programs};
use aya::{Btf, EbpfLoader};
use probe_agent::kernel::{Kernel, OBJECT, SamplingRate, Settings};

use super::case::Case;
use crate::bench::probes::cgroup::Stay;

/// What a set of programs cost while it was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::bench::probes) struct Cost {
    /// Time in all of them.
    pub(in crate::bench::probes) spent: Duration,
    /// Runs of all of them.
    pub(in crate::bench::probes) runs: u64,
    /// Events: runs of the one that runs once per event.
    pub(in crate::bench::probes) events: u64,
}

/// Measures a program on `sched_switch` that does nothing.
pub(in crate::bench::probes) async fn floor(time: Duration) -> Result<Cost> {
    let types = Btf::from_sys_fs().context("cannot read the kernel's BTF")?;
    let mut object = EbpfLoader::new()
        .load(OBJECT)
        .context("cannot create the eBPF maps")?;
    let program = object
        .program_mut("nothing")
        .context("the object lacks the program `nothing`")?;
    let program: &mut BtfTracePoint = program.try_into()?;
    program.load("sched_switch", &types)?;
    program.attach()?;
    let id = program.info()?.id();
    Ok(measure(&BTreeSet::from([id]), Some(id), time).await)
}

/// Measures our programs for `case`, with this process as the only measured container, or with none. A
/// reason instead when the load has caused no event.
pub(super) async fn ours(
    kernel: &mut Kernel,
    monitored: Option<&Stay>,
    case: &Case,
    time: Duration,
) -> Result<Result<Cost, String>> {
    let mut settings = Settings::default();
    for metric in case.metrics {
        settings.set(*metric, SamplingRate::ALL)?;
    }
    let ids = monitored.map(Stay::id);
    let slot = kernel.add(ids.as_slice(), &settings)?;
    if let (true, Some(io)) = (kernel.io_apart(), monitored.and_then(Stay::io_id)) {
        kernel.set_io_cgroups(slot, &[io])?;
    }
    let programs = kernel.programs();
    let per_event = programs
        .iter()
        .find(|(name, _)| name.starts_with(case.program))
        .map(|(_, id)| *id);
    let cost = measure(
        &programs.iter().map(|(_, id)| *id).collect(),
        per_event,
        time,
    )
    .await;
    let counted: u64 = kernel
        .read()?
        .remove(&slot)
        .into_iter()
        .flat_map(|reading| reading.metrics.into_values())
        .map(|totals| totals.count)
        .sum();
    kernel.remove(slot)?;
    Ok(judge(cost, counted, monitored.is_some(), case))
}

/// Whether a measurement is what it is said to be.
fn judge(cost: Cost, counted: u64, monitored: bool, case: &Case) -> Result<Cost, String> {
    if cost.events == 0 {
        return Err(format!("no event happened: {} did not run", case.program));
    }
    match (monitored, counted) {
        // A filter's events are what it does not count.
        (true, 0) if case.counts_what_it_sees() => Err(format!(
            "{} events happened, and none was counted",
            cost.events
        )),
        (false, 1..) => Err(format!("{counted} events of nobody were counted")),
        _ => Ok(cost),
    }
}

/// One loaded program, as the kernel lists it.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) id: u32,
    pub(super) name: String,
    spent: Duration,
    pub(super) runs: u64,
}

/// Every program that is loaded on this machine.
pub(super) fn programs() -> Vec<Loaded> {
    // One that is unloaded while the list is read is left out.
    let listed = loaded_programs().flatten();
    listed
        .map(|found| Loaded {
            id: found.id(),
            name: found.name_as_str().unwrap_or_default().to_owned(),
            spent: found.run_time(),
            runs: found.run_count(),
        })
        .collect()
}

/// What the programs `ids` cost from now on for `time`. Without a program that runs once per `event`,
/// events are the runs of the one that runs most.
pub(in crate::bench::probes) async fn measure(
    ids: &BTreeSet<u32>,
    event: Option<u32>,
    time: Duration,
) -> Cost {
    // What attaching has disturbed settles.
    tokio::time::sleep(time / 10).await;
    let before = programs();
    tokio::time::sleep(time).await;
    change(&before, &programs(), ids, event)
}

fn change(before: &[Loaded], after: &[Loaded], ids: &BTreeSet<u32>, event: Option<u32>) -> Cost {
    let mut cost = Cost::default();
    let mut most = 0;
    for program in after.iter().filter(|program| ids.contains(&program.id)) {
        let Some(earlier) = before.iter().find(|earlier| earlier.id == program.id) else {
            continue;
        };
        let runs = program.runs.saturating_sub(earlier.runs);
        cost.spent += program.spent.saturating_sub(earlier.spent);
        cost.runs += runs;
        most = most.max(runs);
        if event == Some(program.id) {
            cost.events = runs;
        }
    }
    if event.is_none() {
        cost.events = most;
    }
    cost
}

/// ns per event in all programs, less the floor of each run.
pub(super) fn net(costs: &[Cost], floor: f64) -> Option<f64> {
    median(costs.iter().map(|cost| {
        let reported = per(cost.spent.as_nanos(), cost.events);
        reported - floor * per(u128::from(cost.runs), cost.events)
    }))
}

pub(super) fn runs_per_event(costs: &[Cost]) -> Option<f64> {
    median(
        costs
            .iter()
            .map(|cost| per(u128::from(cost.runs), cost.events)),
    )
}

pub(in crate::bench::probes) fn per(total: u128, count: u64) -> f64 {
    total as f64 / count.max(1) as f64
}

/// The middle value; of an even number the lower of the two. `None` of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(id: u32, ns: u64, runs: u64) -> Loaded {
        Loaded {
            id,
            name: String::new(),
            spent: Duration::from_nanos(ns),
            runs,
        }
    }

    #[test]
    fn only_the_named_programs_and_the_time_between_count() {
        let before = [loaded(1, 100, 10), loaded(2, 50, 5), loaded(9, 7, 7)];
        let after = [
            loaded(1, 400, 20),
            loaded(2, 150, 45),
            loaded(9, 9_999, 999),
            loaded(3, 9_999, 999),
        ];
        let ids = BTreeSet::from([1, 2, 3]);
        let cost = change(&before, &after, &ids, Some(1));
        assert_eq!(
            (cost.spent.as_nanos(), cost.runs, cost.events),
            (400, 50, 10)
        );
        assert_eq!(change(&before, &after, &ids, None).events, 40);
    }

    #[test]
    fn a_measurement_of_something_else_is_refused() {
        let case = &super::super::case::CASES[0];
        let cost = |events| Cost {
            events,
            ..Cost::default()
        };
        assert!(judge(cost(0), 0, false, case).is_err());
        assert!(judge(cost(9), 0, true, case).is_err());
        assert!(judge(cost(9), 3, false, case).is_err());
        assert!(judge(cost(9), 9, true, case).is_ok() && judge(cost(9), 0, false, case).is_ok());
    }
}
