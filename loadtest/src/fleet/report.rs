//! The result: numbers, goals, and whether they are met.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// Less than one core.
const CORES_GOAL: f64 = 1.0;
/// Less than this much resident memory.
const RSS_GOAL_BYTES: u64 = 1 << 30;
/// From a report that crosses a threshold to the replica count, 99 of 100 times.
const P99_GOAL_MS: f64 = 200.0;
/// After all agents came back at once.
const STORM_GOAL: Duration = Duration::from_secs(10);
/// Growth of memory in ten minutes, as a share of it, that counts as none; shorter runs do not tell.
const FLAT: f64 = 0.02;
const FLAT_SECONDS: f64 = 600.0;

/// What one size of cluster took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Size {
    /// Nodes, each with an agent, a connection and a stream of its own.
    pub nodes: u32,
    /// Pods, each with one container and two metrics, reported once a second.
    pub pods: u32,
    /// Deployments, each with a policy.
    pub policies: u32,
    /// How long was measured.
    pub seconds: f64,
    /// CPU time of the scaler by elapsed time; 1 is one core.
    pub scaler_cores: f64,
    /// Its resident memory at the end.
    pub scaler_rss_bytes: u64,
    /// The most that it ever was, reading the cluster included.
    pub scaler_peak_rss_bytes: u64,
    /// Growth over the second half of the measurement.
    pub scaler_rss_growth_bytes_per_minute: f64,
    /// CPU time for each pod and second, decisions included.
    pub cpu_us_per_pod_second: f64,
    /// Resident memory by pods.
    pub rss_bytes_per_pod: f64,
    /// From a report that crosses a threshold to the replica count in a watch: the median.
    pub report_to_patch_p50_ms: Option<f64>,
    /// 99 of 100 times at most this.
    pub report_to_patch_p99_ms: Option<f64>,
    /// The longest.
    pub report_to_patch_max_ms: Option<f64>,
    /// Crossings that are in these numbers.
    pub crossings: usize,
    /// Crossings that no change followed within five seconds.
    pub crossings_unanswered: u64,
    /// Changes that no crossing caused.
    pub changes_unasked: u64,
    /// Reports that agents sent and the controller did not get.
    pub reports_lost: u64,
    /// Reports that agents sent, from the start to the end of the measurement.
    pub reports_sent: u64,
    /// Of these, how many left the simulator more than 0.1 s late: many of them spoil the rest.
    pub reports_late: u64,
    /// Container samples that the scaler believed, per second: as many as there are pods.
    pub samples_per_second: f64,
    /// Decisions per second, of all policies.
    pub decisions_per_second: f64,
    /// From the first agent's start until every node had its configuration; they start over 1 s.
    pub connected_ms: f64,
    /// From the cut of all streams until every node had its configuration again.
    pub storm_settled_ms: Option<f64>,
    /// CPU time that the scaler took meanwhile.
    pub storm_cpu_seconds: Option<f64>,
    /// Configurations that named other containers than the node has.
    pub wrong_configurations: u64,
    /// Whether everything that was measured is within its goal.
    pub goals_met: bool,
}

/// The result of all sizes; at the top of the JSON stands the last.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    #[serde(flatten)]
    last: Size,
    /// Each size, in the order in which they were asked for.
    sizes: Vec<Size>,
}

impl Report {
    /// `None` without any size.
    pub(super) fn new(sizes: Vec<Size>) -> Option<Self> {
        let last = sizes.last()?.clone();
        Some(Self { last, sizes })
    }
}

impl Size {
    /// Its goals: what, how much, how much is wanted, and whether it is met.
    fn goals(&self) -> Vec<(&'static str, String, String, bool)> {
        let within = |value: Option<f64>, goal: f64| value.is_some_and(|value| value < goal);
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
        let mut goals = vec![
            (
                "scaler, cores",
                format!("{:.2}", self.scaler_cores),
                format!("< {CORES_GOAL}"),
                self.scaler_cores < CORES_GOAL,
            ),
            (
                "scaler, resident",
                mib(self.scaler_rss_bytes as f64),
                format!("< {}", mib(RSS_GOAL_BYTES as f64)),
                self.scaler_rss_bytes < RSS_GOAL_BYTES,
            ),
            (
                "report to patch, p99",
                ms(self.report_to_patch_p99_ms),
                format!("< {P99_GOAL_MS} ms"),
                within(self.report_to_patch_p99_ms, P99_GOAL_MS) && self.crossings_unanswered == 0,
            ),
            (
                "reports lost",
                format!("{} of {}", self.reports_lost, self.reports_sent),
                "0".to_owned(),
                self.reports_lost == 0,
            ),
        ];
        if self.storm_settled_ms.is_some() {
            let goal = STORM_GOAL.as_secs_f64() * 1e3;
            goals.push((
                "reconnect storm",
                ms(self.storm_settled_ms),
                format!("< {goal} ms"),
                within(self.storm_settled_ms, goal),
            ));
        }
        if self.seconds >= FLAT_SECONDS {
            let growth = self.scaler_rss_growth_bytes_per_minute * 10.0;
            let goal = FLAT * self.scaler_rss_bytes as f64;
            goals.push((
                "growth in 10 min",
                mib(growth),
                format!("< {}", mib(goal)),
                growth < goal,
            ));
        }
        goals
    }

