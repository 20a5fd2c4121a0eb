//! The result: each trial, the distribution, and how it lies to what was measured.

use std::fmt;
use std::ops::RangeInclusive;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::Phase;
use super::trial::Trial;

/// Seconds to the first patch, in the seven trials on a real chain 9.5-17.9.
const MEASURED_FIRST: RangeInclusive<f64> = 9.0..=18.0;
/// Seconds to 16 replicas, there 54.7-63.2.
const MEASURED_SIXTEEN: RangeInclusive<f64> = 54.0..=64.0;

/// What came of all trials.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Which moments the load stepped up at.
    pub phase: Phase,
    /// What chance was seeded with.
    pub seed: u64,
    /// Seconds from the step to the first patch.
    pub first_patch_seconds: Distribution,
    /// Seconds from the step to 16 replicas asked for.
    pub sixteen_replicas_seconds: Distribution,
    /// Trials within both measured ranges.
    pub inside: usize,
    /// Each of them.
    pub trials: Vec<Trial>,
}

/// How values are spread, beside the range that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distribution {
    /// How many trials came so far.
    pub count: usize,
    /// The smallest; none without values, as the next two.
    pub min: Option<f64>,
    /// The middle one, or the mean of the middle two.
    pub median: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// How many are within the measured range.
    pub inside: usize,
    /// That range.
    pub measured: (f64, f64),
}

impl Report {
    /// From trials, in order.
    pub(super) fn new(phase: Phase, seed: u64, trials: Vec<Trial>) -> Self {
        let first = |trial: &Trial| trial.first().map(|patch| patch.seconds);
        let sixteen = |trial: &Trial| trial.seconds_to(16);
        let inside = trials.iter().filter(|trial| {
            first(trial).is_some_and(|at| MEASURED_FIRST.contains(&at))
                && sixteen(trial).is_some_and(|at| MEASURED_SIXTEEN.contains(&at))
        });
        Self {
            phase,
            seed,
            first_patch_seconds: Distribution::of(trials.iter().filter_map(first), MEASURED_FIRST),
            sixteen_replicas_seconds: Distribution::of(
                trials.iter().filter_map(sixteen),
                MEASURED_SIXTEEN,
            ),
            inside: inside.count(),
            trials,
        }
    }
}

impl Distribution {
    fn of(values: impl Iterator<Item = f64>, measured: RangeInclusive<f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let upper = values.len() / 2;
        let median = values.get(upper).map(|&high| match values.len() % 2 {
            0 => f64::midpoint(values[upper - 1], high),
            _ => high,
        });
        Self {
            count: values.len(),
            min: values.first().copied(),
            median,
            max: values.last().copied(),
            inside: values
                .iter()
                .filter(|value| measured.contains(value))
                .count(),
            measured: (*measured.start(), *measured.end()),
        }
    }

    fn row(&self, what: &str, of: usize) -> [String; 6] {
        [
            what.to_owned(),
            seconds(self.min),
            seconds(self.median),
            seconds(self.max),
            format!("{:.0}-{:.0}", self.measured.0, self.measured.1),
            format!("{} of {of}", self.inside),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", trials(&self.trials))?;
        writeln!(f, "{}\n", distribution(self))?;
        match self.phase {
            Phase::Measured => writeln!(
                f,
                "The phase was chosen: each step was made at a moment of the running chain from which \
                 the measured\nranges can be reached. The measurement does not tell its phases; with \
                 free ones (--phase free) the\nmodel of the chain gives a first patch after 9-47 s, \
                 one time in eight within 9-18 s.",
            ),
            Phase::Free => writeln!(
                f,
                "The phase was free: each step was made at a moment by chance (seed {}). The model of \
                 the chain gives\na first patch after 9-47 s, one time in eight within 9-18 s.",
                self.seed
            ),
        }
    }
}

fn trials(trials: &[Trial]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "trial",
        "first patch",
        "to",
        "4 replicas",
        "8 replicas",
        "16 replicas",
        "at the step: look in",
        "poll in",
        "sync in",
        "load before",
    ]);
    for (number, trial) in (1..).zip(trials) {
        let first = trial.first();
        let in_seconds = |seconds: f64| format!("{seconds:.1} s");
        table.add_row([
            number.to_string(),
            seconds(first.map(|patch| patch.seconds)),
            first.map_or("-".to_owned(), |patch| patch.replicas.to_string()),
            seconds(trial.seconds_to(4)),
            seconds(trial.seconds_to(8)),
            seconds(trial.seconds_to(16)),
            in_seconds(trial.phases.next_sample_seconds),
            in_seconds(trial.phases.next_poll_seconds),
            in_seconds(trial.phases.next_sync_seconds),
            format!("{:.1}", trial.load_average),
        ]);
    }
    aligned(table)
}

