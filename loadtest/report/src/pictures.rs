//! The key figures as sheets, for those who want a picture: a README, a talk, an issue.

use comparison::Comparison;
use comparison::comparison::{Judgement, Winner};

use crate::chart::frame::Width;
use crate::chart::time::TimeChart;
use crate::figures::{failures_by_route, latency, load, peak_replicas, replicas};
use crate::picture::{AUTOSCALERS, Part, Sheet, column_width};
use crate::text::{change, count, printable};

/// Every picture with its file name.
#[must_use]
pub fn sheets(comparison: &Comparison) -> Vec<(&'static str, Sheet)> {
    let name = printable(&comparison.scenario.name);
    let how = format!(
        "Scenario {name}: medians over {} of each autoscaler, bands from the lowest to the highest trial, whiskers bootstrap 95 % intervals. {}",
        count(comparison.trials_each as usize, "trial"),
        headline(comparison)
    );
    let failures = failures_by_route(comparison);
    let peaks = peak_replicas(comparison);
    vec![
        (
            "load.png",
            Sheet {
                sides: AUTOSCALERS,
                title: format!("{name}: load, failures and replicas over time"),
                caption: format!("{how} Grey: the offline optimum."),
                rows: in_columns(&load(comparison), 1),
            },
        ),
        (
            "replicas.png",
            Sheet {
                sides: AUTOSCALERS,
                title: format!("{name}: replicas by deployment"),
                caption: format!("{how} All on one scale. Grey: the offline optimum."),
                rows: in_columns(&replicas(comparison), 2),
            },
        ),
        (
            "failures.png",
            Sheet {
                sides: AUTOSCALERS,
                title: format!("{name}: failed page requests by route"),
                caption: how.clone(),
                rows: vec![vec![Part {
                    svg: failures.svg(Width::Fixed(column_width(1))),
                    column: (0, 1),
                    height: failures.outer_height(),
                }]],
            },
        ),
        (
            "peaks.png",
            Sheet {
                sides: AUTOSCALERS,
                title: format!("{name}: peak replicas by deployment"),
                caption: format!(
                    "{how} Rings: the thesis' Table 4 (ViperProbe and the HPA), on another machine and under another load."
                ),
                rows: vec![vec![Part {
                    svg: peaks.svg(Width::Fixed(column_width(1))),
                    column: (0, 1),
                    height: peaks.outer_height(),
                }]],
            },
        ),
        (
            "latency.png",
            Sheet {
                sides: AUTOSCALERS,
                title: format!("{name}: p95 latency by route"),
                caption: format!("{how} Pages that users got; each chart has its own scale."),
                rows: latency(comparison)
                    .iter()
                    .filter(|latency| latency.percentile == "p95")
                    .flat_map(|latency| in_columns(&latency.charts, 2))
                    .collect(),
            },
        ),
    ]
}

fn in_columns(charts: &[TimeChart], columns: usize) -> Vec<Vec<Part>> {
    let part = |(column, chart): (usize, &TimeChart)| Part {
        svg: chart.svg(Width::Fixed(column_width(columns))),
        column: (column, columns),
        height: chart.outer_height(),
    };
    charts
        .chunks(columns)
        .map(|row| row.iter().enumerate().map(part).collect())
        .collect()
}

/// The first row of the verdict as a sentence; that there is none, if there is none.
fn headline(comparison: &Comparison) -> String {
    match &comparison.judgement {
        Judgement::LoadDiffers { by } => {
            format!("Not judged: the loads differed by {:.1} %.", by * 100.0)
        }
        Judgement::Verdict { rows } => rows.first().map_or_else(String::new, |row| {
            let ratio = row
                .ratio
                .as_ref()
                .map_or_else(String::new, |ratio| format!(" {}", change(ratio.median)));
            let who = match row.winner {
                Winner::Viperscale => "better: Viperscale",
                Winner::Hpa => "better: HPA",
                Winner::Tie => "a tie",
                Winner::TooFewTrials => "too few trials to tell",
            };
            format!("{}{ratio} with Viperscale ({who}).", printable(&row.title))
        }),
    }
}
