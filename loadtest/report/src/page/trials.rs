//! Every trial in a row, and what was noted about it.

use comparison::Comparison;
use comparison::comparison::TrialView;
use maud::{Markup, html};

use super::figure::scrolling;
use crate::chart::scale::{clock, number};
use crate::text::{count, printable, utc};

pub(super) fn section(comparison: &Comparison) -> Markup {
    let remarks = || {
        comparison
            .trials
            .iter()
            .flat_map(|trial| trial.remarks.iter().map(move |remark| (trial, remark)))
    };
    html! {
        section id="trials" aria-labelledby="trials-title" {
            h2 id="trials-title" { "Every trial" }
            (scrolling("Table of all trials", &table(comparison)))
            @if remarks().next().is_some() {
                h3 { "Remarks of the runner" }
                ul class="remarks" { @for (trial, remark) in remarks() { li { (name(trial)) ": " (printable(remark)) } } }
            }
        }
    }
}

fn name(trial: &TrialView) -> String {
    format!("trial {}, {}", trial.key.trial, trial.key.autoscaler)
}

fn table(comparison: &Comparison) -> Markup {
    html! {
        table class="trials" {
            caption { "Seconds count from the load step. Who is first alternates from trial to trial." }
            thead { tr {
                th scope="col" { "Trial" } th scope="col" { "Began" } th scope="col" class="number" { "Seed" } th scope="col" { "At rest before the step" }
                th scope="col" class="number" { "Step at" } th scope="col" class="number" { "Pages" } th scope="col" class="number" { "Failed" }
                th scope="col" { "First patch" } th scope="col" class="number" { "Last failure" } th scope="col" class="number" { "Replica-seconds" }
                th scope="col" class="number" { "CPU-seconds" } th scope="col" { "Metrics chain at the step" }
            } }
            tbody { @for trial in &comparison.trials { (row(trial)) } }
        }
    }
}

fn row(trial: &TrialView) -> Markup {
    let measures = &trial.measures;
    let reaction = &measures.reaction;
    html! {
        tr {
            th scope="row" class=(trial.key.autoscaler.slug()) { (trial.key.trial) " " (trial.key.autoscaler) }
            td { (utc(trial.begin_unix_ms)) }
            td class="number" { (trial.seed) }
            td {
                @if trial.at_rest { "yes" }
                @else { strong class="missed" { "no: " (count(reaction.patches_before_step as usize, "change")) " before it" } }
            }
            td class="number" { (clock(trial.step_at_seconds)) }
            td class="number" { (number(measures.requests as f64)) }
            td class="number" { (number(measures.failed_requests as f64)) }
            td {
                @if let Some(patch) = &reaction.first_patch {
                    (number(patch.after_step_seconds)) "\u{a0}s: " (printable(&patch.deployment)) " " (patch.from) "\u{a0}\u{2192}\u{a0}" (patch.to)
                } @else { "none in " (number(reaction.observed_seconds)) "\u{a0}s" }
            }
            td class="number" {
                @if let Some(recovery) = reaction.recovery_seconds { (number(recovery)) "\u{a0}s" } @else { "still failing" }
            }
            td class="number" { (number(measures.replica_seconds)) }
            td class="number" { (number(measures.cpu_seconds)) }
            td { (phase(trial)) }
        }
    }
}

/// How long the metrics chain still had to go when the load stepped: luck, which decides seconds of the HPA's reaction.
fn phase(trial: &TrialView) -> Markup {
    let soonest = |values: &std::collections::BTreeMap<String, f64>| {
        values
            .values()
            .copied()
            .filter(|v| v.is_finite())
            .min_by(f64::total_cmp)
    };
    html! {
        @if let Some(phase) = &trial.metrics_phase {
            "poll in " (number(phase.next_poll_seconds)) "\u{a0}s"
            @if let Some(seconds) = soonest(&phase.next_sample_seconds) { ", sample in " (number(seconds)) "\u{a0}s" }
            @if let Some(seconds) = soonest(&phase.next_sync_seconds) { ", sync in " (number(seconds)) "\u{a0}s" }
        } @else { "\u{2013}" }
    }
}
