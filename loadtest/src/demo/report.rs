//! The end of a demo: the summary on the screen and in a file, and the exit code.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::DemoArgs;
use super::decisions::ChangeDecision;
use super::timeline::{Summary, Timeline};

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    summary: Summary,
    /// The decisions that changed a replica count, with their evidence.
    decisions: &'a [ChangeDecision],
}

/// Fails early when the summary could not be written in the end.
///
/// # Errors
/// When the file's folder does not exist.
pub(super) fn check_writable(file: &Path) -> Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        bail!(
            "--json {}: there is no folder {}",
            file.display(),
            folder.display()
        );
    }
    if file.is_dir() {
        bail!(
            "--json {}: that is a folder; name a file in it",
            file.display()
        );
    }
    Ok(())
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
            write(file, &record)?;
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

fn write(file: &Path, record: &Record<'_>) -> Result<()> {
    let what = || format!("cannot write the summary to {}", file.display());
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut temporary =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(what)?;
    serde_json::to_writer_pretty(&mut temporary, record).with_context(what)?;
    temporary.write_all(b"\n").with_context(what)?;
    let file_mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(temporary.path(), file_mode).with_context(what)?;
    temporary.persist(file).with_context(what)?;
    Ok(())
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
        write(&file, &record(&timeline())).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
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
        let evidence = |value| super::super::Evidence {
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

    #[test]
    fn a_file_nowhere_is_noticed_before_the_run() {
        let message = check_writable(Path::new("/no/such/folder/file.json")).unwrap_err();
        assert!(
            message
                .to_string()
                .contains("there is no folder /no/such/folder")
        );
    }
}
