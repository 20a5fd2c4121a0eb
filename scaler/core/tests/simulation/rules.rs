//! The response under test, and the simpler rules it is compared with.

use std::time::Duration;

use scaler_core::response::queueing::{Interval, Proposal, Queueing};

/// Decides once a second.
pub(crate) trait Rule {
    fn name(&self) -> &'static str;

    /// Replicas for what was measured; `current` = ready and starting.
    fn replicas(&mut self, interval: &Interval, current: u32) -> u32;

    /// Why, where the rule can say so.
    fn explain(&self) -> Option<Proposal> {
        None
    }
}

/// The response under test.
pub(crate) struct Queue {
    queueing: Queueing,
    last: Option<Proposal>,
}

impl Queue {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            queueing: Queueing::new(window),
            last: None,
        }
    }
}

impl Rule for Queue {
    fn name(&self) -> &'static str {
        "queueing"
    }

    fn replicas(&mut self, interval: &Interval, current: u32) -> u32 {
        self.last = self.queueing.propose(interval);
        self.last.map_or(current, |proposal| proposal.replicas)
    }

    fn explain(&self) -> Option<Proposal> {
        self.last
    }
}

/// Never changes anything: finds out what is needed.
pub(crate) struct Fixed;

impl Rule for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn replicas(&mut self, _: &Interval, current: u32) -> u32 {
        current
    }
}

/// The HPA's rule on CPU at 1 Hz, with this many cores per pod as its target: tolerance 0.1, pods
/// that are not ready count as using nothing when it would scale up.
pub(crate) struct Hpa {
    pub(crate) name: &'static str,
    pub(crate) target_cores: f64,
}

impl Rule for Hpa {
    fn name(&self) -> &'static str {
        self.name
    }

    fn replicas(&mut self, interval: &Interval, current: u32) -> u32 {
        let used = interval.on_cpu.as_secs_f64() / interval.length.as_secs_f64();
        by_ratio(
            used / self.target_cores / f64::from(interval.ready),
            interval,
            current,
        )
    }
}

/// Replicas in proportion to waiting / threshold.
pub(crate) struct WaitRatio;

impl Rule for WaitRatio {
    fn name(&self) -> &'static str {
        "W / T"
    }

    fn replicas(&mut self, interval: &Interval, current: u32) -> u32 {
        let waiting = interval.waiting.unwrap_or_default().as_secs_f64();
        by_ratio(
            waiting / interval.threshold.as_secs_f64(),
            interval,
            current,
        )
    }
}

/// Replicas in proportion to u / u*, u = W / (W + S).
pub(crate) struct BusyRatio;

impl Rule for BusyRatio {
    fn name(&self) -> &'static str {
        "u / u*"
    }

    fn replicas(&mut self, interval: &Interval, current: u32) -> u32 {
        let stints = (interval.voluntary + interval.involuntary).max(1) as f64;
        let service = interval.on_cpu.as_secs_f64() / stints;
        let share = |waiting: f64| waiting / (waiting + service).max(1e-9);
        let waiting = interval.waiting.unwrap_or_default().as_secs_f64();
        by_ratio(
            share(waiting) / share(interval.threshold.as_secs_f64()),
            interval,
            current,
        )
    }
}

/// The HPA's arithmetic for a ratio of value and target.
fn by_ratio(ratio: f64, interval: &Interval, current: u32) -> u32 {
    let ready = f64::from(interval.ready);
    if (ratio - 1.0).abs() <= 0.1 {
        return current;
    }
    if ratio > 1.0 && interval.starting > 0 {
        let dampened = ratio * ready / f64::from(current);
        if dampened <= 1.1 {
            return current;
        }
        return (dampened * f64::from(current)).ceil() as u32;
    }
    ((ratio * ready).ceil() as u32).max(1)
}
