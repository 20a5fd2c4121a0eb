//! The sections with figures.

use comparison::Comparison;
use comparison::comparison::Pair;
use comparison::statistics::Estimate;
use maud::{Markup, html};

use super::Charts;
use super::figure::{Figure, bars_key, estimate, key, scrolling};
use crate::chart::frame::Width;
use crate::chart::time::TimeChart;
use crate::figures::{ORDER, failures_by_route, peak_replicas, route_name};
use crate::text::{change, count, interval, printable};

fn fluid(charts: &[TimeChart]) -> Markup {
    html! { @for chart in charts { (chart.svg(Width::Fluid)) } }
}

/// Replicas and load over time.
pub(super) fn load(comparison: &Comparison, charts: &Charts) -> Markup {
    let trials = count(comparison.trials_each as usize, "trial");
    html! {
        section id="load" aria-labelledby="load-title" {
            h2 id="load-title" { "Replicas and load over time" }
            (Figure {
                title: "The same load, what failed of it, and how many replicas were asked for",
                caption: html! {
                    "Lines are medians over " (trials) " of each autoscaler, bands reach from the lowest to the highest trial. "
                    "Pages as Locust's users saw them, per second; replicas as " code { "spec.replicas" }
                    ". The dotted line is the planned load step. The offline optimum is what would have carried the load, known in hindsight."
                },
                charts: html! { (key(true, true)) div class="stack" { (fluid(&charts.load)) } },
                table: None,
                time: true,
            }.markup())
            (Figure {
                title: "Replicas by deployment: who was scaled, and when",
                caption: html! {
                    "Replicas asked for (" code { "spec.replicas" } "), all charts on the same scale, the largest first."
                },
                charts: html! { (key(true, true)) div class="multiples" { (fluid(&charts.replicas)) } },
                table: None,
                time: true,
            }.markup())
        }
    }
}

/// Failures by route, after the thesis' figure 14.
pub(super) fn failures(comparison: &Comparison) -> Markup {
    html! {
        section id="failures" aria-labelledby="failures-title" {
            h2 id="failures-title" { "Failures by route" }
            (Figure {
                title: "Which pages the users did not get",
                caption: html! {
                    "Failed page requests per trial: medians, whiskers are bootstrap 95 % intervals. A page fails when its answer is "
                    "HTTP 500 or above, comes too late or not at all. After the thesis' figure 14; the thesis reports a median reduction of 67 % "
                    "for routes that show recommendations."
                },
                charts: html! { (bars_key(None)) (failures_by_route(comparison).svg(Width::Fluid)) },
                table: Some(failures_table(comparison)),
                time: false,
            }.markup())
        }
    }
}

fn failures_table(comparison: &Comparison) -> Markup {
    let share = |estimate: &Estimate| format!("{:.1}\u{a0}%", estimate.median * 100.0);
    scrolling(
        "Failures by route",
        &html! {
            table {
                caption { "Failed page requests per trial and their share of the route's requests" }
                thead { tr {
                    th scope="col" { "Route" } th scope="col" { "Recommendations" }
                    th scope="col" class="number" { "Viperscale" } th scope="col" class="number" { "of its requests" }
                    th scope="col" class="number" { "HPA" } th scope="col" class="number" { "of its requests" }
                    th scope="col" { "Viperscale to HPA" }
                } }
                tbody { @for route in &comparison.routes { tr {
                    th scope="row" { (printable(&route.route)) }
                    td { @if route.uses_recommendation { "yes" } @else { "no" } }
                    @for autoscaler in ORDER {
                        td class="number" { (estimate(route.failed.of(autoscaler), "")) }
                        td class="number" { (share(route.share.of(autoscaler))) }
                    }
                    td { @if let Some(ratio) = &route.ratio { (change(ratio.median)) " " span class="interval" { (interval(ratio)) } } @else { "\u{2013}" } }
                } } }
            }
        },
    )
}

