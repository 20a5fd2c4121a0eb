//! The end of a comparison: the verdict on the screen, the report in its folder.

use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use comparison::comparison::{Judgement, LoadCheck, VerdictRow, Winner};
use comparison::record::Trials;
use comparison::statistics::Estimate;
use comparison::{Autoscaler, Comparison, Scenario, compare};

/// Compares the trials below `out`, writes the report beside them, and prints the verdict.
///
/// # Errors
/// When trials are missing or cannot be compared, or the report cannot be written.
pub(super) fn scenario(out: &Path, scenario: &Scenario) -> Result<Comparison> {
    let trials = Trials::new(out, scenario);
    let records = trials.read()?;
    let comparison = compare(scenario, &records)
        .with_context(|| format!("the trials of {} cannot be compared", scenario.name))?;
    let written = comparison_report::write_report(&comparison, trials.path())
        .with_context(|| format!("no report of {}", scenario.name))?;
    println!("\n{}", text(&comparison));
    println!("report: {}", written.page.display());
    Ok(comparison)
}

/// By how much the loads differed, when they did.
pub(super) fn load_difference(comparison: &Comparison) -> Option<String> {
    let Judgement::LoadDiffers { by } = comparison.judgement else {
        return None;
    };
    let LoadCheck {
        requests, limit, ..
    } = &comparison.load_check;
    Some(format!(
        "{}: the loads differed by {:.1} % before the load step ({} requests under the HPA, {} under Viperscale; at most \
         {:.0} % may be chance), so nothing is said about who is better: make the trials again on a quieter machine, \
         with another --out",
        comparison.scenario.name,
        by * 100.0,
        requests.hpa,
        requests.viperscale,
        limit * 100.0
    ))
}

fn text(comparison: &Comparison) -> String {
    let mut text = format!(
        "{}, {} trials each\n",
        comparison.scenario.name, comparison.trials_each
    );
    if comparison.rows().is_empty() {
        return text;
    }
    text.push_str(&table(comparison).to_string());
    text.push('\n');
    for row in comparison.rows() {
        for goal in &row.goals {
            let met = match goal.met {
                Some(true) => "met",
                Some(false) => "missed",
                None => "not applicable",
            };
            text.push_str(&format!(
                "goal {met}: {}: {}; reached: {}\n",
                row.title.to_lowercase(),
                goal.text,
                goal.reached
            ));
        }
    }
    text
}

fn table(comparison: &Comparison) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let title = |autoscaler: Autoscaler| autoscaler.title().to_owned();
    table.set_header([
        "median [95 % interval]".to_owned(),
        title(Autoscaler::Hpa),
        title(Autoscaler::Viperscale),
        "better".to_owned(),
    ]);
    for row in comparison.rows() {
        let cell = |autoscaler| {
            Cell::new(estimate(row.estimates.of(autoscaler))).set_alignment(CellAlignment::Right)
        };
        table.add_row([
            Cell::new(heading(row)),
            cell(Autoscaler::Hpa),
            cell(Autoscaler::Viperscale),
            Cell::new(better(row)),
        ]);
    }
    table
}

fn heading(row: &VerdictRow) -> String {
    if row.unit.is_empty() {
        row.title.clone()
    } else {
        format!("{} ({})", row.title, row.unit)
    }
}

fn estimate(estimate: &Estimate) -> String {
    let at_least = if estimate.is_lower_bound() { ">= " } else { "" };
    format!(
        "{at_least}{} [{}, {}]",
        number(estimate.median),
        number(estimate.low),
        number(estimate.high)
    )
}

/// Three digits that matter.
fn number(value: f64) -> String {
    // No minus before a zero.
    let value = value + 0.0;
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn better(row: &VerdictRow) -> String {
    match row.winner {
        Winner::Hpa => "HPA".to_owned(),
        Winner::Viperscale => "Viperscale".to_owned(),
        Winner::Tie => "tie".to_owned(),
        Winner::TooFewTrials => "too few trials".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let texts = [0.0, 3.0, 1.234, 45.67, 1234.5].map(number);
        assert_eq!(texts, ["0", "3", "1.23", "45.7", "1234"]);
    }

    #[test]
    fn a_lower_bound_says_so() {
        let unknown = Estimate {
            median: 60.0,
            low: 50.0,
            high: 60.0,
            trials: 5,
            at_least: 3,
        };
        assert_eq!(estimate(&unknown), ">= 60 [50, 60]");
    }
}