    /// Judges the numbers.
    pub(super) fn judged(mut self) -> Self {
        self.goals_met = self.goals().iter().all(|(.., met)| *met);
        self
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} nodes, {} pods, {} policies, {:.0} s; {} crossings, {} changes unasked for; \
             {:.0} decisions/s; {} reports late",
            self.nodes,
            self.pods,
            self.policies,
            self.seconds,
            self.crossings,
            self.changes_unasked,
            self.decisions_per_second,
            self.reports_late,
        )?;
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_header(["", "measured", "goal", ""]);
        for (what, measured, goal, met) in self.goals() {
            let met = if met { "met" } else { "MISSED" };
            table.add_row([what, &measured, &goal, met]);
        }
        for column in [1, 2] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{}", table.trim_fmt())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for size in &self.sizes {
            writeln!(f, "{size}")?;
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header([
            "nodes", "pods", "cores", "us/pod/s", "memory", "KiB/pod", "p50", "p99",
        ]);
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"));
        for size in &self.sizes {
            table.add_row([
                size.nodes.to_string(),
                size.pods.to_string(),
                format!("{:.3}", size.scaler_cores),
                format!("{:.2}", size.cpu_us_per_pod_second),
                mib(size.scaler_rss_bytes as f64),
                format!("{:.2}", size.rss_bytes_per_pod / 1024.0),
                ms(size.report_to_patch_p50_ms),
                ms(size.report_to_patch_p99_ms),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{}", table.trim_fmt())
    }
}

/// The value that the share `quantile` of `values` does not exceed, in milliseconds: one of them.
pub(super) fn quantile_ms(values: &[Duration], quantile: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    let value = sorted.get(rank.max(1) - 1)?;
    Some(value.as_secs_f64() * 1e3)
}

fn mib(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size() -> Size {
        Size {
            nodes: 5_000,
            pods: 150_000,
            policies: 2_000,
            seconds: 60.0,
            scaler_cores: 0.9,
            scaler_rss_bytes: 900 << 20,
            scaler_peak_rss_bytes: 950 << 20,
            scaler_rss_growth_bytes_per_minute: 0.0,
            cpu_us_per_pod_second: 6.0,
            rss_bytes_per_pod: 6291.456,
            report_to_patch_p50_ms: Some(11.0),
            report_to_patch_p99_ms: Some(120.0),
            report_to_patch_max_ms: Some(130.0),
            crossings: 600,
            crossings_unanswered: 0,
            changes_unasked: 0,
            reports_lost: 0,
            reports_sent: 350_000,
            reports_late: 3,
            samples_per_second: 150_000.0,
            decisions_per_second: 2_000.0,
            connected_ms: 1_400.0,
            storm_settled_ms: Some(3_000.0),
            storm_cpu_seconds: Some(2.0),
            wrong_configurations: 0,
            goals_met: false,
        }
    }

    #[test]
    fn each_goal_can_be_missed() {
        assert!(size().judged().goals_met);
        let missed = [
            Size {
                scaler_cores: 1.0,
                ..size()
            },
            Size {
                scaler_rss_bytes: 1 << 30,
                ..size()
            },
            Size {
                report_to_patch_p99_ms: Some(200.0),
                ..size()
            },
            Size {
                report_to_patch_p99_ms: None,
                ..size()
            },
            Size {
                crossings_unanswered: 1,
                ..size()
            },
            Size {
                reports_lost: 1,
                ..size()
            },
            Size {
                storm_settled_ms: Some(10_000.0),
                ..size()
            },
            Size {
                seconds: 600.0,
                scaler_rss_growth_bytes_per_minute: 2e6,
                ..size()
            },
        ];
        for size in missed {
            assert!(!size.clone().judged().goals_met, "{size}");
        }
        let short = Size {
            scaler_rss_growth_bytes_per_minute: 2e6,
            ..size()
        };
        assert!(
            short.judged().goals_met,
            "a minute tells nothing about growth"
        );
    }

    #[test]
    fn the_json_has_the_promised_keys_of_the_last_size() {
        let small = Size {
            nodes: 500,
            ..size()
        };
        let report = Report::new(vec![small, size()]).unwrap();
        let json = serde_json::to_value(report).unwrap();
        for key in [
            "scaler_cores",
            "scaler_rss_bytes",
            "report_to_patch_p50_ms",
            "report_to_patch_p99_ms",
            "reports_lost",
        ] {
            assert!(json[key].is_number(), "{key} is not in {json}");
        }
        assert_eq!(
            (&json["nodes"], &json["sizes"][0]["nodes"]),
            (&5_000.into(), &500.into())
        );
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile_ms(&values, 0.5), Some(100.0));
        assert_eq!(quantile_ms(&values, 0.99), Some(198.0));
        assert_eq!(quantile_ms(&values[..1], 0.99), Some(200.0));
        assert_eq!(quantile_ms(&[], 0.5), None);
    }
}
