//! The end of a demo: the summary on the screen and in a file, and the exit code.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;

use super::DemoArgs;
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
    let mut record = Record {
        summary: timeline.summary(),
        decisions,
    };
    record.summary.scaled &= grew_on_measurements(&record);
    if timeline.step_at.is_some() {
        print!("{}", text(&record));
        if let Some(file) = &args.json {
            json_file::write(file, &record)?;
        }
    }
    outcome?;
    if record.summary.scaled {
        return Ok(ExitCode::SUCCESS);
    }
    bail!(
        "nothing was scaled up: the load step was too small for this machine, or the metrics did \
         not arrive; try more --step-users"
    )
}

/// Whether the scaler, with measured values, is who made the first growth. A replica count can also
/// be changed by somebody else.
fn grew_on_measurements(record: &Record<'_>) -> bool {
    record.decisions.iter().any(|decision| {
        Some(&decision.deployment) == record.summary.first_patch_deployment.as_ref()
            && decision.to > decision.from
            && decision
                .evidence
                .iter()
                .any(|evidence| evidence.value.is_some())
    })
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
    let mut text = format!(
        "\n\
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
    use super::*;

    fn record(timeline: &Timeline) -> Record<'_> {
        Record {
            summary: timeline.summary(),
            decisions: &[],
        }
    }

    fn timeline() -> Timeline {
        let mut timeline = Timeline {
            step_at: Some(1.0),
            ..Timeline::default()
        };
        timeline.replicas(0.0, "cart", 1);
        timeline.replicas(1.8, "cart", 3);
        for second in 0..12 {
            timeline.request(f64::from(second), second != 3);
        }
        timeline
    }

    #[test]
    fn the_summary_reads_well() {
        let text = text(&record(&timeline()));
        for part in [
            "0.80 s  cart",
            "3 s\n",
            "1 of 12 (0 before the step, 1 after)",
            "cart 3",
        ] {
            assert!(text.contains(part), "{part} is not in:{text}");
        }
    }

    #[test]
    fn the_file_has_the_documented_keys() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("summary.json");
        json_file::write(&file, &record(&timeline())).unwrap();
        let value: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        assert_eq!(value["first_patch_seconds"], 0.8);
        assert_eq!(value["recovered_seconds"], 3.0);
        assert_eq!(value["failed_requests"], 1);
        assert_eq!(value["total_requests"], 12);
        assert_eq!(value["peak_replicas"], 3);
        assert!(value["decisions"].is_array());
    }

    #[test]
    fn growth_without_a_measured_decision_does_not_count() {
        let timeline = timeline();
        assert!(!grew_on_measurements(&record(&timeline)));
        let evidence = |value| crate::viperscale::Evidence {
            metric: "runqLatency".to_owned(),
            value_text: "-".to_owned(),
            value,
        };
        let decision = |value| ChangeDecision {
            at: 1.8,
            deployment: "cart".to_owned(),
            from: 1,
            to: 3,
            reason: "AboveThreshold".to_owned(),
            message: String::new(),
            evidence: vec![evidence(value)],
        };
        for (value, counts) in [(None, false), (Some(3.8e7), true)] {
            let decisions = [decision(value)];
            let record = Record {
                decisions: &decisions,
                ..record(&timeline)
            };
            assert_eq!(grew_on_measurements(&record), counts);
        }
    }
}
