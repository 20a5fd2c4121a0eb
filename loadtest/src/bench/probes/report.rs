//! The numbers of all rounds in one.

use serde::Serialize;

use super::phase::Cost;

/// What was measured: ns per context switch, floor subtracted, medians over rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Our scheduler program while it measures the tasks that switch.
    pub scheduler_ns_per_switch: f64,
    /// The same, while those tasks are not of a measured container.
    pub scheduler_unmonitored_ns_per_switch: f64,
    /// All programs of `runqlat` together, wake-ups included; null without it.
    pub runqlat_ns_per_switch: Option<f64>,
    /// Runs of `runqlat`'s programs per switch.
    pub runqlat_runs_per_switch: Option<f64>,
    /// Why there are no numbers of `runqlat`.
    pub runqlat_missing: Option<String>,
    /// Ours by theirs; null without theirs.
    pub ratio: Option<f64>,
    /// What the kernel reports for a program that does nothing, ns per run.
    pub floor_ns_per_run: f64,
    /// Context switches in an average measurement.
    pub switches_per_round: u64,
    /// Rounds that the medians are over.
    pub rounds: usize,
}

impl Report {
    pub(super) fn from_rounds(
        floor: &[Cost],
        unmonitored: &[Cost],
        monitored: &[Cost],
        runqlat: &[Cost],
        runqlat_missing: Option<String>,
    ) -> Self {
        let floor_ns_per_run = median(
            floor
                .iter()
                .map(|cost| per(cost.spent.as_nanos(), cost.runs)),
        );
        let net = |costs: &[Cost]| {
            median(costs.iter().map(|cost| {
                let reported = per(cost.spent.as_nanos(), cost.switches);
                reported - floor_ns_per_run * per(u128::from(cost.runs), cost.switches)
            }))
        };
        let measured = |value: f64| (!runqlat.is_empty()).then_some(value);
        let scheduler = net(monitored);
        let runqlat_net = measured(net(runqlat));
        Self {
            scheduler_ns_per_switch: scheduler,
            scheduler_unmonitored_ns_per_switch: net(unmonitored),
            runqlat_ns_per_switch: runqlat_net,
            runqlat_runs_per_switch: measured(median(
                runqlat
                    .iter()
                    .map(|cost| per(u128::from(cost.runs), cost.switches)),
            )),
            runqlat_missing,
            ratio: runqlat_net.map(|theirs| scheduler / theirs),
            floor_ns_per_run,
            switches_per_round: monitored.iter().map(|cost| cost.switches).sum::<u64>()
                / monitored.len().max(1) as u64,
            rounds: monitored.len(),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "ns per context switch, floor of {:.1} ns per run subtracted; medians of {} rounds of \
             {} switches",
            self.floor_ns_per_run, self.rounds, self.switches_per_round
        )?;
        writeln!(
            f,
            "  viperscale, measured container   {:7.1}",
            self.scheduler_ns_per_switch
        )?;
        writeln!(
            f,
            "  viperscale, any other task       {:7.1}",
            self.scheduler_unmonitored_ns_per_switch
        )?;
        match (
            self.runqlat_ns_per_switch,
            self.ratio,
            &self.runqlat_missing,
        ) {
            (Some(theirs), Some(ratio), _) => {
                writeln!(f, "  runqlat (libbpf-tools)           {theirs:7.1}")?;
                writeln!(f, "  ratio                            {ratio:7.2}")
            }
            (_, _, reason) => writeln!(
                f,
                "  runqlat (libbpf-tools)           not measured: {}",
                reason.as_deref().unwrap_or("no rounds")
            ),
        }
    }
}

fn per(total: u128, count: u64) -> f64 {
    total as f64 / count.max(1) as f64
}

/// The middle value; of an even number the lower of the two. 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cost(ns: u64, runs: u64, switches: u64) -> Cost {
        Cost {
            spent: Duration::from_nanos(ns),
            runs,
            switches,
        }
    }

    #[test]
    fn the_floor_is_subtracted_once_per_run() {
        let floor = [cost(600, 10, 10)];
        let (monitored, runqlat) = ([cost(1_000, 10, 10)], [cost(4_000, 20, 10)]);
        let report = Report::from_rounds(&floor, &[cost(700, 10, 10)], &monitored, &runqlat, None);
        assert_eq!(report.scheduler_ns_per_switch, 40.0);
        assert_eq!(report.scheduler_unmonitored_ns_per_switch, 10.0);
        assert_eq!(report.runqlat_ns_per_switch, Some(280.0));
        assert_eq!(report.ratio, Some(40.0 / 280.0));
    }

    #[test]
    fn without_runqlat_its_numbers_are_null() {
        let cost = [cost(1_000, 10, 10)];
        let missing = Some("not installed".to_owned());
        let report = Report::from_rounds(&cost, &cost, &cost, &[], missing.clone());
        assert_eq!((report.runqlat_ns_per_switch, report.ratio), (None, None));
        assert_eq!(report.runqlat_missing, missing);
    }

    #[test]
    fn one_odd_round_does_not_count() {
        let rounds = [cost(500, 10, 10), cost(90_000, 10, 10), cost(600, 10, 10)];
        let report = Report::from_rounds(&[], &[], &rounds, &[], None);
        assert_eq!(report.scheduler_ns_per_switch, 60.0);
    }
}
