//! What the kernel says our programs took while the shop was under load.
//!
//! Two clocks that are read once per run of a program do not depend on what else the machine does, so this
//! tells in a minute what the comparison of turns tells in hours. It is not the whole cost: neither what
//! attaching adds to the kernel's own paths is in it, nor what our programs push out of caches.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;

use anyhow::{Context, Result};
use comparison::statistics::Estimate;
use serde::Serialize;

use super::policies::State;
use crate::bench::probes::events::measure::{Cost, per};

/// Our programs while the shop was measured once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) state: State,
    /// In our programs; of [`State::None`], in the one that does nothing.
    pub(super) cost: Cost,
    pub(super) shop_cpu_seconds: f64,
    pub(super) pages: usize,
}

/// Our programs in one state, medians over rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    pub(super) state: State,
    /// Runs of all programs by page.
    pub runs_per_page: Estimate,
    /// Of one run, with what the kernel takes to account for it.
    pub ns_per_run: Estimate,
    /// What it takes for that, ns per run: what it says of a program that does nothing, at task switches.
    /// Elsewhere, in code that ran a moment ago, it takes less.
    pub floor_ns: f64,
    /// Time in our programs, percent of the shop's CPU, as the kernel says: more than the truth.
    pub at_most_cpu_percent: Estimate,
    /// The same with the floor of each run subtracted: less than the truth.
    pub at_least_cpu_percent: Estimate,
}

impl Account {
    /// Of the states in `entries` in which we measure; none without an entry of the floor.
    pub(super) fn of(entries: &[Entry], seed: u64) -> Vec<Self> {
        let idle = entries.iter().filter(|entry| entry.state == State::None);
        let floors: Vec<f64> = idle
            .filter(|entry| entry.cost.runs > 0)
            .map(|entry| per(entry.cost.spent.as_nanos(), entry.cost.runs))
            .collect();
        if floors.is_empty() {
            return Vec::new();
        }
        let floor_ns = Estimate::of_numbers(&floors, seed).median;
        [State::Core, State::All]
            .into_iter()
            .filter_map(|state| {
                let of_state: Vec<&Entry> = entries
                    .iter()
                    .filter(|entry| entry.state == state && entry.cost.runs > 0)
                    .filter(|entry| entry.pages > 0 && entry.shop_cpu_seconds > 0.0)
                    .collect();
                let estimate = |value: &dyn Fn(&Entry) -> f64| {
                    let values: Vec<f64> = of_state.iter().map(|entry| value(entry)).collect();
                    Estimate::of_numbers(&values, seed)
                };
                let share = |entry: &Entry, floor_ns: f64| {
                    let floor = floor_ns * entry.cost.runs as f64;
                    (entry.cost.spent.as_nanos() as f64 - floor) / (entry.shop_cpu_seconds * 1e7)
                };
                (!of_state.is_empty()).then(|| Self {
                    state,
                    runs_per_page: estimate(&|entry| entry.cost.runs as f64 / entry.pages as f64),
                    ns_per_run: estimate(&|entry| {
                        per(entry.cost.spent.as_nanos(), entry.cost.runs)
                    }),
                    floor_ns,
                    at_most_cpu_percent: estimate(&|entry| share(entry, 0.0)),
                    at_least_cpu_percent: estimate(&|entry| share(entry, floor_ns)),
                })
            })
            .collect()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, by the kernel's account: {:.2} to {:.2} % of the shop's CPU is spent in our programs \
             ({:.0} runs a page of {:.0} ns each, of which up to {:.0} for the account)",
            self.state.words(),
            self.at_least_cpu_percent.median,
            self.at_most_cpu_percent.median,
            self.runs_per_page.median,
            self.ns_per_run.median,
            self.floor_ns
        )
    }
}

/// The kernel's ids of the programs that a process holds.
pub(super) fn programs_of(pid: u32) -> Result<BTreeSet<u32>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let files = fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
    let ids = files
        .flatten()
        // One that is closed meanwhile is none.
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .filter_map(|text| id_in(&text));
    Ok(ids.collect())
}

fn id_in(fdinfo: &str) -> Option<u32> {
    let id = |line: &str| line.strip_prefix("prog_id:")?.trim().parse().ok();
    fdinfo.lines().find_map(id)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(state: State, runs: u64, ns_per_run: u64) -> Entry {
        Entry {
            state,
            cost: Cost {
                spent: Duration::from_nanos(runs * ns_per_run),
                runs,
                events: runs,
            },
            shop_cpu_seconds: 0.01,
            pages: 10,
        }
    }

    #[test]
    fn the_truth_is_between_with_the_account_and_without() {
        let entries = [
            entry(State::None, 100, 40),
            entry(State::Core, 1_000, 140),
            entry(State::None, 100, 42),
            entry(State::None, 100, 90),
            entry(State::All, 2_000, 142),
        ];
        let accounts = Account::of(&entries, 1);
        let [core, all] = accounts.as_slice() else {
            panic!("{accounts:?}");
        };
        assert!((core.floor_ns - 42.0).abs() < 1e-9);
        let close = |estimate: Estimate, expected: f64| {
            assert!((estimate.median - expected).abs() < 1e-9, "{estimate:?}");
        };
        close(core.at_most_cpu_percent, 1.4);
        close(core.at_least_cpu_percent, 0.98);
        close(all.at_most_cpu_percent, 2.84);
        close(all.at_least_cpu_percent, 2.0);
        close(all.ns_per_run, 142.0);
        close(all.runs_per_page, 200.0);
        let text = core.to_string();
        assert!(text.contains("0.98 to 1.40 %"), "{text}");
    }

    #[test]
    fn without_a_floor_nothing_is_claimed() {
        assert!(Account::of(&[entry(State::All, 2_000, 142)], 1).is_empty());
        assert!(Account::of(&[entry(State::None, 10, 40)], 1).is_empty());
    }

    #[test]
    fn a_programs_id_is_found_and_nothing_else() {
        let program = "pos:\t0\nprog_type:\t26\nprog_id:\t148775\nrun_cnt:\t0\n";
        assert_eq!(id_in(program), Some(148_775));
        assert_eq!(id_in("pos:\t0\nmap_type:\t2\nmap_id:\t9\n"), None);
    }
}
