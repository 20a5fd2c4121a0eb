//! Outcomes of several seeds, as one line of a table.

use super::scenarios::Outcome;

/// One rule in one scenario, over all seeds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Seconds until what is needed was asked for, in the worst seed; `None` = never in one.
    pub(crate) reached: Option<u32>,
    /// The same for two thirds of what is needed.
    pub(crate) nearly: Option<u32>,
    /// Seconds until the first higher proposal, in the worst seed.
    pub(crate) first: Option<u32>,
    /// Highest number of replicas in any seed.
    pub(crate) peak: u32,
    /// Mean over the seeds.
    pub(crate) replica_seconds: f64,
    /// Failed requests in percent, over all seeds.
    pub(crate) failed: f64,
    /// Most changes in the last 30 seconds of a run.
    pub(crate) late_changes: u32,
}

pub(crate) fn line(outcomes: &[Outcome]) -> Line {
    let worst = |value: fn(&Outcome) -> Option<u32>| {
        outcomes
            .iter()
            .map(value)
            .try_fold(0, |worst, value| value.map(|v| v.max(worst)))
    };
    let sum = |value: fn(&Outcome) -> u64| outcomes.iter().map(value).sum::<u64>() as f64;
    Line {
        reached: worst(|outcome| outcome.reached),
        nearly: worst(|outcome| outcome.nearly),
        first: worst(|outcome| outcome.first),
        peak: outcomes
            .iter()
            .map(|outcome| outcome.peak)
            .max()
            .unwrap_or(0),
        replica_seconds: sum(|outcome| outcome.replica_seconds.into()) / outcomes.len() as f64,
        failed: 100.0 * sum(|outcome| outcome.failed) / sum(|outcome| outcome.requests),
        late_changes: outcomes
            .iter()
            .map(|outcome| outcome.late_changes)
            .max()
            .unwrap_or(0),
    }
}

pub(crate) fn print_header() {
    println!(
        "{:<18} {:<13} {:>6} {:>6} {:>6} {:>7} {:>5} {:>8} {:>8} {:>5}",
        "scenario", "rule", "needed", "first", "2/3", "reached", "peak", "pod-s", "failed%", "late"
    );
}

pub(crate) fn print(scenario: &str, rule: &str, needed: u32, line: &Line) {
    let seconds = |value: Option<u32>| value.map_or("-".to_owned(), |value| value.to_string());
    println!(
        "{scenario:<18} {rule:<13} {needed:>6} {:>6} {:>6} {:>7} {:>5} {:>8.0} {:>8.2} {:>5}",
        seconds(line.first),
        seconds(line.nearly),
        seconds(line.reached),
        line.peak,
        line.replica_seconds,
        line.failed,
        line.late_changes
    );
}
