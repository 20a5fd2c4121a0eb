//! Load, failures and replicas over time.

use comparison::comparison::{Band, OptimumPoint, ReplicaPoint, TrialView};
use comparison::{Autoscaler, Comparison};

use super::sampling::{averaged, held, middle_of_sorted, sum};
use super::{ORDER, load_step};
use crate::chart::Side;
use crate::chart::scale::number;
use crate::chart::time::{Grid, Series, Shape, TimeChart, Values};
use crate::text::printable;

/// Curves of rates get at most this many points; more cannot be told apart on a page.
const RATE_POINTS: f64 = 240.0;
/// Curves of replicas are stored as runs of equal values, so that they may have more.
const STEP_POINTS: f64 = 1800.0;

fn grid(comparison: &Comparison, most_points: f64) -> Grid {
    let step = (comparison.horizon_seconds / most_points).ceil().max(1.0);
    Grid {
        start: 0.0,
        step,
        points: (comparison.horizon_seconds / step).floor() as usize + 1,
    }
}

/// Pages per second, failures per second, and replicas of all deployments.
#[must_use]
pub fn load(comparison: &Comparison) -> Vec<TimeChart> {
    let rates = grid(comparison, RATE_POINTS);
    let rate = |id: &str,
                title: &str,
                bands: fn(&comparison::comparison::Side) -> &Vec<Band>,
                of_trial: fn(&TrialView) -> Vec<(f64, f64)>| {
        let series: Vec<Series> = ORDER
            .into_iter()
            .rev()
            .map(|autoscaler| {
                let bands = bands(comparison.sides.of(autoscaler));
                let column = |value: fn(&Band) -> f64| {
                    averaged(
                        rates,
                        &bands
                            .iter()
                            .map(|band| (band.at, value(band)))
                            .collect::<Vec<_>>(),
                    )
                };
                Series {
                    side: autoscaler.into(),
                    name: autoscaler.title().to_owned(),
                    middle: column(|band| band.median),
                    band: Some((column(|band| band.min), column(|band| band.max))),
                    trials: of(comparison, autoscaler, |trial| {
                        averaged(rates, &of_trial(trial))
                    }),
                }
            })
            .collect();
        chart(comparison, id, title, "/s", rates, Shape::Line, series)
    };
    vec![
        rate(
            "requests",
            "Pages that ended, well or not, per second",
            |side| &side.requests,
            |trial| {
                trial
                    .load
                    .iter()
                    .map(|point| (point.at, point.requests as f64))
                    .collect()
            },
        ),
        rate(
            "failures",
            "Pages that failed, per second",
            |side| &side.failures,
            |trial| {
                trial
                    .load
                    .iter()
                    .map(|point| (point.at, point.failed_requests as f64))
                    .collect()
            },
        ),
        total_replicas(comparison),
    ]
}

