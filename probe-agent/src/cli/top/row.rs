//! One line of the table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::figures::{Figures, known, nanoseconds};
use crate::kernel::Metric;
use crate::metric_name;
use crate::monitor::Measured;

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
    pub(super) on_cpu_percent: Option<f64>,
    /// Share of its quota periods in which the container used up its quota; `null` without a quota.
    pub(super) throttled_percent: Option<f64>,
    pub(super) faults_per_second: Option<f64>,
    pub(super) sent_bytes_per_second: Option<f64>,
    /// Everything that is measured, by its name in policies.
    pub(super) metrics: BTreeMap<String, Figures>,
}

impl Row {
    pub(super) fn of(measured: &Measured, length: Duration, mount: &Path) -> Self {
        let sample = &measured.sample;
        let seconds = length.as_secs_f64().max(f64::EPSILON);
        let metrics: BTreeMap<String, Figures> = sample
            .metrics
            .iter()
            .map(|sample| (metric_name(sample.metric()), Figures::of(sample, length)))
            .collect();
        let find = |metric: Metric| metrics.get(&metric_name(metric));
        let percent =
            |part: u64, whole: u64| (whole > 0).then(|| 100.0 * part as f64 / whole as f64);
        let scheduling = sample.scheduling.unwrap_or_default();
        Self {
            pod_uid: measured.label.pod_uid.clone(),
            container: measured.label.container.clone(),
            command: command(&mount.join(measured.label.path.trim_start_matches('/'))),
            cgroup: measured.label.path.clone(),
            runq_p50_ns: find(Metric::RunqLatency).and_then(|waits| waits.p50),
            runq_p95_ns: find(Metric::RunqLatency).and_then(|waits| waits.p95),
            on_cpu_percent: sample
                .scheduling
                .map(|scheduling| scheduling.on_cpu_ns as f64 / seconds / 1e7),
            throttled_percent: percent(scheduling.throttled_periods, scheduling.quota_periods),
            faults_per_second: find(Metric::UserPageFaults).map(|faults| faults.count_per_second),
            sent_bytes_per_second: find(Metric::SentBytes).map(|sent| sent.sum_per_second),
            metrics,
        }
    }

    /// The first cells of the table: who it is.
    pub(super) fn name(&self) -> [String; 3] {
        let (pod, container) = if self.pod_uid.is_empty() {
            (self.cgroup.clone(), String::new())
        } else {
            (
                self.pod_uid.clone(),
                self.container.chars().take(12).collect(),
            )
        };
        [pod, container, self.command.clone()]
    }

    /// The cells of a metric: one, or where there is more to say two.
    pub(super) fn cells(&self, metric: Metric) -> Vec<String> {
        let figures = self.metrics.get(&metric_name(metric));
        let own = figures.map_or_else(|| "-".to_owned(), |figures| figures.cell(metric));
        match metric {
            Metric::RunqLatency => vec![known(self.runq_p50_ns, nanoseconds), own],
            Metric::OnCpuTime => {
                let throttled = known(self.throttled_percent, |percent| format!("{percent:.0}"));
                vec![own, throttled]
            }
            _ => vec![own],
        }
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

#[cfg(test)]
mod tests {
    use viperscale_proto::v1;

    use super::*;
    use crate::sample::Sample;

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
        assert_eq!(row.on_cpu_percent, Some(50.0));
        assert_eq!(row.throttled_percent, Some(25.0));
        assert_eq!(row.faults_per_second, Some(150.0));
        assert_eq!(row.sent_bytes_per_second, None, "not measured");
        assert_eq!(row.cells(Metric::SentBytes), ["-"]);
        assert_eq!(row.cells(Metric::UserPageFaults), ["150"]);
    }
}
