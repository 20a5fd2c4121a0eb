//! The decision log: why did it scale here?

use comparison::record::DecisionEntry;
use comparison::{Autoscaler, Comparison, TrialKey};
use maud::{Markup, html};

use super::figure::signs_key;
use crate::chart::frame::Width;
use crate::chart::scale::{clock, number};
use crate::figures::{MOST_ENTRIES, ORDER, entry_id, first_trial, shown, strip};
use crate::text::{count, printable};

pub(super) fn section(comparison: &Comparison) -> Markup {
    let mut numbers: Vec<u32> = comparison
        .trials
        .iter()
        .map(|trial| trial.key.trial)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let first = first_trial(comparison);
    html! {
        section id="decisions" aria-labelledby="decisions-title" {
            h2 id="decisions-title" { "Why did it scale here?" }
            p class="explain" {
                "Every decision of a trial, in the words of the autoscaler that made it. "
                "Times are seconds since the load step. Focusing a decision marks its moment in all charts; the arrow keys "
                "go from one to the next. Trial " (first) " is shown first: its failures are Viperscale's median."
            }
            @for trial in numbers { (log(comparison, trial, trial == first)) }
        }
    }
}

fn log(comparison: &Comparison, trial: u32, open: bool) -> Markup {
    let mut entries: Vec<(TrialKey, usize, &DecisionEntry)> = ORDER
        .into_iter()
        .filter_map(|autoscaler| comparison.trial(trial, autoscaler))
        .flat_map(|view| {
            shown(view)
                .into_iter()
                .map(|(index, decision)| (view.key, index, decision))
        })
        .collect();
    entries.sort_by(|(_, _, a), (_, _, b)| a.at.total_cmp(&b.at));
    let step = |autoscaler| {
        comparison
            .trial(trial, autoscaler)
            .map_or(comparison.step_at_seconds, |view| view.step_at_seconds)
    };
    html! {
        details class="trial-log" data-trial=(trial) open[open] {
            summary { "Trial " (trial) ": " (count(entries.len(), "decision")) }
            div class="charts" data-cursor role="group" tabindex="0" aria-label={
                "Decisions of trial " (trial) " over time. Left and right arrow keys move the time cursor, up and down go from decision to decision."
            } {
                (signs_key())
                div class="time" { (strip(comparison, trial).svg(Width::Fluid)) }
            }
            (left_out(comparison, trial))
            ol class="log" aria-label={ "Decisions of trial " (trial) } {
                @for (key, index, decision) in entries {
                    (entry(key, index, decision, step(key.autoscaler)))
                }
            }
        }
    }
}

fn entry(key: TrialKey, index: usize, decision: &DecisionEntry, step: f64) -> Markup {
    let (class, sign) = match decision.to.cmp(&decision.from) {
        std::cmp::Ordering::Greater => ("up", "\u{25b2}"),
        std::cmp::Ordering::Less => ("down", "\u{25bc}"),
        std::cmp::Ordering::Equal => ("stay", "="),
    };
    let since = decision.at - step;
    let sign_of_time = if since < 0.0 { "\u{2212}" } else { "+" };
    html! {
        li class={ "entry " (key.autoscaler.slug()) " " (class) } id=(entry_id(key, index)) data-at=(crate::chart::frame::short(decision.at)) {
            button type="button" class="when" title={ "Mark " (clock(decision.at)) " in the charts" } {
                (sign_of_time) (number(since.abs())) "\u{a0}s"
            }
            span class="side" { (key.autoscaler.title()) }
            span class="what" {
                strong { (printable(&decision.deployment)) } " "
                span class="move" { span aria-hidden="true" { (sign) } " " (decision.from) " \u{2192} " (decision.to) }
            }
            span class="why" { span class="reason" { (printable(&decision.reason)) } " " (printable(&decision.message)) }
        }
    }
}

fn left_out(comparison: &Comparison, trial: u32) -> Markup {
    let words = |autoscaler: Autoscaler| {
        let view = comparison.trial(trial, autoscaler)?;
        let left = view.decisions.len().saturating_sub(MOST_ENTRIES);
        (left > 0).then(|| format!("{left} of {} of {autoscaler}", view.decisions.len()))
    };
    let words: Vec<String> = ORDER.into_iter().filter_map(words).collect();
    html! {
        @if !words.is_empty() {
            p class="explain" { "Left out, and in the raw data: " (words.join(", ")) " decisions; changes are kept before decisions to stay." }
        }
    }
}