fn total_replicas(comparison: &Comparison) -> TimeChart {
    let grid = grid(comparison, STEP_POINTS);
    let mut series = vec![optimum(grid, comparison.optimum.replicas.values())];
    series.extend(ORDER.into_iter().rev().map(|autoscaler| {
        let trials = of(comparison, autoscaler, |trial| {
            sum(
                grid,
                trial.replicas.values().map(|points| desired(grid, points)),
            )
        });
        let at = |index: usize| {
            let mut values: Vec<f64> = trials.iter().map(|(_, values)| values[index]).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let over_trials =
            |pick: fn(&[f64]) -> f64| (0..grid.points).map(|index| pick(&at(index))).collect();
        Series {
            side: autoscaler.into(),
            name: autoscaler.title().to_owned(),
            middle: over_trials(middle_of_sorted),
            band: Some((
                over_trials(|values| values.first().copied().unwrap_or(f64::NAN)),
                over_trials(|values| values.last().copied().unwrap_or(f64::NAN)),
            )),
            trials,
        }
    }));
    chart(
        comparison,
        "replicas",
        "Replicas asked for, all scaled deployments",
        "",
        grid,
        Shape::Step,
        series,
    )
}

/// Replicas of each scaled deployment, all on the same scale; the one with the most first.
#[must_use]
pub fn replicas(comparison: &Comparison) -> Vec<TimeChart> {
    let grid = grid(comparison, STEP_POINTS);
    let mut names: Vec<&String> = comparison
        .sides
        .viperscale
        .desired
        .keys()
        .chain(comparison.sides.hpa.desired.keys())
        .collect();
    names.sort();
    names.dedup();
    let peak = |name: &str| -> f64 {
        ORDER
            .into_iter()
            .filter_map(|autoscaler| comparison.sides.of(autoscaler).desired.get(name))
            .flatten()
            .map(|band| band.max)
            .fold(0.0, f64::max)
    };
    let reach = names.iter().map(|name| peak(name)).fold(0.0, f64::max);
    names.sort_by(|a, b| peak(b).total_cmp(&peak(a)).then_with(|| a.cmp(b)));
    names
        .into_iter()
        .map(|name| deployment(comparison, grid, name, reach))
        .collect()
}

fn deployment(comparison: &Comparison, grid: Grid, name: &str, reach: f64) -> TimeChart {
    let mut series = vec![optimum(
        grid,
        comparison.optimum.replicas.get(name).into_iter(),
    )];
    series.extend(ORDER.into_iter().rev().map(|autoscaler| {
        let bands = comparison.sides.of(autoscaler).desired.get(name);
        let column = |value: fn(&Band) -> f64| {
            let points: Vec<(f64, f64)> = bands
                .into_iter()
                .flatten()
                .map(|band| (band.at, value(band)))
                .collect();
            held(grid, &points)
        };
        Series {
            side: autoscaler.into(),
            name: autoscaler.title().to_owned(),
            middle: column(|band| band.median),
            band: Some((column(|band| band.min), column(|band| band.max))),
            trials: of(comparison, autoscaler, |trial| {
                trial
                    .replicas
                    .get(name)
                    .map_or_else(Vec::new, |points| desired(grid, points))
            }),
        }
    }));
    let title = printable(name);
    let mut chart = chart(
        comparison,
        &format!("replicas-{title}"),
        &title,
        "",
        grid,
        Shape::Step,
        series,
    );
    chart.description = format!("Replicas of {}", chart.description);
    chart.reach = reach;
    chart.height = 84.0;
    chart
}

fn chart(
    comparison: &Comparison,
    id: &str,
    title: &str,
    unit: &'static str,
    grid: Grid,
    shape: Shape,
    series: Vec<Series>,
) -> TimeChart {
    let highest: Vec<String> = series
        .iter()
        .rev()
        .map(|series| {
            let highest = series
                .middle
                .iter()
                .copied()
                .filter(|value| value.is_finite())
                .fold(0.0, f64::max);
            format!("{} at most {}", series.name, number(highest))
        })
        .collect();
    TimeChart {
        id: id.to_owned(),
        title: title.to_owned(),
        description: format!("{title} over time, medians: {}.", highest.join(", ")),
        unit,
        grid,
        shape,
        series,
        moments: load_step(comparison, id == "requests"),
        reach: 0.0,
        height: 110.0,
    }
}

fn optimum<'a>(grid: Grid, deployments: impl Iterator<Item = &'a Vec<OptimumPoint>>) -> Series {
    let each = deployments.map(|points| {
        held(
            grid,
            &points
                .iter()
                .map(|point| (point.at, f64::from(point.replicas)))
                .collect::<Vec<_>>(),
        )
    });
    Series {
        side: Side::Neutral,
        name: "offline optimum".to_owned(),
        middle: sum(grid, each),
        band: None,
        trials: Vec::new(),
    }
}

fn of(
    comparison: &Comparison,
    autoscaler: Autoscaler,
    values: impl Fn(&TrialView) -> Values,
) -> Vec<(u32, Values)> {
    comparison
        .trials
        .iter()
        .filter(|trial| trial.key.autoscaler == autoscaler)
        .map(|trial| (trial.key.trial, values(trial)))
        .collect()
}

fn desired(grid: Grid, points: &[ReplicaPoint]) -> Values {
    held(
        grid,
        &points
            .iter()
            .map(|point| (point.at, f64::from(point.desired)))
            .collect::<Vec<_>>(),
    )
}
