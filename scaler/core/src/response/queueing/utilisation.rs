//! How full a pod may be: learned from the waiting it causes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Interval, QUOTA_PERIOD_SECONDS};

/// Bounds of the target utilisation. Below the lower one more pods hardly shorten the waiting any
/// more; above the upper one a pod has no room for chance.
const BOUNDS: (f64, f64) = (0.25, 0.9);
/// The target before anything is known.
const DEFAULT: f64 = 0.6;
/// Quantile of the normal distribution at 95 %: one quota period in twenty may run out.
const STAFFING_QUANTILE: f64 = 1.645;
/// Relative decrease per decision while pods wait too long, and while they wait far too long.
const LOWER: f64 = 0.02;
const LOWER_FAR: f64 = 0.05;
/// Most that one window takes off at once, where the pods wait too long well below the target.
const LOWER_MOST: f64 = 0.15;
/// Relative increase per decision while pods do not wait near the target. With [`LOWER`], the
/// waiting settles where one decision in six finds it above the threshold.
const RAISE: f64 = 0.004;
/// Pods that fill less than this share of the target say nothing about whether it could be higher.
const NEAR: f64 = 0.8;
/// Pods that fill this much more than the target wait because of that.
const NEAR_ABOVE: f64 = 0.1;

/// The utilisation at which waiting equals the threshold, as far as known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Utilisation {
    target: f64,
    primed: bool,
    /// Time since the last cut of more than the usual step.
    since_cut: Duration,
}

impl Default for Utilisation {
    fn default() -> Self {
        Self {
            target: DEFAULT,
            primed: false,
            since_cut: Duration::MAX,
        }
    }
}

impl Utilisation {
    /// Goes on with what was learned before, by this process or another.
    pub(super) fn resumed(target: f64) -> Self {
        let mut utilisation = Self::default();
        if target.is_finite() {
            utilisation.set(target);
            utilisation.primed = true;
        }
        utilisation
    }

    pub(super) fn target(&self) -> f64 {
        self.target
    }

    /// Sets the starting point, once, from the mean burst while pods are not throttled.
    pub(super) fn prime(&mut self, burst_seconds: Option<f64>, interval: &Interval) {
        let Some(burst) = burst_seconds.filter(|burst| !self.primed && *burst > 0.0) else {
            return;
        };
        let target = match interval.limit_cores {
            Some(limit) => quota_suffices(limit * QUOTA_PERIOD_SECONDS / burst),
            None => waits_at_most(interval.threshold.as_secs_f64() / burst),
        };
        if target.is_finite() {
            self.set(target);
            self.primed = true;
        }
    }

    /// Compares the waiting with the utilisation `fill` at which it arose; `window` is what the waiting looks back
    /// over. The same few slow events are in it for that long, so they may cut deep once only: a moment's bad luck
    /// would else look like a capacity lost.
    pub(super) fn learn(
        &mut self,
        fill: f64,
        interval: &Interval,
        window: Duration,
        evidence: bool,
    ) {
        self.since_cut = self.since_cut.saturating_add(interval.length);
        let (Some(waiting), true, true) = (interval.waiting, evidence, fill.is_finite()) else {
            return;
        };
        if waiting <= interval.threshold {
            if fill > NEAR * self.target {
                self.set(self.target * (1.0 + RAISE));
            }
        } else if fill <= self.target * (1.0 + NEAR_ABOVE) {
            let far = waiting > interval.threshold.saturating_mul(2);
            let step = if far { LOWER_FAR } else { LOWER };
            let usual = self.target * (1.0 - step);
            let deep = fill * (1.0 - step);
            if deep < usual && self.since_cut > window {
                self.since_cut = Duration::ZERO;
                self.set(deep.max(self.target * (1.0 - LOWER_MOST)));
            } else {
                self.set(usual);
            }
        }
        // Else pods wait because they are fuller than they should be, which more pods cure.
    }

    fn set(&mut self, target: f64) {
        self.target = target.clamp(BOUNDS.0, BOUNDS.1);
    }
}

/// The utilisation at which the quota of a period suffices in 95 % of the periods, if `fit` bursts
/// fit into it: arrivals per period are about Poisson, so a mean `m` with m + z sqrt(m) = `fit`.
/// Many short bursts may fill a pod further than few long ones.
fn quota_suffices(fit: f64) -> f64 {
    let root = 0.5 * ((STAFFING_QUANTILE.powi(2) + 4.0 * fit).sqrt() - STAFFING_QUANTILE);
    root * root / fit
}

/// The utilisation at which 95 % wait at most `bursts` mean bursts in M/M/1, where
/// P(wait > t) = u exp(-(1 - u) t / burst).
fn waits_at_most(bursts: f64) -> f64 {
    let (mut low, mut high) = BOUNDS;
    for _ in 0..20 {
        let middle = low.midpoint(high);
        if middle * (-(1.0 - middle) * bursts).exp() > 0.05 {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}
