//! Latency over time, by route and percentile.

use comparison::Comparison;
use comparison::comparison::{LatencyBand, RouteLatency};
use comparison::measure::LatencyBin;

use super::{ORDER, load_step};
use crate::chart::scale::number;
use crate::chart::time::{Grid, Series, Shape, TimeChart, Values};
use crate::text::printable;

/// Picks a percentile.
type Percentile = fn(&LatencyBand) -> f64;

/// The charts of one percentile, one per route.
pub struct LatencyCharts {
    /// `p50`, `p95` or `p99`.
    pub percentile: &'static str,
    /// All routes together first.
    pub charts: Vec<TimeChart>,
}

/// Charts of each percentile; those of one percentile share their scale only with themselves, because the slowest
/// route would flatten all others.
#[must_use]
pub fn latency(comparison: &Comparison) -> Vec<LatencyCharts> {
    let percentiles: [(&str, Percentile); 3] = [
        ("p50", |band| band.p50_ms),
        ("p95", |band| band.p95_ms),
        ("p99", |band| band.p99_ms),
    ];
    percentiles
        .into_iter()
        .map(|(percentile, value)| LatencyCharts {
            percentile,
            charts: comparison
                .latency
                .iter()
                .map(|route| chart(comparison, route, percentile, value))
                .collect(),
        })
        .collect()
}

/// The name of a route for readers.
#[must_use]
pub fn route_name(route: &str) -> String {
    if route == "all" {
        "All routes".to_owned()
    } else {
        printable(route)
    }
}

fn chart(
    comparison: &Comparison,
    route: &RouteLatency,
    percentile: &'static str,
    value: Percentile,
) -> TimeChart {
    let points = (comparison.horizon_seconds / LatencyBin::SECONDS).floor() as usize + 1;
    let grid = Grid {
        start: 0.0,
        step: LatencyBin::SECONDS,
        points,
    };
    let series: Vec<Series> = ORDER
        .into_iter()
        .rev()
        .map(|autoscaler| Series {
            side: autoscaler.into(),
            name: autoscaler.title().to_owned(),
            middle: on_grid(grid, route.over_time.of(autoscaler), value),
            band: None,
            trials: Vec::new(),
        })
        .collect();
    let name = route_name(&route.route);
    let highest: Vec<String> = series
        .iter()
        .rev()
        .map(|series| {
            let highest = series
                .middle
                .iter()
                .copied()
                .filter(|v| v.is_finite())
                .fold(0.0, f64::max);
            format!("{} at most {} ms", series.name, number(highest))
        })
        .collect();
    TimeChart {
        id: format!("{percentile}-{}", printable(&route.route)),
        title: format!("{name}, ms"),
        description: format!(
            "{percentile} latency of {name} over time, medians of the trials: {}.",
            highest.join(", ")
        ),
        unit: "ms",
        grid,
        shape: Shape::Line,
        series,
        moments: load_step(comparison, false),
        reach: 0.0,
        height: 84.0,
    }
}

fn on_grid(grid: Grid, bands: &[LatencyBand], value: Percentile) -> Values {
    let mut values = vec![f64::NAN; grid.points];
    for band in bands {
        let index = ((band.at - grid.start) / grid.step).round();
        if index >= 0.0
            && let Some(place) = values.get_mut(index as usize)
        {
            *place = value(band);
        }
    }
    values
}
