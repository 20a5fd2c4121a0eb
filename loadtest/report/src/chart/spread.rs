//! A measure at a glance: every trial a dot (a square for the HPA), the median a bar, its interval a whisker; one lane per autoscaler.

use maud::{Markup, html};

use super::Side;
use super::frame::{Frame, Margins, Width, short};
use super::scale::Scale;

const LANE: f64 = 15.0;

/// One autoscaler's trials of a measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// Whose.
    pub side: Side,
    /// Each trial.
    pub trials: Vec<f64>,
    /// Their median.
    pub median: f64,
    /// The interval of the median.
    pub interval: Option<(f64, f64)>,
}

/// The lanes, over one axis from zero; without ticks, as it stands beside its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// What a screen reader says of it; empty where the numbers stand beside it.
    pub description: String,
    /// From top to bottom.
    pub lanes: Vec<Lane>,
}

impl Spread {
    /// The height of [`Spread::svg`], pixels.
    #[must_use]
    pub fn outer_height(&self) -> f64 {
        self.frame(Width::Fluid).height()
    }

    fn frame(&self, width: Width) -> Frame {
        Frame {
            width,
            margins: Margins::Bare,
            top: 3.0,
            plot: LANE * self.lanes.len() as f64,
            bottom: 3.0,
        }
    }

    /// The chart.
    #[must_use]
    pub fn svg(&self, width: Width) -> Markup {
        let frame = self.frame(width);
        let largest = self
            .lanes
            .iter()
            .flat_map(|lane| {
                lane.trials
                    .iter()
                    .copied()
                    .chain(lane.interval.map(|(_, upper)| upper))
            })
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max);
        let scale = Scale {
            max: if largest > 0.0 { largest * 1.02 } else { 1.0 },
            step: largest,
        };
        frame.chart(
            "spread",
            &self.description,
            &html! {
                line class="base" x1="0" x2="0" y1="0" y2=(frame.plot) {}
                @for (index, lane) in self.lanes.iter().enumerate() {
                    (Self::lane(&frame, &scale, lane, LANE * (index as f64 + 0.5)))
                }
            },
        )
    }

    fn lane(frame: &Frame, scale: &Scale, lane: &Lane, y: f64) -> Markup {
        let at = |value: f64| frame.x(scale.fraction(value));
        let class = lane.side.class();
        html! {
            line class="grid" x1="0" x2=(frame.x(1.0)) y1=(short(y)) y2=(short(y)) {}
            @if let Some((lower, upper)) = lane.interval {
                line class={ "interval " (class) } x1=(at(lower)) x2=(at(upper)) y1=(short(y)) y2=(short(y)) {}
            }
            @for trial in lane.trials.iter().filter(|value| value.is_finite()) {
                @if lane.side == Side::Hpa {
                    rect class={ "trial " (class) } x=(at(*trial)) y=(short(y - 2.75)) width="5.5" height="5.5" transform="translate(-2.75 0)" {}
                } @else {
                    circle class={ "trial " (class) } cx=(at(*trial)) cy=(short(y)) r="3" {}
                }
            }
            @if lane.median.is_finite() {
                line class={ "median " (class) } x1=(at(lane.median)) x2=(at(lane.median)) y1=(short(y - 6.0)) y2=(short(y + 6.0)) {}
            }
        }
    }
}
