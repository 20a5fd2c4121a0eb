//! A replay for a terminal.

use std::fmt::Write;

use super::report::{DeploymentReport, Report};
use super::side::Side;
use super::story::Step;

/// Turns shown of one deployment unless all are asked for.
const TURNS_SHOWN: usize = 30;
/// Width of a column of the list of turns.
const COLUMN: usize = 56;

/// The whole report; `all` shows every turn.
pub(super) fn render(report: &Report, all: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_report(&mut text, report, all);
    text
}

fn write_report(out: &mut String, report: &Report, all: bool) -> std::fmt::Result {
    writeln!(out, "{}: {}", report.recording, reproduced(report))?;
    if report.not_replayable > 0 {
        writeln!(
            out,
            "{} earlier decisions cannot be made again: what they were made from is not recorded any more",
            report.not_replayable
        )?;
    }
    if let Some(difference) = &report.first_difference {
        writeln!(
            out,
            "first difference: {} at {} ms since 1970; recorded was {}",
            difference.deployment, difference.wall_ms, difference.recorded
        )?;
    }
    for deployment in &report.deployments {
        write_deployment(out, deployment, all)?;
    }
    if report.policy.is_some() {
        writeln!(out, "\n{}", report.caveat)?;
    }
    Ok(())
}

fn reproduced(report: &Report) -> String {
    match report.decisions - report.reproduced {
        0 => format!(
            "{} decisions, made again exactly as recorded",
            report.decisions
        ),
        different => format!(
            "{different} of {} decisions come out OTHERWISE than recorded (another version of the scaler?)",
            report.decisions
        ),
    }
}

fn write_deployment(out: &mut String, report: &DeploymentReport, all: bool) -> std::fmt::Result {
    writeln!(
        out,
        "\n{}  {}, {} decisions",
        report.key(),
        duration(report.seconds),
        report.decisions
    )?;
    let (left, right) = (&report.recorded, report.would_be.as_ref());
    row(out, "", "recorded", right.map(|_| "would have been"))?;
    row(
        out,
        "policy",
        &left.policy,
        right.map(|r| r.policy.as_str()),
    )?;
    row(out, "mode", &left.mode, right.map(|r| r.mode.as_str()))?;
    let rows: [Row; 7] = [
        ("replica-seconds", |side| {
            format!("{:.0}", side.replica_seconds)
        }),
        ("peak replicas", |side| side.peak.to_string()),
        ("changes up / down", |side| {
            format!("{} / {}", side.ups, side.downs)
        }),
        ("first scale-up after", |side| {
            side.first_up_seconds.map_or("-".to_owned(), duration)
        }),
        ("held back by a limit", |side| {
            duration(side.limited_seconds)
        }),
        ("  by maxReplicas", |side| duration(side.at_max_seconds)),
        ("too little data", |side| {
            format!("{} decisions", side.silent)
        }),
    ];
    for (label, value) in rows {
        row(out, label, &value(left), right.map(value).as_deref())?;
    }
    if let Some(right) = right
        && left.replica_seconds > 0.0
    {
        let change = 100.0 * (right.replica_seconds / left.replica_seconds - 1.0);
        writeln!(out, "  {change:+.0} % replica-seconds")?;
    }
    if !report.not_measured.is_empty() {
        writeln!(
            out,
            "  BLIND: {} was not measured in this recording, so the other policy had nothing to say about it",
            report.not_measured.join(", ")
        )?;
    }
    write_turns(out, report, all)
}

/// A label and what stands beside it for one policy.
type Row = (&'static str, fn(&Side) -> String);

fn row(out: &mut String, label: &str, left: &str, right: Option<&str>) -> std::fmt::Result {
    let line = match right {
        Some(right) => format!("  {label:<22}{left:<32}  {right}"),
        None => format!("  {label:<22}{left}"),
    };
    writeln!(out, "{}", line.trim_end())
}

fn write_turns(out: &mut String, report: &DeploymentReport, all: bool) -> std::fmt::Result {
    let shown = if all { usize::MAX } else { TURNS_SHOWN };
    let two_sided = report.would_be.is_some();
    for turn in report.turns.iter().take(shown) {
        let left = step(turn.recorded.as_ref());
        let line = match two_sided {
            true => format!(
                "  {:>9}  {:<COLUMN$}  {}",
                duration(turn.at),
                cut(&left),
                cut(&step(turn.would_be.as_ref()))
            ),
            false => format!("  {:>9}  {left}", duration(turn.at)),
        };
        writeln!(out, "{}", line.trim_end())?;
    }
    let left_out = report.turns.len().saturating_sub(shown) as u64 + report.turns_left_out;
    if left_out > 0 {
        writeln!(out, "  ... and {left_out} more changes (--all shows them)")?;
    }
    Ok(())
}

fn step(step: Option<&Step>) -> String {
    step.map_or(String::new(), |step| {
        format!("{} -> {}  {}", step.from, step.to, step.message)
    })
}

/// At most [`COLUMN`] characters.
fn cut(text: &str) -> String {
    match text.chars().count() > COLUMN {
        true => text.chars().take(COLUMN - 3).chain("...".chars()).collect(),
        false => text.to_owned(),
    }
}

/// `12.3 s`, `4 min 05 s`, `2 h 03 min`.
fn duration(seconds: f64) -> String {
    // What would be shown as 60.0 s is a minute.
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        ..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_durations() {
        let texts = [0.0, 12.34, 59.94, 59.96, 245.0, 7380.0].map(duration);
        assert_eq!(
            texts,
            [
                "0.0 s",
                "12.3 s",
                "59.9 s",
                "1 min 00 s",
                "4 min 05 s",
                "2 h 03 min"
            ]
        );
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let long = "ü".repeat(100);
        assert_eq!(cut(&long).chars().count(), COLUMN);
        assert_eq!(cut("short"), "short");
    }
}