/// Peak replicas by deployment beside the thesis' Table 4.
pub(super) fn peaks(comparison: &Comparison) -> Markup {
    html! {
        section id="peaks" aria-labelledby="peaks-title" {
            h2 id="peaks-title" { "Peak replicas by deployment" }
            (Figure {
                title: "How far each deployment was scaled, beside the thesis' Table 4",
                caption: html! {
                    "Most replicas asked for at any time of a trial: medians, whiskers are bootstrap 95 % intervals. Rings are the thesis' figures "
                    "(ViperProbe and the HPA, on 40 CPUs with 1,800 users): another machine and another load, so that the pattern can be compared "
                    "and the numbers cannot."
                },
                charts: html! {
                    (bars_key(Some("the thesis' Table 4")))
                    (peak_replicas(comparison).svg(Width::Fluid))
                },
                table: Some(peaks_table(comparison)),
                time: false,
            }.markup())
        }
    }
}

fn peaks_table(comparison: &Comparison) -> Markup {
    scrolling(
        "Peak replicas",
        &html! {
            table {
                caption { "Peak replicas by deployment" }
                thead { tr {
                    th scope="col" { "Deployment" } th scope="col" class="number" { "Viperscale" } th scope="col" class="number" { "HPA" }
                    th scope="col" class="number" { "optimum" } th scope="col" class="number" { "thesis: ViperProbe" }
                    th scope="col" class="number" { "thesis: HPA" }
                } }
                tbody { @for peak in &comparison.peaks { tr {
                    th scope="row" { (printable(&peak.deployment)) }
                    @for autoscaler in ORDER { td class="number" { (estimate(peak.peak.of(autoscaler), "")) } }
                    td class="number" { (peak.optimum) }
                    td class="number" { @if let Some(thesis) = peak.thesis { (thesis.viperprobe) } @else { "\u{2013}" } }
                    td class="number" { @if let Some(thesis) = peak.thesis { (thesis.hpa) } @else { "\u{2013}" } }
                } } }
            }
        },
    )
}

/// Latency over time and over the whole trial.
pub(super) fn latency(comparison: &Comparison, charts: &Charts) -> Markup {
    html! {
        section id="latency" aria-labelledby="latency-title" {
            h2 id="latency-title" { "Latency" }
            (Figure {
                title: "How long the pages took that users got",
                caption: html! {
                    "Percentiles of 5 seconds each, medians over the trials; failed pages are not in it, so that who fails fast does not look fast. "
                    "Each chart has its own scale."
                },
                charts: html! {
                    (key(false, false))
                    div class="percentiles" id="percentiles" role="radiogroup" aria-label="Percentile" hidden {
                        @for latency in &charts.latency {
                            label { input type="radio" name="percentile" value=(latency.percentile) checked[latency.percentile == "p95"]; (latency.percentile) }
                        }
                    }
                    @for latency in &charts.latency {
                        div class="percentile" data-percentile=(latency.percentile) {
                            h4 { (latency.percentile) }
                            div class="multiples" { (fluid(&latency.charts)) }
                        }
                    }
                },
                table: Some(latency_table(comparison)),
                time: true,
            }.markup())
        }
    }
}

fn latency_table(comparison: &Comparison) -> Markup {
    let cell = |pair: &Pair<Option<Estimate>>, autoscaler| {
        let value = pair
            .of(autoscaler)
            .as_ref()
            .map_or_else(|| html! { "\u{2013}" }, |value| estimate(value, ""));
        html! { td class="number" { (value) } }
    };
    scrolling(
        "Latency by route",
        &html! {
            table {
                caption { "Latency over the whole trial in milliseconds, medians over the trials" }
                thead {
                    tr { th scope="col" rowspan="2" { "Route" } @for name in ["p50", "p95", "p99"] { th scope="colgroup" colspan="2" { (name) } } }
                    tr { @for _ in 0..3 { th scope="col" class="number" { "Viperscale" } th scope="col" class="number" { "HPA" } } }
                }
                tbody { @for route in &comparison.latency { tr {
                    th scope="row" { (route_name(&route.route)) }
                    @for pair in [&route.p50_ms, &route.p95_ms, &route.p99_ms] { @for autoscaler in ORDER { (cell(pair, autoscaler)) } }
                } } }
            }
        },
    )
}
