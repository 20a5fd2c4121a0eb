//! The verdict: who is better at what, by how much, and what to know with it.

use comparison::comparison::{Better, Goal, Judgement, VerdictRow, Winner};
use comparison::{Autoscaler, Comparison};
use maud::{Markup, html};

use super::figure::estimate;
use crate::chart::frame::Width;
use crate::figures::{ORDER, spread};
use crate::text::{change, interval, meaning, printable, unbroken, winner};

pub(super) fn section(comparison: &Comparison) -> Markup {
    html! {
        section id="verdict" aria-labelledby="verdict-title" tabindex="-1" {
            h2 id="verdict-title" { "Verdict" }
            @match &comparison.judgement {
                Judgement::Verdict { rows } => {
                    (summary(rows))
                    (table(comparison, rows))
                }
                Judgement::LoadDiffers { by } => (refused(comparison, *by)),
            }
            (notes(comparison))
        }
    }
}

fn summary(rows: &[VerdictRow]) -> Markup {
    let won = |autoscaler| {
        rows.iter()
            .filter(|row| winner(row) == Some(autoscaler))
            .count()
    };
    let undecided = rows.iter().filter(|row| winner(row).is_none()).count();
    let goals: Vec<&Goal> = rows
        .iter()
        .flat_map(|row| &row.goals)
        .filter(|goal| !goal.aim)
        .collect();
    let met = goals.iter().filter(|goal| goal.met == Some(true)).count();
    let untold = goals.iter().filter(|goal| goal.met.is_none()).count();
    html! {
        p class="summary" {
            "Of " (rows.len()) " measures, " strong class="viperscale" { "Viperscale" } " is better in "
            strong { (won(Autoscaler::Viperscale)) } ", the " strong class="hpa" { "HPA" } " in "
            strong { (won(Autoscaler::Hpa)) } "; " strong { (undecided) }
            @if rows.iter().all(|row| row.winner == Winner::TooFewTrials) {
                " cannot be told: there are too few trials."
            } @else {
                " cannot be told apart."
            }
            @if !goals.is_empty() {
                " " strong { (met) " of " (goals.len()) } " goals met"
                @if untold > 0 { ", " (untold) " without an answer" }
                "."
            }
        }
    }
}

/// Roles are written out because narrow screens show the rows as blocks, which takes a table's meaning away.
fn table(comparison: &Comparison, rows: &[VerdictRow]) -> Markup {
    html! {
        table class="verdict" role="table" {
            caption {
                "Medians with bootstrap 95 % intervals; what these do not separate is a tie. Less is better but where said. "
                "Dots and squares: the trials, axis from zero."
            }
            thead role="rowgroup" {
                tr role="row" {
                    @for (class, name) in [
                        ("measure", "Measure"), ("number viperscale", "Viperscale"), ("number hpa", "HPA"), ("dots", "Trials"),
                        ("who", "Better, and by how much"), ("goals", "Goals"),
                    ] {
                        th role="columnheader" scope="col" class=(class) { (name) }
                    }
                }
            }
            tbody role="rowgroup" { @for row in rows { (verdict_row(comparison, row)) } }
        }
    }
}

fn verdict_row(comparison: &Comparison, row: &VerdictRow) -> Markup {
    // Its name says it already.
    let unit = if row.unit == "replica-s" {
        ""
    } else {
        &row.unit
    };
    html! {
        tr role="row" {
            th role="rowheader" scope="row" class="measure" {
                (printable(&row.title))
                small {
                    (meaning(row.metric))
                    @if row.better == Better::Higher { " " strong { "More is better." } }
                }
            }
            @for autoscaler in ORDER {
                td role="cell" class={ "number " (autoscaler.slug()) } data-name=(autoscaler.title()) {
                    (estimate(row.estimates.of(autoscaler), unit))
                }
            }
            td role="cell" class="dots" { (spread(comparison, row).svg(Width::Fluid)) }
            td role="cell" class="who" {
                (badge(row.winner)) " "
                @if let Some(ratio) = &row.ratio {
                    span class="median" { (change(ratio.median)) } " "
                    span class="interval" { "\u{d7} " (crate::chart::scale::number(ratio.median)) " " (interval(ratio)) }
                } @else {
                    span class="interval" { "no ratio: the HPA's median is 0" }
                }
            }
            td role="cell" class="goals" { @for goal in &row.goals { (mark(goal)) } }
        }
    }
}

fn badge(winner: Winner) -> Markup {
    let (class, sign, word) = match winner {
        Winner::Viperscale => ("viperscale", "\u{25cf}", "Viperscale"),
        Winner::Hpa => ("hpa", "\u{25a0}", "HPA"),
        Winner::Tie => ("tie", "=", "tie"),
        Winner::TooFewTrials => ("tie", "?", "too few trials"),
    };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (word) } }
}

fn mark(goal: &Goal) -> Markup {
    let (class, sign, word) = match goal.met {
        Some(true) => ("met", "\u{2713}", "met"),
        Some(false) => ("missed", "\u{2717}", "missed"),
        None => ("open", "\u{2013}", "no answer"),
    };
    html! {
        p class={ "goal " (class) } {
            span class="mark" { span aria-hidden="true" { (sign) } " " (word) } " "
            (if goal.aim { "aim: " } else { "goal: " }) (unbroken(&goal.text))
            @if !goal.reached.is_empty() { "; reached " (unbroken(&goal.reached)) }
        }
    }
}

fn refused(comparison: &Comparison, by: f64) -> Markup {
    let check = &comparison.load_check;
    html! {
        div class="refused" role="note" {
            p { strong { "Not judged: the loads differed." } }
            p {
                "Before the load step the two were asked for " (check.requests.viperscale) " (Viperscale) and "
                (check.requests.hpa) " (HPA) pages, a difference of " strong { (percent(by)) } " where less than "
                (percent(check.limit)) " is allowed. Who is better cannot be said; the curves below show what happened."
            }
        }
    }
}

/// What belongs to the verdict and would be easy to leave out.
fn notes(comparison: &Comparison) -> Markup {
    if comparison.notes.is_empty() {
        return html! {};
    }
    html! {
        aside class="notes" aria-labelledby="notes-title" {
            h3 id="notes-title" { "To be read with it" }
            ul { @for note in &comparison.notes { li { (printable(note)) } } }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", share * 100.0)
}
