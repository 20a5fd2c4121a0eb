//! How full a pod may be: learned from the waiting it causes.

use std::time::Duration;

use super::Interval;

/// Bounds of the target utilisation. Below the lower one more pods hardly shorten the waiting any
/// more; above the upper one a pod has no room for chance.
const BOUNDS: (f64, f64) = (0.25, 0.9);
/// The target before anything is known.
const DEFAULT: f64 = 0.6;
/// The kernel's default CFS quota period, which the kubelet uses.
const QUOTA_PERIOD_SECONDS: f64 = 0.1;
/// Quantile of the normal distribution at 95 %: one quota period in twenty may run out.
const STAFFING_QUANTILE: f64 = 1.645;
/// Most that one step takes off.
const LOWER_STEP: f64 = 0.85;
/// Relative growth per second while pods do not wait near the target.
const RAISE_PER_SECOND: f64 = 0.002;
/// Relative growth per second of the utilisation known to be too high: it may have changed.
const FORGET_PER_SECOND: f64 = 0.0003;
/// How often in a row a small excess has to be seen.
const STRIKES: u32 = 3;

/// The utilisation at which waiting equals the threshold, as far as known.
#[derive(Debug, Clone)]
pub(super) struct Utilisation {
    target: f64,
    /// The lowest utilisation that was seen to be too high.
    too_high: f64,
    primed: bool,
    strikes: u32,
    /// Until this has passed, the statistic still shows what the last lowering answered.
    rest: Duration,
}

impl Default for Utilisation {
    fn default() -> Self {
        Self {
            target: DEFAULT,
            too_high: BOUNDS.1,
            primed: false,
            strikes: 0,
            rest: Duration::ZERO,
        }
    }
}

impl Utilisation {
    pub(super) fn target(&self) -> f64 {
        self.target
    }

    /// Sets the starting point, once: `n` bursts fit into the quota of one period; the number that
    /// arrives per period is about Poisson, so a mean `m` with m + z sqrt(m) = n leaves the quota
    /// sufficient in 95 % of the periods. Many short bursts may fill a pod further than few long
    /// ones.
    pub(super) fn prime(&mut self, burst_seconds: Option<f64>, limit_cores: Option<f64>) {
        let (Some(burst), Some(limit), false) = (burst_seconds, limit_cores, self.primed) else {
            return;
        };
        let fit = limit * QUOTA_PERIOD_SECONDS / burst;
        if fit.is_finite() && fit > 0.0 {
            let root = 0.5 * (f64::sqrt(STAFFING_QUANTILE.powi(2) + 4.0 * fit) - STAFFING_QUANTILE);
            self.target = (root * root / fit).clamp(BOUNDS.0, BOUNDS.1);
            self.primed = true;
        }
    }

    /// Compares the waiting with the utilisation `fill` at which it arose.
    pub(super) fn learn(&mut self, fill: f64, interval: &Interval, evidence: bool) {
        self.rest = self.rest.saturating_sub(interval.length);
        let (Some(waiting), true, true) = (interval.waiting, evidence, fill.is_finite()) else {
            return;
        };
        let seconds = interval.length.as_secs_f64().min(10.0);
        if waiting > interval.threshold {
            self.strikes = self.strikes.saturating_add(1);
            let clear = waiting > interval.threshold.saturating_mul(2);
            // Above the target the feedforward adds pods anyway: nothing to learn there.
            let explained = fill > self.target * 1.1;
            if (clear || self.strikes >= STRIKES) && !explained && self.rest.is_zero() {
                self.too_high = fill.clamp(BOUNDS.0, self.target);
                let lowered = (0.97 * self.too_high).max(LOWER_STEP * self.target);
                self.set(lowered);
                self.rest = interval.length.saturating_mul(6);
                self.strikes = 0;
            }
            return;
        }
        self.strikes = 0;
        self.too_high = (self.too_high * (1.0 + FORGET_PER_SECOND * seconds)).min(BOUNDS.1);
        if waiting.as_secs_f64() < 0.6 * interval.threshold.as_secs_f64()
            && fill > 0.8 * self.target
        {
            let raised = self.target * (1.0 + RAISE_PER_SECOND * seconds);
            self.set(raised.min(0.97 * self.too_high).max(self.target));
        }
    }

    fn set(&mut self, target: f64) {
        self.target = target.clamp(BOUNDS.0, BOUNDS.1);
    }
}
