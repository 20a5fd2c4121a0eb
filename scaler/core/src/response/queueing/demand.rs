//! How many cores the arriving work needs, whatever the pods were allowed to use.

use serde::{Deserialize, Serialize};

use super::{Interval, QUOTA_PERIOD_SECONDS};

/// A backlog is worked off over this many seconds: demand grows by backlog / this.
const BACKLOG_SECONDS: f64 = 10.0;
/// Time constant in seconds of the average demand.
const SMOOTH_SECONDS: f64 = 4.0;
/// Demand this many times the average, noise taken off, is a step: the average starts afresh.
const STEP: f64 = 1.25;
/// Below this share of their capacity, pods that got company have room again.
const RELIEVED: f64 = 0.9;
/// Time constant in seconds with which a past peak of demand is forgotten.
const PEAK_SECONDS: f64 = 15.0;
/// Arrivals are believed up to this multiple of completions; beyond it the estimate is too coarse.
const MAX_ARRIVAL_RATIO: f64 = 4.0;
/// One-sided 90 % bound of a normal variable: below it an excess counts as noise.
const SIGNIFICANCE: f64 = 1.28;
/// Share of throttled periods from which on pods use all they may.
const THROTTLED_HARD: f64 = 0.8;
/// Stints per interval below which a percentile of them says nothing.
const MIN_STINTS: u64 = 20;

/// One interval as rates and means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) pods: f64,
    seconds: f64,
    /// On-CPU seconds per second.
    pub(super) used_cores: f64,
    /// Mean number of runnable threads (Little's law).
    pub(super) runnable: f64,
    /// Switch-outs that ended a burst.
    completed: f64,
    stints: u64,
    /// Waiting seconds.
    wait: f64,
    throttled_share: f64,
    throttled_throughout: bool,
}

impl Load {
    /// `None` where nothing was measured, or nothing ran though something wanted to. Where nothing
    /// wanted to run either, that is a load, of zero.
    pub(super) fn measure(interval: &Interval) -> Option<Self> {
        let stints = interval.voluntary.saturating_add(interval.involuntary);
        let seconds = interval.length.as_secs_f64();
        let ran = stints > 0 || !interval.on_cpu.is_zero();
        let held_back = !interval.wait.is_zero() || interval.throttled_periods > 0;
        if interval.ready == 0 || seconds <= 0.0 || (!ran && held_back) {
            return None;
        }
        let (on_cpu, wait) = (interval.on_cpu.as_secs_f64(), interval.wait.as_secs_f64());
        let completed = interval.voluntary as f64;
        Some(Self {
            pods: f64::from(interval.ready),
            seconds,
            used_cores: on_cpu / seconds,
            runnable: (on_cpu + wait) / seconds,
            completed,
            stints,
            wait,
            throttled_share: match interval.quota_periods {
                0 => 0.0,
                periods => (interval.throttled_periods as f64 / periods as f64).min(1.0),
            },
            throttled_throughout: interval.throttled_periods as f64
                > THROTTLED_HARD * f64::from(interval.ready) * seconds / QUOTA_PERIOD_SECONDS,
        })
    }

    /// Seconds on CPU per completed burst; `None` when nothing completed.
    pub(super) fn mean_burst(&self) -> Option<f64> {
        (self.completed >= MIN_STINTS as f64)
            .then(|| self.used_cores * self.seconds / self.completed)
    }

    /// Nothing ran.
    pub(super) fn is_zero(&self) -> bool {
        self.stints == 0 && self.used_cores <= 0.0
    }

    /// Enough stints for a percentile of them; or throttling in nearly every period there was, which
    /// needs no percentile: an event loop that runs from one quota to the next makes a single stint
    /// per period, and few stints would otherwise hide the worst waiting there is.
    pub(super) fn has_evidence(&self) -> bool {
        self.stints >= MIN_STINTS || self.throttled_throughout
    }

    pub(super) fn throttled_share(&self) -> f64 {
        self.throttled_share
    }

    pub(super) fn throttled_often(&self) -> bool {
        self.throttled_share > 0.3
    }

    pub(super) fn throttled_hard(&self) -> bool {
        self.throttled_share > THROTTLED_HARD
    }
}

/// The queue in one interval, as far as the next one is compared with it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Queue {
    pods: f64,
    runnable: f64,
    /// Seconds.
    wait_per_burst: f64,
    stints_per_burst: f64,
}

/// What the estimate of one interval says, in cores unless noted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Estimate {
    pub(super) now: f64,
    /// Lower confidence bound of `now`.
    pub(super) at_least: f64,
    pub(super) smooth: f64,
    /// Highest recent demand, slowly forgotten.
    pub(super) peak: f64,
    /// Core-seconds of waiting work.
    pub(super) backlog: f64,
    /// Arrivals exceed completions visibly.
    pub(super) growth_seen: bool,
    /// The queue became materially shorter.
    pub(super) draining: bool,
}

