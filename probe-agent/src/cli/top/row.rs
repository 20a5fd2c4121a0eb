//! One line of the table.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::kernel::Metric;
use crate::monitor::Measured;
use crate::sample::quantile;

/// One container over one interval, as `--json` prints it. `null` is what could not be measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) pod_uid: String,
    pub(super) container: String,
    pub(super) command: String,
    pub(super) cgroup: String,
    pub(super) runq_p50_ns: Option<f64>,
    pub(super) runq_p95_ns: Option<f64>,
    /// Of one CPU: 200 is two CPUs' worth.
    pub(super) on_cpu_percent: f64,
    /// Share of its quota periods in which the container used up its quota; `null` without a quota.
    pub(super) throttled_percent: Option<f64>,
    pub(super) faults_per_second: Option<f64>,
    pub(super) sent_bytes_per_second: Option<f64>,
}

impl Row {
    pub(super) fn of(measured: &Measured, length: Duration, mount: &Path) -> Self {
        let sample = &measured.sample;
        let seconds = length.as_secs_f64().max(f64::EPSILON);
        let find = |metric: Metric| {
            sample
                .metrics
                .iter()
                .find(|sample| sample.metric() == metric)
        };
        let waits = find(Metric::RunqLatency).map(|waits| waits.log2_buckets.as_slice());
        let percent =
            |part: u64, whole: u64| (whole > 0).then(|| 100.0 * part as f64 / whole as f64);
        let scheduling = sample.scheduling.unwrap_or_default();
        Self {
            pod_uid: measured.label.pod_uid.clone(),
            container: measured.label.container.clone(),
            command: command(&mount.join(measured.label.path.trim_start_matches('/'))),
            cgroup: measured.label.path.clone(),
            runq_p50_ns: waits.and_then(|waits| quantile(waits, 0.5)),
            runq_p95_ns: waits.and_then(|waits| quantile(waits, 0.95)),
            on_cpu_percent: scheduling.on_cpu_ns as f64 / seconds / 1e7,
            throttled_percent: percent(scheduling.throttled_periods, scheduling.quota_periods),
            faults_per_second: find(Metric::UserPageFaults)
                .map(|faults| faults.count as f64 / seconds),
            sent_bytes_per_second: find(Metric::SentBytes).map(|sent| sent.sum as f64 / seconds),
        }
    }

    /// The cells of the table.
    pub(super) fn cells(&self) -> [String; 9] {
        let (pod, container) = if self.pod_uid.is_empty() {
            (self.cgroup.clone(), String::new())
        } else {
            (
                self.pod_uid.clone(),
                self.container.chars().take(12).collect(),
            )
        };
        [
            pod,
            container,
            self.command.clone(),
            cell(self.runq_p50_ns, nanoseconds),
            cell(self.runq_p95_ns, nanoseconds),
            format!("{:.1}", self.on_cpu_percent),
            cell(self.throttled_percent, |percent| format!("{percent:.0}")),
            cell(self.faults_per_second, |rate| format!("{rate:.0}")),
            cell(self.sent_bytes_per_second, bytes),
        ]
    }
}

/// What the cgroup's first process is called: the name that a person recognises. Empty when it has
/// no process of its own.
fn command(cgroup: &Path) -> String {
    let processes = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let first = processes.lines().next().unwrap_or("none");
    fs::read_to_string(format!("/proc/{first}/comm"))
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

fn cell(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

fn nanoseconds(value: f64) -> String {
    scaled(value, 1_000.0, &["ns", "µs", "ms", "s"])
}

fn bytes(value: f64) -> String {
    scaled(value, 1_024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// The value in the largest of `units` that leaves it at least 1.
fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut index = 0;
    while value >= step && index + 1 < units.len() {
        value /= step;
        index += 1;
    }
    let unit = units.get(index).copied().unwrap_or_default();
    let decimals = usize::from(index > 0 && value < 100.0);
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use viperscale_proto::v1;

    use super::*;
    use crate::sample::Sample;

    #[test]
    fn numbers_have_their_unit() {
        assert_eq!(nanoseconds(850.0), "850 ns");
        assert_eq!(nanoseconds(1_500.0), "1.5 µs");
        assert_eq!(nanoseconds(250_000_000.0), "250 ms");
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(1_536.0), "1.5 KiB");
    }

    #[test]
    fn rates_are_per_second_of_the_real_interval() {
        let scheduling = v1::Scheduling {
            on_cpu_ns: 1_000_000_000,
            throttled_periods: 5,
            quota_periods: 20,
            ..v1::Scheduling::default()
        };
        let faults = v1::MetricSample {
            metric: Metric::UserPageFaults.into(),
            count: 300,
            ..v1::MetricSample::default()
        };
        let sample = Sample {
            metrics: vec![faults],
            scheduling: Some(scheduling),
        };
        let measured = Measured {
            label: Default::default(),
            sample,
        };
        let row = Row::of(&measured, Duration::from_secs(2), Path::new("/nowhere"));
        assert!((row.on_cpu_percent - 50.0).abs() < 1e-9);
        assert_eq!(row.throttled_percent, Some(25.0));
        assert_eq!(row.faults_per_second, Some(150.0));
        assert_eq!(row.sent_bytes_per_second, None, "not measured");
        assert_eq!(row.cells()[8], "-");
    }
}
