//! `probe-agent check`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::CheckArgs;
use crate::hierarchy::Hierarchies;
use crate::host::{BTF, Host};
use crate::kernel::{Metric, Options, Support, SupportTable};
use crate::metric_name;
use crate::monitor::Monitor;

/// What policies are usually made of, and so what a fit machine must be able to measure.
const REQUIRED: [Metric; 3] = [
    Metric::RunqLatency,
    Metric::UserPageFaults,
    Metric::SentBytes,
];

const UNSUPPORTED: &str = "unsupported";

/// The findings, as `--json` prints them.
#[derive(Debug, Serialize)]
struct Findings {
    /// Whether all of [`REQUIRED`] can be measured.
    ok: bool,
    kernel_release: String,
    cpus: u32,
    btf: bool,
    cgroups: String,
    missing_capabilities: Vec<&'static str>,
    metrics: Vec<Row>,
    /// What stands in the way and what to do about it.
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    metric: String,
    support: &'static str,
    detail: String,
}

/// Prints what can be measured here; fails when one of [`REQUIRED`] cannot be.
pub(super) fn check(args: &CheckArgs) -> Result<ExitCode> {
    let findings = Findings::of_this_machine(args);
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &findings)?;
        writeln!(out)?;
    } else {
        findings.print(&mut out)?;
    }
    Ok(if findings.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Findings {
    fn of_this_machine(args: &CheckArgs) -> Self {
        let host = Host::read();
        let root = &args.cgroup_root.path;
        let cgroups = Hierarchies::detect(root)
            .map_or_else(|_| "none".to_owned(), |found| found.mode().to_string());
        let mut problems = Vec::new();
        let support = match Monitor::open(root, Options::MAX_CONTAINERS) {
            Ok(monitor) => monitor.kernel().support().clone(),
            Err(error) => {
                problems.push(error.to_string());
                SupportTable::default()
            }
        };
        let metrics: Vec<Row> = support
            .iter()
            // Without a working kernel side the table says nothing about this machine.
            .map(|(metric, support)| match problems.first() {
                Some(_) => Row::new(metric, &Support::Unsupported("see below".to_owned())),
                None => Row::new(metric, support),
            })
            .collect();
        let lacking = REQUIRED
            .into_iter()
            .filter(|&metric| !support.get(metric).is_measured());
        if problems.is_empty() {
            problems.extend(lacking.map(|metric| {
                format!("{}: {}", metric_name(metric), support.get(metric).detail())
            }));
        }
        Self {
            ok: problems.is_empty(),
            kernel_release: host.kernel_release,
            cpus: host.cpus,
            btf: host.has_btf,
            cgroups,
            missing_capabilities: host.privileges.missing(),
            metrics,
            problems,
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let privileges = match self.missing_capabilities.as_slice() {
            [] => "sufficient".to_owned(),
            missing => format!("without {}", missing.join(", ")),
        };
        writeln!(
            out,
            "kernel      {}, {} CPUs",
            self.kernel_release, self.cpus
        )?;
        writeln!(out, "BTF         {}", if self.btf { BTF } else { "none" })?;
        writeln!(out, "cgroups     {}", self.cgroups)?;
        writeln!(out, "privileges  {privileges}")?;
        writeln!(out)?;
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["METRIC", "SUPPORT", "DETAIL"]);
        for row in &self.metrics {
            table.add_row([row.metric.as_str(), row.support, row.detail.as_str()]);
        }
        writeln!(out, "{}", table.trim_fmt())?;
        writeln!(out)?;
        if self.ok {
            let measured = self.metrics.iter().filter(|row| row.support != UNSUPPORTED);
            let (measured, all) = (measured.count(), self.metrics.len());
            return match all - measured {
                0 => writeln!(out, "All that this version measures can be measured here."),
                _ => writeln!(out, "{measured} of {all} metrics can be measured here."),
            };
        }
        for problem in &self.problems {
            writeln!(out, "problem: {problem}")?;
        }
        Ok(())
    }
}

impl Row {
    fn new(metric: Metric, support: &Support) -> Self {
        let kind = match support {
            Support::Supported => "supported",
            Support::Degraded(_) => "degraded",
            Support::Unsupported(_) => UNSUPPORTED,
        };
        Self {
            metric: metric_name(metric),
            support: kind,
            detail: support.detail().to_owned(),
        }
    }
}