/// Remembers what the next interval is compared with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Demand {
    previous: Option<Queue>,
    /// Mean burst in seconds while pods were not throttled: a saturated worker does not block
    /// between requests, so its bursts look endless.
    burst: Option<f64>,
    smooth: Option<f64>,
    peak: f64,
}

impl Demand {
    /// No interval was taken in yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.previous.is_none()
    }

    /// Takes one interval in. `capacity` is that of all measured pods together, in cores.
    pub(super) fn update(&mut self, load: &Load, capacity: f64) -> Estimate {
        if let Some(burst) = load.mean_burst().filter(|_| !load.throttled_often()) {
            let known = self.burst.unwrap_or(burst);
            self.burst = Some(known + 0.2 * (burst - known));
        }
        let seconds_used = load.used_cores * load.seconds;
        let burst = match (self.burst, load.mean_burst()) {
            (Some(known), Some(seen)) => known.min(seen),
            (known, seen) => known.or(seen).unwrap_or(seconds_used),
        };
        // Saturated workers go from request to request without blocking: count by work.
        let completed = load.completed.max(seconds_used / burst.max(1e-9)).max(1.0);
        let queue = Queue {
            pods: load.pods,
            runnable: load.runnable,
            wait_per_burst: load.wait / completed,
            stints_per_burst: (load.stints as f64 / completed).max(1.0),
        };
        let before = self.previous.replace(queue);
        // Pods far from their capacity complete what arrives; differences there are noise.
        let busy = load.used_cores > 0.7 * capacity || load.throttled_often();
        let ratio = match before {
            Some(before) if busy => arrival_ratio(before, queue, completed, load.seconds),
            _ => 1.0,
        };
        let backlog = (load.runnable - load.pods).max(0.0) * burst;

        let now = load.used_cores * ratio + backlog / BACKLOG_SECONDS;
        // The number of bursts is roughly Poisson, so demand is known to 1 / sqrt(bursts).
        let error = SIGNIFICANCE / completed.sqrt();
        let sure = now * (1.0 - error).max(0.0);
        let average = self.smooth.unwrap_or(now);
        // Where pods joined and there is room again, old pods work off what had piled up: what
        // they use then is more than what arrives.
        let relieved = before.is_some_and(|before| before.pods < load.pods)
            && load.used_cores < RELIEVED * capacity;
        let at_least = if relieved { sure.min(average) } else { sure };

        let smooth = if at_least > STEP * average {
            at_least
        } else {
            average + weight(load.seconds, SMOOTH_SECONDS) * (now - average)
        };
        self.smooth = Some(smooth);
        let decayed = self.peak + weight(load.seconds, PEAK_SECONDS) * (smooth - self.peak);
        self.peak = decayed.max(smooth);

        Estimate {
            now,
            at_least,
            smooth,
            peak: self.peak,
            backlog,
            growth_seen: ratio > 1.1,
            draining: before.is_some_and(|before| queue.runnable < 0.9 * before.runnable),
        }
    }
}

/// Arrivals per completion, from how the queue grew since the previous interval.
///
/// Two views, and the larger one. The mean number of runnable threads grows by arrivals -
/// completions; but only threads that reached the CPU are seen, so while a queue grows first come,
/// first served, too few are. There the wait of those that did reach it tells more: let G be its
/// growth in seconds per second, then arrivals / completions = 1 / (1 - G). With s stints per
/// burst, each after a round of the queue, it is 1 + G / (1 - G / s), which becomes 1 + G in
/// processor sharing.
fn arrival_ratio(before: Queue, now: Queue, completed: f64, seconds: f64) -> f64 {
    let by_number = 1.0 + (now.runnable - before.runnable) / completed;
    let growth = (now.wait_per_burst - before.wait_per_burst) / seconds;
    let by_wait = if growth > 0.0 {
        let round = (growth / now.stints_per_burst).min(0.9);
        1.0 + growth / (1.0 - round)
    } else {
        0.0
    };
    // New pods shorten queues; growth in the interval they joined is the old pods' history.
    let most = if now.pods > before.pods {
        1.0
    } else {
        MAX_ARRIVAL_RATIO
    };
    by_number.max(by_wait).clamp(0.5, most)
}

/// Weight of a new value in an exponential average with this time constant.
fn weight(elapsed_seconds: f64, constant_seconds: f64) -> f64 {
    1.0 - (-elapsed_seconds / constant_seconds).exp()
}
