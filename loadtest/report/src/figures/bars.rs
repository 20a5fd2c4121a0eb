//! Failures by route and peak replicas by deployment.

use comparison::Comparison;
use comparison::comparison::Pair;
use comparison::statistics::Estimate;

use super::ORDER;
use crate::chart::bars::{Bar, BarChart, Group};
use crate::chart::scale::number;
use crate::text::{change, printable};

fn bars(
    estimates: &Pair<Estimate>,
    published: impl Fn(comparison::Autoscaler) -> Option<f64>,
) -> Vec<Bar> {
    ORDER
        .into_iter()
        .map(|autoscaler| {
            let estimate = estimates.of(autoscaler);
            Bar {
                side: autoscaler.into(),
                value: estimate.median,
                interval: Some((estimate.low, estimate.high)),
                published: published(autoscaler),
            }
        })
        .collect()
}

fn described(label: &str, estimates: &Pair<Estimate>) -> String {
    format!(
        "{label}: Viperscale {}, HPA {}",
        number(estimates.viperscale.median),
        number(estimates.hpa.median)
    )
}

/// Failed requests per trial by route, after the thesis' figure 14.
#[must_use]
pub fn failures_by_route(comparison: &Comparison) -> BarChart {
    let words: Vec<String> = comparison
        .routes
        .iter()
        .map(|route| described(&printable(&route.route), &route.failed))
        .collect();
    BarChart {
        description: format!(
            "Failed requests per trial by route, medians. {}.",
            words.join("; ")
        ),
        axis: "failed page requests per trial".to_owned(),
        whole: true,
        groups: comparison
            .routes
            .iter()
            .map(|route| {
                let mut remark = Vec::new();
                if route.uses_recommendation {
                    remark.push("shows recommendations".to_owned());
                }
                if let Some(ratio) = &route.ratio {
                    remark.push(format!("{} with Viperscale", change(ratio.median)));
                }
                Group {
                    label: printable(&route.route),
                    remark: remark.join(" \u{b7} "),
                    bars: bars(&route.failed, |_| None),
                }
            })
            .collect(),
    }
}

/// Peak replicas by deployment, with the thesis' Table 4 as hollow marks.
#[must_use]
pub fn peak_replicas(comparison: &Comparison) -> BarChart {
    let words: Vec<String> = comparison
        .peaks
        .iter()
        .map(|peak| described(&printable(&peak.deployment), &peak.peak))
        .collect();
    BarChart {
        description: format!(
            "Peak replicas by deployment, medians. {}.",
            words.join("; ")
        ),
        axis: "most replicas asked for at any time of a trial".to_owned(),
        whole: true,
        groups: comparison
            .peaks
            .iter()
            .map(|peak| Group {
                label: printable(&peak.deployment),
                remark: format!("optimum {}", peak.optimum),
                bars: bars(&peak.peak, |autoscaler| {
                    let thesis = peak.thesis?;
                    Some(f64::from(match autoscaler {
                        comparison::Autoscaler::Hpa => thesis.hpa,
                        comparison::Autoscaler::Viperscale => thesis.viperprobe,
                    }))
                }),
            })
            .collect(),
    }
}
