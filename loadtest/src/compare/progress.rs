//! How far a comparison is: two bars on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use comparison::TrialKey;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often the clocks of the bars move on.
const TURN: Duration = Duration::from_secs(1);

/// Seconds between two plain lines during a load.
const LINE_SECONDS: u64 = 10;

/// A trial's length before any has been made, on top of its load: start, rest, end.
pub(super) const AROUND: Duration = Duration::from_secs(60);

/// The same of a quick comparison.
pub(super) const QUICK_AROUND: Duration = Duration::from_secs(25);

/// What is shown while load runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Live {
    /// Such as `base` or `rush`.
    pub(super) phase: String,
    /// Load that is left, in seconds.
    pub(super) left_seconds: f64,
    /// Requests answered during the last full second.
    pub(super) requests_per_second: u64,
    /// Those of them that failed.
    pub(super) failures_per_second: u64,
    /// Failed requests so far.
    pub(super) failures: u64,
    /// Deployments with more than one replica: name, ready, desired.
    pub(super) grown: Vec<(String, u32, u32)>,
}

/// The progress of a comparison on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    bars: Option<Bars>,
    estimate: Estimate,
    trial: String,
    begun: Instant,
    told_seconds: Option<u64>,
}

#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    overall: ProgressBar,
    trial: ProgressBar,
}

/// How long the rest takes.
#[derive(Debug)]
struct Estimate {
    trials: usize,
    done: usize,
    per_trial: Duration,
    spent: Duration,
    made: u32,
}

impl Estimate {
    fn finished(&mut self, took: Duration) {
        self.done += 1;
        self.made += 1;
        self.spent += took;
        self.per_trial = self.spent / self.made;
    }

    /// Time left, `running` into the current trial.
    fn left(&self, running: Duration) -> Duration {
        let trials = u32::try_from(self.trials - self.done.min(self.trials)).unwrap_or(u32::MAX);
        (self.per_trial * trials).saturating_sub(running.min(self.per_trial))
    }
}

impl Progress {
    /// Of `trials` trials, `done` of which have been made before, each of about `per_trial`.
    pub(super) fn new(trials: usize, done: usize, per_trial: Duration) -> Self {
        let bars = stderr().is_terminal().then(|| Bars::new(trials, done));
        Self {
            bars,
            estimate: Estimate {
                trials,
                done,
                per_trial,
                spent: Duration::ZERO,
                made: 0,
            },
            trial: String::new(),
            begun: Instant::now(),
            told_seconds: None,
        }
    }

    /// A trial begins.
    pub(super) fn begin(&mut self, scenario: &str, key: TrialKey, of: u32) {
        self.trial = format!("{scenario} {}/{of} {}", key.trial, key.autoscaler);
        self.begun = Instant::now();
        self.told_seconds = None;
        let overall = self.overall();
        match &self.bars {
            Some(bars) => bars.overall.set_message(overall),
            None => say(&format!("{}: begins, {overall}", self.trial)),
        }
    }

    /// What the trial is doing now.
    pub(super) fn step(&mut self, step: &str) {
        let overall = self.overall();
        match &self.bars {
            Some(bars) => {
                bars.overall.set_message(overall);
                bars.trial.set_message(format!("{}: {step}", self.trial));
            }
            None => say(&format!("{}: {step}", self.trial)),
        }
    }

    /// The load of the trial goes on; to be called once a second.
    pub(super) fn live(&mut self, live: &Live) {
        let text = live.text();
        let overall = self.overall();
        if let Some(bars) = &self.bars {
            bars.overall.set_message(overall);
            bars.trial.set_message(format!("{}: {text}", self.trial));
            return;
        }
        let second = self.begun.elapsed().as_secs() / LINE_SECONDS;
        if self.told_seconds != Some(second) {
            self.told_seconds = Some(second);
            say(&format!("{}: {text}", self.trial));
        }
    }

    /// The trial is over; `outcome` in a few words.
    pub(super) fn end(&mut self, outcome: &str) {
        self.estimate.finished(self.begun.elapsed());
        let line = format!("{}: {outcome}", self.trial);
        let overall = self.overall();
        match &self.bars {
            Some(bars) => {
                bars.overall.inc(1);
                bars.overall.set_message(overall);
                bars.trial.set_message("");
                // Kept above the bars.
                let _ = bars.all.println(line);
            }
            None => say(&line),
        }
    }

    fn overall(&self) -> String {
        let left = self.estimate.left(self.begun.elapsed());
        let Estimate { trials, done, .. } = self.estimate;
        format!("{done} of {trials} trials done, {} left", minutes(left))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            let _ = bars.all.clear();
        }
    }
}

impl Bars {
    fn new(trials: usize, done: usize) -> Self {
        let style = |template| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let all = MultiProgress::new();
        let length = trials.try_into().unwrap_or(u64::MAX);
        let overall = all.add(ProgressBar::new(length));
        overall.set_style(style("{bar:24} {wide_msg}"));
        overall.set_position(done.try_into().unwrap_or(0));
        let trial = all.add(ProgressBar::new_spinner());
        trial.set_style(style("{spinner} {wide_msg}"));
        trial.enable_steady_tick(TURN);
        Self {
            all,
            overall,
            trial,
        }
    }
}

impl Live {
    fn text(&self) -> String {
        let grown: String = self
            .grown
            .iter()
            .map(|(name, ready, desired)| format!("  {name} {ready}/{desired}"))
            .collect();
        format!(
            "{}, {:.0} s left  {} req/s  {} failed/s ({} in all){grown}",
            self.phase,
            self.left_seconds.max(0.0),
            self.requests_per_second,
            self.failures_per_second,
            self.failures,
        )
    }
}

/// A line on standard error. That nobody reads it any more must not end a comparison of hours.
pub(super) fn say(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}

/// Such as `12 min`, or `40 s` when it is less than two minutes.
fn minutes(left: Duration) -> String {
    match left.as_secs() {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_what_trials_took() {
        let second = Duration::from_secs(1);
        let mut estimate = Estimate {
            trials: 10,
            done: 4,
            per_trial: 60 * second,
            spent: Duration::ZERO,
            made: 0,
        };
        assert_eq!(estimate.left(10 * second), 350 * second);
        estimate.finished(100 * second);
        assert_eq!(estimate.left(Duration::ZERO), 500 * second);
        // A trial that takes longer than expected does not eat into the others.
        assert_eq!(estimate.left(1000 * second), 400 * second);
        assert_eq!(
            (minutes(119 * second), minutes(500 * second)),
            ("119 s".into(), "9 min".into())
        );
    }

    #[test]
    fn the_line_shows_what_moves() {
        let live = Live {
            phase: "rush".into(),
            left_seconds: 41.6,
            requests_per_second: 31,
            failures_per_second: 2,
            failures: 40,
            grown: vec![("cartservice".into(), 1, 4)],
        };
        let expected = "rush, 42 s left  31 req/s  2 failed/s (40 in all)  cartservice 1/4";
        assert_eq!(live.text(), expected);
    }
}
