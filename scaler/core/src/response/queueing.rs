//! Replicas from queueing theory: **feedforward on demand, feedback on waiting**.
//!
//! Latency is not linear in load. A pod under a CFS quota waits next to nothing until the quota of
//! a period is used up, and then for the rest of that period; so a ratio of latencies (the HPA's
//! rule with a latency in it) does nothing for a long time and then asks for everything. Replicas
//! are proportional to *work*, so this response computes work and lets the latency only decide how
//! full a pod may be:
//!
//! ```text
//!  scheduler hook ─▶ load ─▶ demand D (cores)                ┐
//!                                                            ├─▶ replicas = ceil(D / (c · rho))
//!  statistic vs threshold ─▶ utilisation rho (learned)       ┘
//! ```
//!
//! - **Demand**, [`demand`]: the utilisation law (busy cores = throughput x service time; Denning
//!   and Buzen, "The Operational Analysis of Queueing Network Models", 1978) with *arrivals* where
//!   usage has completions, plus the work that already waits, spread over a few seconds. Usage is
//!   clipped by the limit; arrivals are not. They are not seen by the scheduler, but follow from
//!   completions and the growth of the number of runnable threads, which by Little's law (1961) is
//!   (time on CPU + time waiting) / interval.
//! - **Capacity** c: the CPU limit of a pod, else what a pod got while it waited.
//! - **Utilisation** rho, [`utilisation`]: the one at which the waiting equals the threshold. It
//!   starts from square-root staffing (Halfin and Whitt, 1981) applied to the bursts that fit into
//!   one quota period, and is then learned: lowered when pods wait too long at or below it, raised
//!   slowly while they do not wait near it.
//! - **Saturation**: a bounded pool of workers keeps its queue in user space, where no scheduler
//!   sees it. When pods are throttled in almost every period and arrivals cannot be told, demand is
//!   unknown but at least everything they have: replicas double per start-up until that ends.
//! - **Contention**: waiting without throttling comes from neighbours. It teaches nothing about
//!   rho, and is flagged, since more replicas cure it on other nodes at best.
//! - **Scale-down** is asymmetric: from the recent peak of demand, with a margin, only while
//!   waiting is below the threshold and predicted to stay there, and never while pods start.
//!
//! Everything here is a pure function of its arguments and of what [`Queueing`] learned before.
//! `tests/simulation` drives it against simulated pods and against simpler rules.

mod demand;
mod input;
mod proposal;
#[cfg(test)]
mod tests;
mod utilisation;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use input::Interval;
pub use proposal::{Proposal, Reason, Waiting};

use demand::{Demand, Load};
use utilisation::Utilisation;

/// Relative excess over the present replicas that is not worth a change; the HPA's default.
const TOLERANCE: f64 = 0.1;
/// Share of the target utilisation that the remaining pods may reach after a scale-down.
const SCALE_DOWN_FILL: f64 = 0.85;
/// No single decision asks for more than this multiple of the pods that were measured.
const MAX_GROWTH: f64 = 4.0;
/// What a pod without a limit is taken to be worth until it is seen waiting: one busy thread.
const UNLIMITED_CORES: f64 = 1.0;
/// Share of throttled quota periods from which on waiting is the quota's doing.
const MIN_THROTTLED_SHARE: f64 = 0.005;
/// The kernel's default CFS quota period, which the kubelet uses.
const QUOTA_PERIOD_SECONDS: f64 = 0.1;
/// Utilisation from which on a pod without a limit is taken to wait for itself.
const OWN: f64 = 0.25;
/// Capacities below this (1/1000 of a CPU, the smallest limit Kubernetes accepts) are not real.
const MIN_CORES: f64 = 0.001;

/// What the response has learned about one deployment; feed it one [`Interval`] per decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Queueing {
    demand: Demand,
    utilisation: Utilisation,
    /// Cores a pod without a limit was seen to get while it waited.
    seen_cores: Option<f64>,
    /// Largest share of throttled periods within the window, fading.
    throttled_recently: f64,
    /// Time since the set of pods last changed.
    settled_for: Duration,
    /// How long the statistic looks back: what it says is older than the last change until then.
    window: Duration,
    last_ready: u32,
    last_starting: u32,
    zeros_believed: bool,
}

