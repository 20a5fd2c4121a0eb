//! The result: numbers, goals, and whether they are met.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::trickle::Requests;
use crate::usage::Usage;

/// Less than this share of one core, in percent.
const CPU_GOAL_PERCENT: f64 = 1.0;

/// Less than this much resident memory.
const RSS_GOAL_BYTES: u64 = 30 << 20;

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
    /// Requests that the containers answered meanwhile.
    pub requests: u64,
    /// Requests that failed.
    pub failed_requests: u64,
    /// Whether CPU and memory are below their goals; the peak has none.
    pub goals_met: bool,
}

impl Report {
    /// From what the agent had taken `before` and `after` a measurement that `took` so long.
    pub(super) fn new(
        containers: u32,
        took: Duration,
        before: Usage,
        after: Usage,
        reports: u64,
        requests: Requests,
    ) -> Self {
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
            requests: requests.answered,
            failed_requests: requests.failed,
            goals_met: agent_cpu_percent < CPU_GOAL_PERCENT && after.rss_bytes < RSS_GOAL_BYTES,
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
                &format!("< {CPU_GOAL_PERCENT} %"),
                met(self.agent_cpu_percent < CPU_GOAL_PERCENT),
            ])
            .add_row([
                "resident memory",
                &mib(self.agent_rss_bytes),
                &format!("< {}", mib(RSS_GOAL_BYTES)),
                met(self.agent_rss_bytes < RSS_GOAL_BYTES),
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
        let took = Duration::from_secs(30);
        Report::new(
            20,
            took,
            usage(500, 1),
            usage(500 + cpu_ms, rss_mib),
            30,
            requests,
        )
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
        ] {
            assert!(json[key].is_number(), "{key} is not in {json}");
        }
    }
}
