//! An explanation for a terminal: the verdict first, then what it rests on.

use std::fmt::Write;

use super::hints::{hints, named, times};
use super::view::{Changed, DecisionView, EvidenceView, Explained, Told};

/// Turns and changes shown; `--json` has them all.
const SHOWN: usize = 5;

/// The whole explanation.
pub(super) fn render(explained: &Explained) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut text, explained);
    text
}

fn write_all(out: &mut String, explained: &Explained) -> std::fmt::Result {
    writeln!(
        out,
        "{}/{}  Deployment {}, {}, {} to {} replicas  ({})",
        explained.namespace,
        explained.name,
        explained.deployment,
        explained.mode,
        explained.min_replicas,
        explained.max_replicas,
        explained.file
    )?;
    if let Some(reason) = &explained.status_reason {
        writeln!(out, "NOT IN FORCE: {reason}")?;
    }
    if let Some(Told {
        age_seconds,
        decision,
    }) = &explained.latest
    {
        writeln!(out, "\n{}  ({} ago)", verdict(decision), age(*age_seconds))?;
        writeln!(out, "  {}\n", decision.message)?;
        table(out, decision)?;
        let pods = decision.pods;
        writeln!(
            out,
            "  pods: {} ready, {} unready, {} silent, {} ending",
            pods.ready, pods.unready, pods.missing, pods.ignored
        )?;
    }
    if let Some(write) = &explained.write {
        let found = write
            .found
            .map_or(String::new(), |found| format!(", found {found} replicas"));
        writeln!(out, "  last write: {}{found}", write.result)?;
    }
    writeln!(out, "\nFor another replica count:")?;
    for hint in hints(explained) {
        writeln!(out, "  - {hint}")?;
    }
    lately(out, explained)
}

/// `3 replicas, wants 4`, and what is in the way.
fn verdict(decision: &DecisionView) -> String {
    let replicas = match decision.current {
        1 => "1 replica".to_owned(),
        current => format!("{current} replicas"),
    };
    let wish = match decision.desired == decision.current {
        true => "stays".to_owned(),
        false => format!("wants {}", decision.desired),
    };
    let limits = match decision.limits.as_slice() {
        [] => String::new(),
        limits => format!(", held back by {}", limits.join(" and ")),
    };
    format!("{replicas}, {wish}: {}{limits}", decision.reason)
}

/// One line for each metric, in columns as wide as they need.
fn table(out: &mut String, decision: &DecisionView) -> std::fmt::Result {
    let head = [
        "metric",
        "now",
        "threshold",
        "",
        "asks for",
        "demand",
        "because",
    ];
    let head = head.map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head)
        .chain(decision.evidence.iter().map(row))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(out, "  {}", line.join("  ").trim_end())?;
    }
    writeln!(out)
}

/// With the error of an estimate, in percent; one below a thousandth is not worth the room.
fn value(metric: &EvidenceView) -> String {
    match metric.relative_error {
        Some(error) if error >= 0.001 => {
            format!("{} ±{:.1}%", metric.value_text, 100.0 * error)
        }
        _ => metric.value_text.clone(),
    }
}

fn row(metric: &EvidenceView) -> [String; 7] {
    let ratio = metric.value.zip(metric.threshold);
    let ratio = ratio.filter(|(_, threshold)| *threshold > 0.0);
    [
        named(metric),
        value(metric),
        metric.threshold_text.clone(),
        ratio.map_or(String::new(), |(value, threshold)| times(value / threshold)),
        metric
            .proposal
            .map_or("-".to_owned(), |proposal| proposal.to_string()),
        metric
            .demand_cores
            .map_or("-".to_owned(), |cores| format!("{cores:.2} cores")),
        metric.detail.clone(),
    ]
}

/// The newest first.
fn lately(out: &mut String, explained: &Explained) -> std::fmt::Result {
    if !explained.changes.is_empty() {
        writeln!(out, "\nLast changes:")?;
    }
    for Changed {
        age_seconds,
        from,
        to,
        decision,
    } in explained.changes.iter().rev().take(SHOWN)
    {
        let message = &decision.message;
        writeln!(
            out,
            "  {:>9} ago  {from} -> {to}  {message}",
            age(*age_seconds)
        )?;
    }
    // The newest turn is the verdict above.
    if explained.turns.len() > 1 {
        writeln!(out, "\nDecisions before:")?;
    }
    for told in explained.turns.iter().rev().skip(1).take(SHOWN) {
        let text = &told.decision.message;
        writeln!(out, "  {:>9} ago  {text}", age(told.age_seconds))?;
    }
    Ok(())
}

/// `0.4 s`, `12 min`, `3.5 h`.
fn age(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 100.0 => format!("{seconds:.1} s"),
        seconds if seconds < 6000.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