impl Queueing {
    /// A deployment of which nothing is known yet. `window` is what the statistic looks back over:
    /// feedback waits that long after each change, else it would punish the new pods for the old
    /// pods' waiting.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self {
            demand: Demand::default(),
            utilisation: Utilisation::default(),
            seen_cores: None,
            throttled_recently: 0.0,
            settled_for: Duration::ZERO,
            window,
            last_ready: 0,
            last_starting: 0,
            zeros_believed: false,
        }
    }

    /// From now on zeros are a load of none, even if nothing was ever seen to run: something else
    /// shows that what counts it works.
    pub fn believe_zeros(&mut self) {
        self.zeros_believed = true;
    }

    /// The same, going on with a utilisation that was learned before. One that is no number counts
    /// as none; one out of bounds as the nearest bound.
    #[must_use]
    pub fn resume(window: Duration, utilisation: f64) -> Self {
        Self {
            utilisation: Utilisation::resumed(utilisation),
            ..Self::new(window)
        }
    }

    /// The utilisation at which waiting is taken to equal the threshold.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        self.utilisation.target()
    }

    /// Proposes a number of replicas for what was measured in one interval.
    ///
    /// `None` means that there is no evidence: no pod reported, the interval is empty, nothing ran
    /// though something wanted to, or nothing ever ran. The caller holds. The proposal knows no minimum and maximum beyond 1 and
    /// [`u32::MAX`]; the policy's are the caller's.
    pub fn propose(&mut self, interval: &Interval) -> Option<Proposal> {
        let load = Load::measure(interval)?;
        // Pods that once ran and now do not are idle; zeros from the start may as well be a probe
        // that sees nothing, until somebody vouches for it.
        if load.is_zero() && self.demand.is_unknown() && !self.zeros_believed {
            return None;
        }
        let faded = self.throttled_recently * self.fading(interval);
        self.throttled_recently = load.throttled_share().max(faded);
        let waiting = self.classify(interval, &load);
        let capacity = self.capacity(interval, &load, waiting);
        let demand = self.demand.update(&load, capacity * load.pods);
        self.track_changes(interval);

        let fill = demand.now.max(demand.smooth) / (capacity * load.pods);
        if !load.throttled_often() {
            self.utilisation.prime(load.mean_burst(), interval);
        }
        // A pod without a limit always waits for a CPU that something else uses; where it is busy
        // itself, that is mostly its own doing.
        let own = waiting != Waiting::Contention || (interval.limit_cores.is_none() && fill > OWN);
        // Feedback compares a latency with the utilisation that caused it, so both have to be
        // about the same, unchanging set of pods.
        if self.settled(interval) && own {
            self.utilisation
                .learn(fill, interval, self.window, load.has_evidence());
        }
        let rho = self.utilisation.target();

        let saturated = self.is_saturated(&load, &demand, capacity, waiting);
        let (replicas, reason) = self.replicas(
            interval,
            &load,
            &demand,
            Target {
                per_pod: capacity * rho,
                capacity,
                waiting,
                saturated,
            },
        );
        Some(Proposal {
            replicas,
            demand_cores: demand.now,
            capacity_cores: capacity,
            rho,
            utilisation: load.used_cores / (capacity * load.pods),
            backlog_core_seconds: demand.backlog,
            waiting,
            reason,
        })
    }

    /// What is left after one interval of something that the statistic looks back on.
    fn fading(&self, interval: &Interval) -> f64 {
        let window = self.window.max(interval.length).as_secs_f64();
        (-interval.length.as_secs_f64() / window).exp()
    }

    /// Does anything wait too long, and whose fault is it?
    fn classify(&self, interval: &Interval, load: &Load) -> Waiting {
        match interval.waiting {
            Some(waiting) if load.has_evidence() && waiting > interval.threshold => {
                if self.throttled_recently > MIN_THROTTLED_SHARE {
                    Waiting::Quota
                } else {
                    Waiting::Contention
                }
            }
            _ => Waiting::Acceptable,
        }
    }

    /// Cores one pod can use.
    fn capacity(&mut self, interval: &Interval, load: &Load, waiting: Waiting) -> f64 {
        let used = (load.used_cores / load.pods).max(MIN_CORES);
        let limit = interval.limit_cores.filter(|cores| cores.is_finite());
        if let Some(limit) = limit {
            return limit.max(MIN_CORES);
        }
        // It wanted more all the time: what it got is what it can get here.
        let starved = waiting == Waiting::Contention
            && load.runnable >= 2.0 * load.pods
            && self.settled(interval);
        let seen = match self.seen_cores {
            None => starved.then_some(used),
            Some(seen) if starved => Some(seen + 0.3 * (used - seen)),
            // More than it ever got: then it can get at least that.
            Some(seen) => Some(seen.max(used)),
        };
        self.seen_cores = seen;
        seen.unwrap_or(UNLIMITED_CORES.max(used)).max(MIN_CORES)
    }

    /// The statistic is about these pods alone.
    fn settled(&self, interval: &Interval) -> bool {
        self.settled_for > self.window.saturating_add(interval.length)
    }

    fn track_changes(&mut self, interval: &Interval) {
        let changed = interval.ready != self.last_ready || interval.starting != self.last_starting;
        if changed || interval.starting > 0 {
            self.settled_for = Duration::ZERO;
        } else {
            self.settled_for = self.settled_for.saturating_add(interval.length);
        }
        self.last_ready = interval.ready;
        self.last_starting = interval.starting;
    }

    /// Everything is used and arrivals cannot be told from completions.
    fn is_saturated(
        &self,
        load: &Load,
        demand: &demand::Estimate,
        capacity: f64,
        waiting: Waiting,
    ) -> bool {
        let full = load.used_cores >= 0.9 * capacity * load.pods;
        // The first interval with new pods still shows what the old ones went through.
        let measured_whole = self.settled_for > Duration::ZERO || self.last_starting > 0;
        full && load.throttled_hard()
            && waiting == Waiting::Quota
            && !demand.growth_seen
            && !demand.draining
            && measured_whole
    }

    fn replicas(
        &self,
        interval: &Interval,
        load: &Load,
        demand: &demand::Estimate,
        target: Target,
    ) -> (u32, Reason) {
        let current = interval.ready.saturating_add(interval.starting);
        let present = f64::from(current);
        // A step must stand out of the noise of one interval to be believed at once; what does
        // not comes through the average a few intervals later.
        let sure = demand.smooth.max(demand.at_least);
        let wanted = sure / target.per_pod;
        let wanted = wanted.min(MAX_GROWTH * load.pods);
        let doubled = 2.0 * load.pods;

        if target.saturated && doubled.max(wanted) > present {
            return (to_replicas(doubled.max(wanted)), Reason::Saturated);
        }
        if wanted > present * (1.0 + TOLERANCE)
            || (wanted > present && target.waiting == Waiting::Quota)
        {
            return (to_replicas(wanted).max(current), Reason::Demand);
        }
        // Demand is known to the tolerance only; these pods' own waiting decides within it.
        let close = wanted > present * (1.0 - TOLERANCE);
        if close && target.waiting == Waiting::Quota && self.settled(interval) {
            return (current.saturating_add(1), Reason::Waiting);
        }
        let hold = |reason| (current, reason);
        match target.waiting {
            Waiting::Contention => return hold(Reason::Contention),
            Waiting::Quota => return hold(Reason::Waiting),
            Waiting::Acceptable => {}
        }
        if interval.starting > 0 {
            return hold(Reason::Starting);
        }
        let by_demand = demand.peak / (target.per_pod * SCALE_DOWN_FILL);
        let by_waiting = fewest_pods(interval, demand.peak / target.capacity, present);
        let fewer = to_replicas(by_demand.max(by_waiting));
        if fewer < current {
            (fewer, Reason::Fewer)
        } else {
            hold(Reason::Steady)
        }
    }
}

