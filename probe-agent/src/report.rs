//! The agent's side of the protocol: hello and reports.

use std::time::{Duration, Instant};

use viperscale_proto::v1;

use crate::host::Host;
use crate::kernel::{Support, SupportTable};
use crate::monitor::{Interval, Measured};
use crate::node::NodeTotals;
use crate::stream::Numbered;

/// Who this agent is and what its kernel lets it measure.
pub fn hello(node_name: &str, host: &Host, support: &SupportTable) -> v1::Hello {
    v1::Hello {
        instance: instance(),
        node_name: node_name.to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel_release: host.kernel_release.clone(),
        boot_id: host.boot_id.clone(),
        cpus: host.cpus,
        metrics: support
            .iter()
            .map(|(metric, support)| v1::MetricSupport {
                metric: metric.into(),
                support: kind(support).into(),
                detail: support.detail().to_owned(),
            })
            .collect(),
    }
}

/// What happened in one interval, as the report with this number in its stream, sent at `now`.
pub fn report(
    interval: Numbered<Interval>,
    sequence: u64,
    dropped_reports: u64,
    now: Instant,
) -> v1::Report {
    let Numbered {
        number,
        item: interval,
    } = interval;
    v1::Report {
        sequence,
        interval_ns: nanoseconds(interval.length),
        configuration_revision: interval.revision,
        dropped_reports,
        node: Some(node(interval.node)),
        containers: interval.containers.into_iter().map(container).collect(),
        missing: interval.missing,
        age_ns: nanoseconds(now.saturating_duration_since(interval.ended_at)),
        interval_number: number,
    }
}

/// Differs with each start: the process and the moment, on this boot.
fn instance() -> String {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:x}-{:x}", std::process::id(), since_epoch.as_nanos())
}

fn container(measured: Measured) -> v1::ContainerSample {
    v1::ContainerSample {
        pod_uid: measured.label.pod_uid.clone(),
        container_name: measured.label.container.clone(),
        metrics: measured.sample.metrics.into_iter().map(brief).collect(),
        scheduling: measured.sample.scheduling,
    }
}

/// A rate of 1 goes without saying, which is a third of the report.
fn brief(mut sample: v1::MetricSample) -> v1::MetricSample {
    if sample.sampling == 1.0 {
        sample.sampling = 0.0;
    }
    sample
}

fn node(change: NodeTotals) -> v1::NodeSample {
    v1::NodeSample {
        cpus: change.cpus,
        busy_ns: change.busy_ns,
        stolen_ns: change.stolen_ns,
        cpu_pressure_ns: change.cpu_pressure_ns,
    }
}

fn kind(support: &Support) -> v1::Support {
    match support {
        Support::Supported => v1::Support::Supported,
        Support::Degraded(_) => v1::Support::Degraded,
        Support::Unsupported(_) => v1::Support::Unsupported,
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::kernel::Metric;
    use crate::monitor::Label;
    use crate::sample::Sample;

    /// What a busy container's second looks like: distributions over many buckets, counters in the
    /// thousands.
    fn busy(metric: Metric) -> v1::MetricSample {
        let distribution = matches!(
            metric,
            Metric::RunqLatency
                | Metric::DiskIoSize
                | Metric::DiskIoLatency
                | Metric::SentBytes
                | Metric::ReceivedBytes
                | Metric::DnsLatency
        );
        v1::MetricSample {
            metric: metric.into(),
            count: 2_000,
            sum: 5_000_000,
            log2_buckets: vec![50; if distribution { 18 } else { 0 }],
            sampling: 1.0,
            relative_error: 0.0,
        }
    }

    #[test]
    fn all_metrics_of_250_containers_fit_into_100_kb() {
        let label = Label {
            pod_uid: "2f6a9b1c-3d4e-4f50-8a6b-7c8d9e0f1a2b".to_owned(),
            container: "server".to_owned(),
            path: String::new(),
        };
        let sample = Sample {
            metrics: crate::metrics().map(busy).collect(),
            scheduling: Some(v1::Scheduling {
                on_cpu_ns: 100_000_000,
                wait_ns: 5_000_000,
                voluntary_switches: 2_000,
                involuntary_switches: 100,
                quota_periods: 10,
                ..v1::Scheduling::default()
            }),
        };
        let measured = Measured {
            label: label.into(),
            sample,
        };
        let now = Instant::now();
        let interval = Interval {
            length: Duration::from_secs(1),
            ended_at: now,
            revision: 1,
            node: NodeTotals::default(),
            containers: vec![measured; 250],
            missing: Vec::new(),
        };
        let numbered = Numbered {
            number: 1,
            item: interval,
        };
        let bytes = report(numbered, 1, 0, now).encoded_len();
        assert!(bytes < 100_000, "{bytes} bytes");
    }
}
