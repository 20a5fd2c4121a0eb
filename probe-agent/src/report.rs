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
        metrics: measured.sample.metrics,
        scheduling: measured.sample.scheduling,
    }
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