/// What [`Queueing::replicas`] aims for.
#[derive(Clone, Copy)]
struct Target {
    /// Cores of demand that one pod shall carry.
    per_pod: f64,
    capacity: f64,
    waiting: Waiting,
    saturated: bool,
}

/// The fewest pods that are predicted to keep the waiting at the threshold, if `present` pods do
/// `busy` pods' worth of work.
///
/// Waiting follows the M/M/1 curve u / (1 - u): coarse, but it has the wall in the right place. It
/// may grow by `room`, so u / (1 - u) may, and the pods are `busy` / u.
fn fewest_pods(interval: &Interval, busy: f64, present: f64) -> f64 {
    let utilisation = busy / present;
    let waiting = interval.waiting.unwrap_or_default().as_secs_f64();
    if utilisation >= 1.0 {
        return present;
    }
    let room = interval.threshold.as_secs_f64() / waiting;
    let allowed = room * utilisation / (1.0 - utilisation);
    if allowed > 0.0 && allowed.is_finite() {
        busy * (1.0 + allowed) / allowed
    } else {
        // Nobody waits, or nothing runs: nothing to predict from.
        busy
    }
}

/// Rounds up to a whole number of pods, at least one.
fn to_replicas(pods: f64) -> u32 {
    // `as` saturates, and NaN becomes 0.
    ((pods - 1e-9).ceil() as u32).max(1)
}
