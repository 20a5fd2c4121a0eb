//! `scaler check`: validates policy files and says everything that is wrong with them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use scaler_core::{PolicyError, ScalingPolicy, policy};
use serde::Serialize;

use crate::cli::CheckArgs;
use crate::policies::{Problem, policy_files, read_file};

/// The outcome of a check.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Policies without any problem in their file.
    pub valid: usize,
    /// Everything that is wrong, in the order of the arguments.
    pub errors: Vec<Problem>,
}

/// Checks and prints. The exit code is 1 when anything is wrong.
///
/// # Errors
/// When the outcome cannot be printed.
pub fn main(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let report = check(&args.paths);
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        for error in &report.errors {
            writeln!(out, "{error}")?;
        }
        if report.errors.is_empty() {
            writeln!(out, "{}", summary(report.valid))?;
        }
    }
    Ok(if report.errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Checks files, and the policy files directly in directories.
pub fn check(paths: &[PathBuf]) -> Report {
    let mut report = Report::default();
    let mut policies: Vec<ScalingPolicy> = Vec::new();
    let mut claims = Vec::new();
    let files: Vec<PathBuf> = paths
        .iter()
        .flat_map(|path| expand(path, &mut report.errors))
        .collect();
    for path in files {
        let file = read_file(path);
        let text = match file.text {
            Ok(text) => text,
            Err(error) => {
                report.errors.push(Problem::with_file(
                    file.path,
                    format!("cannot be read: {error}"),
                ));
                continue;
            }
        };
        let reading = policy::read(&text, &file.path.to_string_lossy());
        claims.extend(reading.claims);
        match reading.errors.is_empty() {
            true => policies.extend(reading.policies),
            false => report.errors.extend(by_line(reading.errors)),
        }
    }
    let clashes = policy::check_claims(&claims);
    let clashing = |policy: &&ScalingPolicy| {
        let origin = &policy.origin;
        let mut clashes = clashes.iter();
        clashes.any(|clash| (&clash.file, Some(clash.line)) == (&origin.file, origin.line))
    };
    report.valid = policies.len() - policies.iter().filter(clashing).count();
    report.errors.extend(by_line(clashes));
    report
}

/// People mend a file from top to bottom.
fn by_line(mut errors: Vec<PolicyError>) -> impl Iterator<Item = Problem> {
    errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    errors.into_iter().map(Problem::from)
}

/// A directory is its policy files; anything else is itself.
fn expand(path: &Path, errors: &mut Vec<Problem>) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    match policy_files(path) {
        Ok(files) if files.is_empty() => {
            errors.push(Problem::with_file(
                path,
                "no policy files in it; expected *.yaml or *.yml",
            ));
            files
        }
        Ok(files) => files,
        Err(error) => {
            errors.push(Problem::with_file(
                path,
                format!("cannot be listed: {error}"),
            ));
            Vec::new()
        }
    }
}

fn summary(valid: usize) -> String {
    match valid {
        1 => "1 policy is valid".to_owned(),
        n => format!("{n} policies are valid"),
    }
}
