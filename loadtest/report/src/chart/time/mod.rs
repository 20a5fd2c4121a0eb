//! A chart over time: curves with bands, the same time axis in every chart of a scenario.

mod data;
mod path;

pub use data::ChartData;

use maud::{Markup, PreEscaped, html};
use serde::Serialize;

use super::Side;
use super::frame::{Frame, Margins, Width, short};
use super::scale::{Scale, clock, number, time_step};

/// Equally spaced points in time that several curves share; seconds since the load began.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Grid {
    /// Time of the first point.
    pub start: f64,
    /// Distance of points.
    pub step: f64,
    /// How many.
    pub points: usize,
}

impl Grid {
    fn at(&self, index: usize) -> f64 {
        self.start + self.step * index as f64
    }
}

/// Values on a grid; NaN where there is none.
pub type Values = Vec<f64>;

/// One curve and what surrounds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Whose.
    pub side: Side,
    /// Its name in legends and read-outs.
    pub name: String,
    /// What the curve shows: the median over trials.
    pub middle: Values,
    /// Lowest and highest trial, shown as a band.
    pub band: Option<(Values, Values)>,
    /// Each trial, by its number, for the trial selector.
    pub trials: Vec<(u32, Values)>,
}

/// How a curve gets from point to point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Straight lines: rates and latencies.
    Line,
    /// A value holds until the next: replicas.
    Step,
}

/// A moment worth a vertical line.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Seconds.
    pub at: f64,
    /// What happens; may be empty where another chart says it.
    pub label: String,
}

/// A chart over time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeChart {
    /// Unique in the page.
    pub id: String,
    /// Short heading inside the chart, with the unit.
    pub title: String,
    /// What a screen reader says of it: the title and the figures that matter.
    pub description: String,
    /// Unit behind read-out values, as in `12 ms`; may be empty.
    pub unit: &'static str,
    /// The time axis.
    pub grid: Grid,
    /// Between points.
    pub shape: Shape,
    /// The curves; later ones lie above earlier ones.
    pub series: Vec<Series>,
    /// Load steps.
    pub moments: Vec<Moment>,
    /// A value the axis must reach, so that small multiples share it.
    pub reach: f64,
    /// Height of the plot, pixels.
    pub height: f64,
}

impl TimeChart {
    fn scale(&self) -> Scale {
        let largest = self
            .series
            .iter()
            .flat_map(|series| {
                let upper = series.band.iter().flat_map(|(_, upper)| upper);
                series
                    .middle
                    .iter()
                    .chain(upper)
                    .chain(series.trials.iter().flat_map(|(_, values)| values))
            })
            .copied()
            .filter(|value| value.is_finite())
            .fold(self.reach, f64::max);
        Scale::up_to(
            largest,
            if self.height < 80.0 { 2 } else { 4 },
            self.shape == Shape::Step,
        )
    }

    fn end(&self) -> f64 {
        self.grid
            .at(self.grid.points.saturating_sub(1))
            .max(self.grid.start + 1.0)
    }

    fn fraction(&self, at: f64) -> f64 {
        ((at - self.grid.start) / (self.end() - self.grid.start)).clamp(0.0, 1.0)
    }

    /// The chart.
    #[must_use]
    pub fn svg(&self, width: Width) -> Markup {
        let frame = Frame {
            width,
            margins: Margins::Axis,
            top: 22.0,
            plot: self.height,
            bottom: 20.0,
        };
        let scale = self.scale();
        let content = html! {
            text class="chart-title" x=(-frame.margins.pixels().0) y="-9" { (self.title) }
            (self.grid_lines(&frame, &scale))
            (self.moments(&frame))
            (frame.curves(&html! {
                @for series in &self.series { (self.curve(&frame, &scale, series)) }
            }))
        };
        let class = if self.shape == Shape::Step {
            "time-chart steps"
        } else {
            "time-chart"
        };
        let svg = frame.chart(class, &self.description, &content);
        match width {
            Width::Fluid => html! { div class="time" data-chart=(self.id) { (svg) } },
            Width::Fixed(_) => svg,
        }
    }

    /// The height of [`TimeChart::svg`], pixels.
    #[must_use]
    pub fn outer_height(&self) -> f64 {
        self.height + 42.0
    }

    fn grid_lines(&self, frame: &Frame, scale: &Scale) -> Markup {
        let step = time_step(self.end() - self.grid.start, 6);
        let first = (self.grid.start / step).ceil() as i64;
        let last = (self.end() / step + 1e-9).floor() as i64;
        html! {
            @for tick in scale.ticks() {
                @let y = short(frame.y(scale.fraction(tick)));
                line class=(if tick == 0.0 { "base" } else { "grid" }) x1="0" x2=(frame.x(1.0)) y1=(y) y2=(y) {}
                text class="tick end" x="-6" y=(short(frame.y(scale.fraction(tick)) + 3.5)) { (number(tick)) }
            }
            @for at in (first..=last).map(|i| i as f64 * step) {
                @let fraction = self.fraction(at);
                @let x = frame.x(fraction);
                line class="notch" x1=(x) x2=(x) y1=(frame.plot) y2=(frame.plot + 4.0) {}
                text class=(if fraction > 0.97 { "tick end" } else { "tick middle" })
                    x=(if fraction > 0.97 { frame.x(1.0) } else { x }) y=(frame.plot + 15.0) { (clock(at)) }
            }
        }
    }

    fn moments(&self, frame: &Frame) -> Markup {
        html! {
            @for moment in &self.moments {
                @let fraction = self.fraction(moment.at);
                @let x = frame.x(fraction);
                line class="moment" x1=(x) x2=(x) y1="0" y2=(frame.plot) {}
                @if !moment.label.is_empty() {
                    text class=(if fraction > 0.7 { "moment-label end" } else { "moment-label" })
                        x=(x) dx=(if fraction > 0.7 { "-5" } else { "5" }) y=(frame.plot - 6.0) { (moment.label) }
                }
            }
        }
    }

    fn curve(&self, frame: &Frame, scale: &Scale, series: &Series) -> Markup {
        let band = series
            .band
            .as_ref()
            .map(|(lower, upper)| self.band_path(frame, scale, lower, upper));
        let middle = self.line_path(frame, scale, &series.middle);
        html! {
            @if let Some(band) = band { path class={ "band " (series.side.class()) } d=(PreEscaped(band)) {} }
            path class={ "curve " (series.side.class()) } d=(PreEscaped(middle)) {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(super) fn chart(shape: Shape, values: Values) -> TimeChart {
        TimeChart {
            id: "c".to_owned(),
            title: "replicas".to_owned(),
            description: "replicas over time".to_owned(),
            unit: "",
            grid: Grid {
                start: 0.0,
                step: 10.0,
                points: values.len(),
            },
            shape,
            series: vec![Series {
                side: Side::Viperscale,
                name: "Viperscale".to_owned(),
                middle: values,
                band: None,
                trials: Vec::new(),
            }],
            moments: Vec::new(),
            reach: 0.0,
            height: 100.0,
        }
    }

    #[test]
    fn a_chart_of_nothing_is_drawn_empty() {
        let empty = chart(Shape::Line, Vec::new());
        assert!(
            empty
                .svg(Width::Fixed(300.0))
                .into_string()
                .contains("grid")
        );
        assert!(
            serde_json::to_string(&empty.data())
                .unwrap()
                .contains("\"middle\":[]")
        );
    }
}
