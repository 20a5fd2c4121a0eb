//! The page: one HTML file with everything in it.
//!
//! ```text
//!  head      styles and script inline, allowed by their hash; nothing is loaded
//!  header    what was compared
//!  verdict   the table, and what to know with it
//!  load      ─┐
//!  failures   │
//!  peaks      ├ figures; one time cursor through all of them
//!  latency    │
//!  decisions ─┘
//!  trials, method
//!  data      what the script reads out: one JSON block
//! ```
//!
//! Complete without the script, which adds read-outs, the trial selector and the theme switch.

mod decisions;
mod figure;
mod figures;
mod method;
mod trials;
mod verdict;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comparison::Comparison;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::chart::time::{ChartData, TimeChart};
use crate::figures::{LatencyCharts, first_trial, latency, load, replicas};
use crate::palette;
use crate::text::{count, printable, without_controls};

const SCRIPT: &str = include_str!("../../assets/report.js");

/// All charts over time; made once, shown, and read out.
struct Charts {
    load: Vec<TimeChart>,
    replicas: Vec<TimeChart>,
    latency: Vec<LatencyCharts>,
}

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    step: f64,
    horizon: f64,
    first_trial: u32,
    charts: BTreeMap<&'a str, ChartData>,
}

/// The whole page.
#[must_use]
pub fn page(comparison: &Comparison) -> String {
    let charts = Charts {
        load: load(comparison),
        replicas: replicas(comparison),
        latency: latency(comparison),
    };
    let style = format!(
        "{}{}{}",
        palette::variables(),
        include_str!("../../assets/report.css"),
        include_str!("../../assets/chart.css")
    );
    let title = format!(
        "{}: Viperscale against the HPA",
        printable(&comparison.scenario.name)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&style));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(&style)) }
            }
            body {
                a class="skip" href="#verdict" { "Skip to the verdict" }
                (header(comparison))
                main {
                    (verdict::section(comparison))
                    (toolbar(comparison))
                    (figures::load(comparison, &charts))
                    (figures::failures(comparison))
                    (figures::peaks(comparison))
                    (figures::latency(comparison, &charts))
                    (decisions::section(comparison))
                    (trials::section(comparison))
                    (method::section(comparison))
                }
                (footer())
                script type="application/json" id="data" { (PreEscaped(data(comparison, &charts))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    // Styles, script and their hashes have no such characters, so that this cannot change them.
    without_controls(&page.into_string())
}

fn header(comparison: &Comparison) -> Markup {
    let scenario = &comparison.scenario;
    let machine = &comparison.machine;
    html! {
        header class="top" {
            div {
                p class="kicker" { "Autoscaler comparison" }
                h1 {
                    span class="scenario" { (printable(&scenario.name)) } ": "
                    span class="viperscale name" { "Viperscale" } " against the " span class="hpa name" { "HPA" }
                }
                p class="lead" { (printable(&scenario.description)) }
                p class="facts" {
                    (count(comparison.trials_each as usize, "trial")) " each, alternating \u{b7} "
                    (crate::chart::scale::clock(comparison.horizon_seconds)) " min of load, step at "
                    (crate::chart::scale::clock(comparison.step_at_seconds)) " \u{b7} "
                    (printable(&machine.cluster)) ", " (count(machine.cpus as usize, "CPU"))
                    @if let Some(trial) = comparison.trials.first() {
                        " \u{b7} " time { (crate::text::utc(trial.begin_unix_ms)) }
                    }
                }
            }
            button type="button" class="theme" id="theme" hidden { "Dark" }
        }
        nav class="contents" aria-label="Sections" {
            ul {
                @for (id, name) in [
                    ("verdict", "Verdict"), ("load", "Replicas and load"), ("failures", "Failures"), ("peaks", "Peak replicas"),
                    ("latency", "Latency"), ("decisions", "Decisions"), ("trials", "Trials"), ("method", "Method"),
                ] {
                    li { a href={ "#" (id) } { (name) } }
                }
            }
        }
    }
}

/// Choices for all figures; the script shows it.
fn toolbar(comparison: &Comparison) -> Markup {
    let mut numbers: Vec<u32> = comparison
        .trials
        .iter()
        .map(|trial| trial.key.trial)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    html! {
        div class="toolbar" id="toolbar" role="group" aria-label="What the figures show" hidden {
            label { span class="word" { "Curves " }
                select id="trial" {
                    option value="" { "all trials" }
                    @for number in numbers { option value=(number) { "trial " (number) } }
                }
            }
            button type="button" class="legend viperscale" aria-pressed="true" data-side="viperscale" { "Viperscale" }
            button type="button" class="legend hpa" aria-pressed="true" data-side="hpa" { "HPA" }
            output id="cursor" aria-live="polite" { "Point at a chart, or focus it and use the arrow keys" }
        }
    }
}

fn footer() -> Markup {
    html! {
        footer {
            p {
                "Made by " code { "loadtest compare" } ". Beside this page lie the same figures as "
                code { "comparison.json" } " and CSV, the pictures as PNG, and the raw data of every trial."
            }
        }
    }
}

fn data(comparison: &Comparison, charts: &Charts) -> String {
    let latency = charts.latency.iter().flat_map(|latency| &latency.charts);
    let all = charts.load.iter().chain(&charts.replicas).chain(latency);
    let data = Data {
        step: comparison.step_at_seconds,
        horizon: comparison.horizon_seconds,
        first_trial: first_trial(comparison),
        charts: all.map(|chart| (chart.id.as_str(), chart.data())).collect(),
    };
    let json = serde_json::to_string(&data).expect("numbers and strings always serialise");
    // Within a script element only these could end it or begin a comment.
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// Nothing may be loaded, and nothing may run but the script of this crate.
fn policy(style: &str) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(style)
    )
}