fn distribution(report: &Report) -> String {
    let mut table = Table::new();
    let header = [
        "from the step",
        "min",
        "median",
        "max",
        "measured, s",
        "inside",
    ];
    table.load_preset(presets::NOTHING).set_header(header);
    let of = report.trials.len();
    table.add_row(report.first_patch_seconds.row("first patch", of));
    table.add_row(report.sixteen_replicas_seconds.row("16 replicas", of));
    let both = [
        "both",
        "",
        "",
        "",
        "",
        &format!("{} of {of}", report.inside),
    ]
    .map(str::to_owned);
    table.add_row(both);
    aligned(table)
}

/// Numbers to the right.
fn aligned(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn seconds(seconds: Option<f64>) -> String {
    seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.1} s"))
}

#[cfg(test)]
mod tests {
    use super::super::phase::Phases;
    use super::super::trial::Patch;
    use super::*;

    fn trial(patches: &[(f64, u32)]) -> Trial {
        let phases = Phases {
            window_seconds: 15.0,
            next_sample_seconds: 5.0,
            next_poll_seconds: 7.0,
            next_sync_seconds: 9.0,
        };
        let patches = patches
            .iter()
            .map(|&(seconds, replicas)| Patch { seconds, replicas });
        Trial {
            phases,
            load_average: 0.1,
            patches: patches.collect(),
        }
    }

    fn report() -> Report {
        let trials = vec![
            trial(&[(12.0, 3), (27.0, 4), (42.0, 8), (57.0, 16)]),
            trial(&[(30.0, 4), (45.0, 8), (60.0, 16)]),
            trial(&[(17.0, 2), (32.0, 4)]),
            trial(&[]),
        ];
        Report::new(Phase::Measured, 1, trials)
    }

    #[test]
    fn what_is_inside_is_counted_and_nothing_is_left_out() {
        let report = report();
        let first = &report.first_patch_seconds;
        assert_eq!((first.count, first.inside), (3, 2));
        assert_eq!(
            (first.min, first.median, first.max),
            (Some(12.0), Some(17.0), Some(30.0))
        );
        let sixteen = &report.sixteen_replicas_seconds;
        assert_eq!(
            (sixteen.count, sixteen.inside, sixteen.median),
            (2, 2, Some(58.5))
        );
        assert_eq!(report.inside, 1);
        assert_eq!(
            Report::new(Phase::Free, 1, Vec::new())
                .first_patch_seconds
                .median,
            None
        );
    }

    #[test]
    fn the_text_says_how_many_of_all_trials_and_that_the_phase_was_chosen() {
        let text = report().to_string();
        let line = |start: &str| {
            let line = text
                .lines()
                .find(|line| line.trim_start().starts_with(start));
            line.unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            line("first patch"),
            "first patch 12.0 s 17.0 s 30.0 s 9-18 2 of 4"
        );
        assert_eq!(line("both"), "both 1 of 4");
        assert!(text.contains("The phase was chosen"), "{text}");
        assert!(
            line("3 ").starts_with("3 17.0 s 2 32.0 s - - 5.0 s"),
            "{text}"
        );
    }
}
