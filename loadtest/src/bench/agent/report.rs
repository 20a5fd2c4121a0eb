//! The result: numbers, goals, and whether they are met.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::MetricSet;
use super::trickle::Requests;
use crate::usage::Usage;

/// What the agent may take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Goals {
    /// Less than this share of one core, in percent.
    pub cpu_percent: f64,
    /// Less than this much resident memory.
    pub rss_bytes: u64,
    /// Less than this much on the wire for a report.
    pub report_bytes: u64,
}

impl Goals {
    /// Promised for 20 containers with the core metrics, and for 250 with all.
    fn of(metrics: MetricSet) -> Self {
        match metrics {
            MetricSet::Core => Self {
                cpu_percent: 1.0,
                rss_bytes: 30 << 20,
                report_bytes: 100_000,
            },
            MetricSet::All => Self {
                cpu_percent: 3.0,
                rss_bytes: 60 << 20,
                report_bytes: 100_000,
            },
        }
    }
}

/// What was seen of the agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) took: Duration,
    pub(super) before: Usage,
    pub(super) after: Usage,
    pub(super) reports: u64,
    pub(super) report_bytes: u64,
    pub(super) requests: Requests,
}

/// What the agent took while it was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// CPU time by elapsed time; 100 is one core.
    pub agent_cpu_percent: f64,
    /// Resident memory at the end.
    pub agent_rss_bytes: u64,
    /// The most there ever was: while the agent started, which reads the kernel's types.
    pub agent_peak_rss_bytes: u64,
    /// Containers that were measured.
    pub containers: u32,
    /// How long the measurement took.
    pub seconds: f64,
    /// Reports that the agent sent meanwhile.
    pub reports: u64,
    /// The same by time.
    pub reports_per_second: f64,
    /// The last report on the wire.
    pub report_bytes: u64,
    /// Requests that the containers answered meanwhile.
    pub requests: u64,
    /// Requests that failed.
    pub failed_requests: u64,
    /// What it may take.
    pub goals: Goals,
    /// Whether CPU, memory and report are below their goals; the peak has none.
    pub goals_met: bool,
}

impl Report {
    /// From what the agent had taken before and after a measurement.
    pub(super) fn new(containers: u32, metrics: MetricSet, measured: Measured) -> Self {
        let Measured {
            took,
            before,
            after,
            reports,
            report_bytes,
            requests,
        } = measured;
        let goals = Goals::of(metrics);
        let seconds = took.as_secs_f64();
        let agent_cpu_percent = (after.cpu - before.cpu).as_secs_f64() / seconds * 100.0;
        Self {
            agent_cpu_percent,
            agent_rss_bytes: after.rss_bytes,
            agent_peak_rss_bytes: after.peak_rss_bytes,
            containers,
            seconds,
            reports,
            reports_per_second: reports as f64 / seconds,
            report_bytes,
            requests: requests.answered,
            failed_requests: requests.failed,
            goals,
            goals_met: agent_cpu_percent < goals.cpu_percent
                && after.rss_bytes < goals.rss_bytes
                && report_bytes < goals.report_bytes,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = |met: bool| if met { "met" } else { "MISSED" };
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_header(["probe-agent", "measured", "goal", ""])
            .add_row([
                "CPU, of one core",
                &format!("{:.2} %", self.agent_cpu_percent),
                &format!("< {} %", self.goals.cpu_percent),
                met(self.agent_cpu_percent < self.goals.cpu_percent),
            ])
            .add_row([
                "resident memory",
                &mib(self.agent_rss_bytes),
                &format!("< {}", mib(self.goals.rss_bytes)),
                met(self.agent_rss_bytes < self.goals.rss_bytes),
            ])
            .add_row([
                "one report",
                &kilobytes(self.report_bytes),
                &format!("< {}", kilobytes(self.goals.report_bytes)),
                met(self.report_bytes < self.goals.report_bytes),
            ])
            .add_row([
                "its peak, at the start",
                &mib(self.agent_peak_rss_bytes),
                "-",
                "",
            ]);
        for column in [1, 2] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{}", table.trim_fmt())?;
        writeln!(
            f,
            "{} containers for {:.0} s; {} reports ({:.1} a second); {} requests answered, {} failed",
            self.containers,
            self.seconds,
            self.reports,
            self.reports_per_second,
            self.requests,
            self.failed_requests
        )
    }
}

fn kilobytes(bytes: u64) -> String {
    format!("{:.1} kB", bytes as f64 / 1e3)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(cpu_ms: u64, rss_mib: u64) -> Usage {
        Usage {
            cpu: Duration::from_millis(cpu_ms),
            rss_bytes: rss_mib << 20,
            peak_rss_bytes: 41 << 20,
        }
    }

    fn report(cpu_ms: u64, rss_mib: u64) -> Report {
        let requests = Requests {
            answered: 2400,
            failed: 1,
        };
        let measured = Measured {
            took: Duration::from_secs(30),
            before: usage(500, 1),
            after: usage(500 + cpu_ms, rss_mib),
            reports: 30,
            report_bytes: 4_000,
            requests,
        };
        Report::new(20, MetricSet::Core, measured)
    }

    #[test]
    fn only_the_time_between_counts() {
        let report = report(150, 12);
        assert!((report.agent_cpu_percent - 0.5).abs() < 1e-9);
        assert_eq!(report.agent_rss_bytes, 12 << 20);
        assert!((report.reports_per_second - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_goal_is_met_below_it() {
        assert!(report(299, 29).goals_met);
        assert!(!report(300, 29).goals_met);
        assert!(!report(299, 30).goals_met);
        let mut large = report(299, 29);
        assert_eq!(Goals::of(MetricSet::All).cpu_percent, 3.0);
        large.report_bytes = 100_000;
        assert!(large.to_string().contains("MISSED"), "{large}");
    }

    #[test]
    fn the_table_says_which_goal_is_missed() {
        let text = report(150, 30).to_string();
        let line = |start: &str| {
            text.lines()
                .find(|l| l.trim_start().starts_with(start))
                .unwrap()
        };
        assert!(
            line("CPU").contains("0.50 %") && line("CPU").ends_with("met"),
            "{text}"
        );
        let memory = line("resident");
        assert!(
            memory.contains("30.0 MiB") && memory.ends_with("MISSED"),
            "{text}"
        );
        assert!(text.contains("41.0 MiB") && text.contains("2400 requests answered, 1 failed"));
    }

    #[test]
    fn the_json_has_the_promised_keys() {
        let json = serde_json::to_value(report(150, 12)).unwrap();
        for key in [
            "agent_cpu_percent",
            "agent_rss_bytes",
            "agent_peak_rss_bytes",
            "containers",
            "seconds",
            "reports",
            "report_bytes",
        ] {
            assert!(json[key].is_number(), "{key} is not in {json}");
        }
    }
}
