//! What the controller remembers of one autoscaler between passes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::behavior::Rules;
use crate::time::Moment;

/// Recommendations and changes of one autoscaler.
///
/// Bounded without a limit of its own: a slot is reused as soon as its entry is older than every
/// window that could look at it, so no list grows beyond its window over the sync period.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// Recommendations before stabilisation; `None` until the first pass.
    pub recommendations: Option<Vec<Recommendation>>,
    /// Replicas added. Kept only with `behavior`.
    pub scale_up_events: Vec<ScaleEvent>,
    /// Replicas removed. Kept only with `behavior`.
    pub scale_down_events: Vec<ScaleEvent>,
}

/// What the metrics asked for in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    /// Replicas.
    pub replicas: i32,
    /// When.
    pub at: Moment,
}

/// A change that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleEvent {
    /// How many replicas, in the direction of the list it is in; never negative.
    pub replica_change: i32,
    /// When.
    pub at: Moment,
    /// Older than any policy's period: its slot may be reused.
    pub outdated: bool,
}

impl History {
    /// The first pass remembers what it found, which holds back a scale-down for a window's length.
    pub fn seed(&mut self, current: i32, now: Moment) {
        self.recommendations.get_or_insert_with(|| {
            vec![Recommendation {
                replicas: current,
                at: now,
            }]
        });
    }

    /// Without `behavior`: the highest recommendation not older than `window`; logs this one.
    pub fn stabilize(&mut self, desired: i32, window: Duration, now: Moment) -> i32 {
        let log = self.recommendations.get_or_insert_default();
        let cutoff = now.minus(window);
        let recent = log
            .iter()
            .filter(|entry| entry.at >= cutoff)
            .map(|entry| entry.replicas);
        let highest = recent.fold(desired, i32::max);
        remember(log, desired, now, |entry| entry.at < cutoff);
        highest
    }

    /// With `behavior`: moves from `current` no further than all recommendations inside the window
    /// of that direction agree to; logs this one.
    pub fn stabilize_with_behavior(
        &mut self,
        current: i32,
        desired: i32,
        up_window: Duration,
        down_window: Duration,
        now: Moment,
    ) -> i32 {
        let log = self.recommendations.get_or_insert_default();
        let (up_cutoff, down_cutoff) = (now.minus(up_window), now.minus(down_window));
        let inside = |cutoff| log.iter().filter(move |entry| entry.at > cutoff);
        let up = inside(up_cutoff)
            .map(|entry| entry.replicas)
            .fold(desired, i32::min);
        let down = inside(down_cutoff)
            .map(|entry| entry.replicas)
            .fold(desired, i32::max);
        let stabilized = current.max(up).min(down);
        remember(log, desired, now, |entry| {
            entry.at < up_cutoff && entry.at < down_cutoff
        });
        stabilized
    }
}

/// Puts a recommendation into the last slot that is no longer needed, or a new one.
fn remember(
    log: &mut Vec<Recommendation>,
    replicas: i32,
    at: Moment,
    obsolete: impl Fn(&Recommendation) -> bool,
) {
    let entry = Recommendation { replicas, at };
    match log.iter_mut().rev().find(|entry| obsolete(entry)) {
        Some(slot) => *slot = entry,
        None => log.push(entry),
    }
}

/// Replicas changed within the last `period`; a change exactly that old is outside.
pub fn change_within(period: Duration, events: &[ScaleEvent], now: Moment) -> i32 {
    let cutoff = now.minus(period);
    let recent = events.iter().filter(|event| event.at > cutoff);
    recent.fold(0, |sum, event| sum.saturating_add(event.replica_change))
}

/// Logs a change under these rules, in the last slot that is older than all their periods, or a new
/// one.
pub fn store_event(events: &mut Vec<ScaleEvent>, rules: &Rules, replica_change: i32, now: Moment) {
    let cutoff = now.minus(rules.longest_period());
    for event in events.iter_mut().filter(|event| event.at < cutoff) {
        event.outdated = true;
    }
    let event = ScaleEvent {
        replica_change,
        at: now,
        outdated: false,
    };
    match events.iter_mut().rev().find(|event| event.outdated) {
        Some(slot) => *slot = event,
        None => events.push(event),
    }
}
