//! What is drawn of a comparison: its data, brought into the shape of charts. Pure.

mod bars;
mod curves;
mod decisions;
mod latency;
mod sampling;
mod verdict;

pub use bars::{failures_by_route, peak_replicas};
pub use curves::{load, replicas};
pub use decisions::{MOST_ENTRIES, entry_id, shown, strip};
pub use latency::{LatencyCharts, latency, route_name};
pub use verdict::spread;

use comparison::{Autoscaler, Comparison};

use crate::chart::Side;
use crate::chart::time::Moment;

/// Viperscale first: the same order in every chart and table.
pub const ORDER: [Autoscaler; 2] = [Autoscaler::Viperscale, Autoscaler::Hpa];

impl From<Autoscaler> for Side {
    fn from(autoscaler: Autoscaler) -> Self {
        match autoscaler {
            Autoscaler::Hpa => Self::Hpa,
            Autoscaler::Viperscale => Self::Viperscale,
        }
    }
}

/// The load step, as a line in the charts; named in the first of several, where there is room.
fn load_step(comparison: &Comparison, named: bool) -> Vec<Moment> {
    let label = if named { "load step" } else { "" };
    vec![Moment {
        at: comparison.step_at_seconds,
        label: label.to_owned(),
    }]
}

/// The trial that is shown first: the one of the median number of failures, of Viperscale.
#[must_use]
pub fn first_trial(comparison: &Comparison) -> u32 {
    comparison.sides.viperscale.typical_trial
}
