//! The end of a demo: the summary on the screen and in a file, and the exit code.

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use serde::Serialize;

use super::DemoArgs;
use super::rest::{REST_SECONDS, Unrest};
use super::timeline::{Summary, Timeline};
use crate::json_file;
use crate::viperscale::ChangeDecision;

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    summary: Summary,
    /// The decisions that changed a replica count, with their evidence.
    decisions: &'a [ChangeDecision],
}

/// Prints and writes the summary of a run that ended with `outcome`, and judges it.
///
/// # Errors
/// The run's own error, or that of writing the file.
pub(super) fn finish(
    args: &DemoArgs,
    timeline: &Timeline,
    decisions: &[ChangeDecision],
    outcome: Result<()>,
) -> Result<ExitCode> {
    let record = Record {
        summary: timeline.summary(decisions),
        decisions,
    };
    if timeline.step_at.is_some() {
        print!("{}", text(&record));
        if let Some(file) = &args.json {
            json_file::write(file, &record)?;
        }
    }
    outcome?;
    judge(&record.summary).map(|()| ExitCode::SUCCESS)
}

/// An error when the run does not show that the step was answered. Unrest elsewhere is told and
/// no failure: a growth counts only where its own deployment had been at rest.
fn judge(summary: &Summary) -> Result<()> {
    if summary.scaled {
        return Ok(());
    }
    ensure!(
        summary.at_rest,
        "the base load was not at rest, so that what came after the step may not be its doing: {}; try \
         fewer --base-users, more --base-seconds, or a less busy machine",
        listed(&summary.unrest)
    );
    bail!(
        "nothing was scaled up because of the load step: it was too small for this machine, or the \
         metrics did not arrive; try more --step-users"
    )
}

fn listed(unrest: &[Unrest]) -> String {
    let named = |Unrest { deployment, reason }: &Unrest| format!("{deployment} ({reason})");
    unrest.iter().map(named).collect::<Vec<_>>().join(", ")
}

fn text(record: &Record<'_>) -> String {
    let Record { summary, decisions } = record;
    let seconds = |value: Option<f64>| value.map_or("never".to_owned(), |s| format!("{s:.2} s"));
    let recovered = match (
        summary.recovered_seconds,
        summary.failed_requests_after_step,
    ) {
        (None, _) => "not before the end".to_owned(),
        (Some(_), 0) => "no failures".to_owned(),
        (Some(seconds), _) => format!("{seconds:.0} s"),
    };
    let rest = match summary.at_rest {
        true => format!("at rest for {REST_SECONDS:.0} s before the step"),
        false => format!("NOT at rest: {}", listed(&summary.unrest)),
    };
    let mut text = format!(
        "\n\
         base load                    {rest}\n\
         load step to first patch     {}{}\n\
         load step to last failure    {recovered}\n\
         failed requests              {} of {} ({} before the step, {} after)\n\
         peak replicas                {}\n",
        seconds(summary.first_patch_seconds),
        summary
            .first_patch_deployment
            .as_ref()
            .map_or(String::new(), |name| format!("  {name}")),
        summary.failed_requests,
        summary.total_requests,
        summary.failed_requests_before_step,
        summary.failed_requests_after_step,
        peaks(summary),
    );
    if !decisions.is_empty() {
        text.push_str("decisions\n");
    }
    for decision in *decisions {
        let ChangeDecision {
            at,
            deployment,
            from,
            to,
            message,
            ..
        } = decision;
        text.push_str(&format!(
            "  {at:>5.1} s  {deployment} {from} -> {to}: {message}\n"
        ));
    }
    text
}

/// Deployments that had more than one replica, the largest first.
fn peaks(summary: &Summary) -> String {
    let mut peaks: Vec<_> = summary
        .peak_replicas_by_deployment
        .iter()
        .filter(|&(_, &peak)| peak > 1)
        .collect();
    peaks.sort_by_key(|&(_, &peak)| std::cmp::Reverse(peak));
    if peaks.is_empty() {
        return "1 everywhere".to_owned();
    }
    let named: Vec<String> = peaks
        .iter()
        .map(|(name, peak)| format!("{name} {peak}"))
        .collect();
    named.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::rest::tests::{evidence, growth, rested};
    use super::super::timeline::ReplicaChange;
    use super::*;

    fn decisions() -> [ChangeDecision; 1] {
        [growth(10.82, evidence(30.0, 0.4, 3))]
    }

    fn record<'a>(timeline: &Timeline, decisions: &'a [ChangeDecision]) -> Record<'a> {
        Record {
            summary: timeline.summary(decisions),
            decisions,
        }
    }

    fn timeline() -> Timeline {
        let mut timeline = rested();
        timeline.replicas(10.8, "cart", 3);
        for second in 0..21 {
            timeline.request(f64::from(second), second != 12);
        }
        timeline
    }

    #[test]
    fn the_summary_reads_well() {
        let text = text(&record(&timeline(), &decisions()));
        for part in [
            "0.80 s  cart",
            "3 s\n",
            "at rest for 5 s",
            "1 of 21 (0 before the step, 1 after)",
            "cart 3",
        ] {
            assert!(text.contains(part), "{part} is not in:{text}");
        }
    }

    #[test]
    fn the_file_has_the_documented_keys() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("summary.json");
        json_file::write(&file, &record(&timeline(), &decisions())).unwrap();
        let value: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(
            value["first_patch_seconds"]
                .as_f64()
                .map(|s| (s * 1e3).round()),
            Some(800.0)
        );
        assert_eq!(value["recovered_seconds"], 3.0);
        assert_eq!(value["failed_requests"], 1);
        assert_eq!(value["total_requests"], 21);
        assert_eq!(value["peak_replicas"], 3);
        assert!(value["decisions"].is_array());
    }

    #[test]
    fn a_run_without_rest_says_so() {
        let mut timeline = timeline();
        timeline.changes.insert(
            0,
            ReplicaChange {
                at: 8.0,
                deployment: "ad".to_owned(),
                from: 1,
                to: 2,
            },
        );
        let decisions = decisions();
        let record = record(&timeline, &decisions);
        let what = "ad (1 -> 2 2.0 s before the step)";
        let text = text(&record);
        assert!(text.contains(&format!("NOT at rest: {what}")), "{text}");
        assert!(record.summary.scaled, "cart was at rest, and grew");
        judge(&record.summary).unwrap();
        let error = judge(&timeline.summary(&[])).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        let value = serde_json::to_value(&record).unwrap();
        assert_eq!(value["at_rest"], false);
        assert_eq!(value["unrest"][0]["deployment"], "ad");
    }

    #[test]
    fn only_growth_that_the_step_caused_is_success() {
        let timeline = timeline();
        judge(&timeline.summary(&decisions())).unwrap();
        let error = judge(&timeline.summary(&[])).unwrap_err().to_string();
        assert!(error.contains("nothing was scaled up"), "{error}");
    }
}
