//! What happened to one deployment, and what would have.

use serde::Serialize;

/// Points kept of one deployment; beyond, every other one is dropped, again and again.
const MOST_POINTS: usize = 20_000;
/// Turns kept of one deployment; further ones are counted only.
const MOST_TURNS: usize = 10_000;

/// One decision, for the plot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Seconds since the story's begin.
    pub at: f64,
    /// Replicas that the deployment asked for.
    pub recorded: u32,
    /// Replicas that it would have asked for.
    pub would_be: Option<u32>,
    /// What the leading metric measured, in its base unit.
    pub value: Option<f64>,
    /// What it was compared with.
    pub threshold: Option<f64>,
    /// What it would have been compared with.
    pub other_threshold: Option<f64>,
}

/// A moment at which a replica count changed, or would have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Turn {
    /// Seconds since the story's begin.
    pub at: f64,
    /// What was done.
    pub recorded: Option<Step>,
    /// What would have been done.
    pub would_be: Option<Step>,
}

/// A change and its reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
    /// Why.
    pub message: String,
}

/// The course of one deployment.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// By time.
    pub points: Vec<Point>,
    /// By time.
    pub turns: Vec<Turn>,
    /// Turns beyond [`MOST_TURNS`].
    pub turns_left_out: u64,
    /// `runqLatency p95 of server`, of the metric in the points.
    pub metric: String,
    /// Its unit, as in `/decisions`.
    pub unit: String,
    /// Every so many-th decision is a point.
    stride: u64,
    seen: u64,
}

impl Story {
    pub(super) fn point(&mut self, point: Point) {
        self.stride = self.stride.max(1);
        let counts = self.seen.is_multiple_of(self.stride);
        self.seen += 1;
        // What changes is kept in any case, or a short change would vanish from the plot.
        let changed = self
            .points
            .last()
            .is_some_and(|last| (last.recorded, last.would_be) != (point.recorded, point.would_be));
        if !counts && !changed {
            return;
        }
        if self.points.len() >= MOST_POINTS {
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride = self.stride.saturating_mul(2);
        }
        self.points.push(point);
    }

    pub(super) fn turn(&mut self, turn: Turn) {
        if self.turns.len() < MOST_TURNS {
            self.turns.push(turn);
        } else {
            self.turns_left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_story_is_thinned_evenly_and_keeps_its_changes() {
        let mut story = Story::default();
        for second in 0..100_000u32 {
            story.point(Point {
                at: f64::from(second),
                recorded: 1 + u32::from(second == 99_001),
                would_be: None,
                value: None,
                threshold: None,
                other_threshold: None,
            });
        }
        assert!(story.points.len() <= MOST_POINTS);
        assert!(story.points.iter().any(|point| point.recorded == 2));
        let gaps = story.points.windows(2).map(|pair| pair[1].at - pair[0].at);
        assert!(gaps.fold(0.0, f64::max) <= 16.0);
    }
}
