//! Decisions over time: a row per deployment, a mark per change of replicas; the time axis of the other charts.

use maud::{Markup, html};

use super::Side;
use super::frame::{Frame, Margins, Width, short};
use super::scale::{clock, time_step};
use super::time::{Grid, Moment};

const ROW: f64 = 36.0;

/// A change of replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Seconds since the load began.
    pub at: f64,
    /// Who decided.
    pub side: Side,
    /// More replicas, or fewer.
    pub up: bool,
    /// The id of the decision's entry in the log.
    pub entry: String,
}

/// A row of marks.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The deployment.
    pub label: String,
    /// In order of time.
    pub marks: Vec<Mark>,
}

/// All rows of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    /// What a screen reader says of it.
    pub description: String,
    /// The time axis.
    pub grid: Grid,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Load steps.
    pub moments: Vec<Moment>,
}

impl Strip {
    /// The chart.
    #[must_use]
    pub fn svg(&self, width: Width) -> Markup {
        let plot = ROW * self.rows.len() as f64;
        let frame = Frame {
            width,
            margins: Margins::Axis,
            top: 18.0,
            plot,
            bottom: 20.0,
        };
        let span = (self.grid.step * self.grid.points.saturating_sub(1) as f64).max(1.0);
        let at = |seconds: f64| frame.x(((seconds - self.grid.start) / span).clamp(0.0, 1.0));
        let step = time_step(span, 6);
        let first = (self.grid.start / step).ceil() as i64;
        let last = ((self.grid.start + span) / step + 1e-9).floor() as i64;
        frame.chart(
            "time-chart strip",
            &self.description,
            &html! {
                line class="base" x1="0" x2=(frame.x(1.0)) y1=(plot) y2=(plot) {}
                @for seconds in (first..=last).map(|i| i as f64 * step) {
                    @let edge = seconds > self.grid.start + span * 0.97;
                    line class="notch" x1=(at(seconds)) x2=(at(seconds)) y1=(plot) y2=(plot + 4.0) {}
                    text class=(if edge { "tick end" } else { "tick middle" }) x=(at(seconds)) y=(plot + 15.0) {
                        (clock(seconds))
                    }
                }
                @for moment in &self.moments {
                    line class="moment" x1=(at(moment.at)) x2=(at(moment.at)) y1="-4" y2=(plot) {}
                    text class="moment-label middle" x=(at(moment.at)) y="-7" { (moment.label) }
                }
                @for (index, row) in self.rows.iter().enumerate() {
                    @let top = ROW * index as f64;
                    line class="grid" x1="0" x2=(frame.x(1.0)) y1=(top) y2=(top) {}
                    text class="row-label" x="-40" y=(top + 11.0) { (row.label) }
                    @for mark in &row.marks { (mark_of(mark, &at(mark.at), top)) }
                }
            },
        )
    }
}

fn mark_of(mark: &Mark, x: &str, top: f64) -> Markup {
    let y = short(top + if mark.side == Side::Hpa { 33.0 } else { 22.0 });
    let class = format!(
        "{} {}",
        if mark.up { "up" } else { "down" },
        mark.side.class()
    );
    // Full for Viperscale, hollow for the HPA, so that colour is not all that tells them apart.
    let sign = match (mark.side, mark.up) {
        (Side::Hpa, true) => "\u{25b3}",
        (Side::Hpa, false) => "\u{25bd}",
        (_, true) => "\u{25b2}",
        (_, false) => "\u{25bc}",
    };
    html! {
        text class={ "sign middle " (class) } x=(x) y=(y) data-entry=(mark.entry) data-at=(short(mark.at)) { (sign) }
    }
}
