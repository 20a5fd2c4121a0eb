//! Samples between the core's types and the messages that agents' reports and recordings share.
//! Exact both ways for durations of up to 584 years; longer ones are cut.

use std::time::Duration;

use scaler_core::{
    ContainerSample, Log2Histogram, MetricDelta, NodeSample, PodPhase, RivalKind, Scheduling,
    Timestamp,
};
use viperscale_proto::v1 as wire;

use crate::ingest::{metric_from_wire, metric_to_wire};

pub(super) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn at_ns(at: Timestamp) -> u64 {
    ns(at.since_start())
}

pub(super) fn timestamp(at_ns: u64) -> Timestamp {
    Timestamp::new(Duration::from_nanos(at_ns))
}

pub(super) fn node_to_wire(sample: &NodeSample) -> wire::NodeSample {
    wire::NodeSample {
        cpus: sample.cpus,
        busy_ns: ns(sample.busy),
        stolen_ns: ns(sample.stolen),
        cpu_pressure_ns: ns(sample.cpu_pressure),
    }
}

pub(super) fn node_from_wire(node: &wire::RecordedNode) -> NodeSample {
    let sample = node.sample.unwrap_or_default();
    NodeSample {
        received_at: timestamp(node.received_at_ns),
        interval: Duration::from_nanos(node.interval_ns),
        cpus: sample.cpus,
        busy: Duration::from_nanos(sample.busy_ns),
        stolen: Duration::from_nanos(sample.stolen_ns),
        cpu_pressure: Duration::from_nanos(sample.cpu_pressure_ns),
        scheduler_seen: node.scheduler_seen,
    }
}

pub(super) fn metrics_to_wire(sample: &ContainerSample) -> Vec<wire::MetricSample> {
    let metrics = sample.metrics.iter();
    metrics
        .map(|(metric, delta)| wire::MetricSample {
            metric: metric_to_wire(*metric).into(),
            count: delta.count,
            sum: delta.sum,
            log2_buckets: delta.histogram.buckets().to_vec(),
            sampling: delta.sampling,
            relative_error: delta.relative_error,
        })
        .collect()
}

/// Metrics of a newer scaler are left out.
pub(super) fn container_from_wire(container: wire::RecordedContainer) -> ContainerSample {
    let metrics = container.metrics.into_iter();
    ContainerSample {
        received_at: timestamp(container.received_at_ns),
        interval: Duration::from_nanos(container.interval_ns),
        metrics: metrics
            .filter_map(|sample| {
                let metric = metric_from_wire(sample.metric)?;
                let delta = MetricDelta {
                    count: sample.count,
                    sum: sample.sum,
                    histogram: Log2Histogram::from_buckets(sample.log2_buckets),
                    sampling: sample.sampling,
                    relative_error: sample.relative_error,
                };
                Some((metric, delta))
            })
            .collect(),
        scheduling: container.scheduling.map(scheduling_from_wire),
    }
}

pub(super) fn scheduling_to_wire(scheduling: &Scheduling) -> wire::Scheduling {
    wire::Scheduling {
        on_cpu_ns: ns(scheduling.on_cpu),
        wait_ns: ns(scheduling.wait),
        voluntary_switches: scheduling.voluntary_switches,
        involuntary_switches: scheduling.involuntary_switches,
        throttled_ns: ns(scheduling.throttled),
        throttled_periods: scheduling.throttled_periods,
        quota_periods: scheduling.quota_periods,
    }
}

fn scheduling_from_wire(scheduling: wire::Scheduling) -> Scheduling {
    Scheduling {
        on_cpu: Duration::from_nanos(scheduling.on_cpu_ns),
        wait: Duration::from_nanos(scheduling.wait_ns),
        voluntary_switches: scheduling.voluntary_switches,
        involuntary_switches: scheduling.involuntary_switches,
        throttled: Duration::from_nanos(scheduling.throttled_ns),
        throttled_periods: scheduling.throttled_periods,
        quota_periods: scheduling.quota_periods,
    }
}

pub(super) fn phase_to_wire(phase: PodPhase) -> u32 {
    match phase {
        PodPhase::Pending => 0,
        PodPhase::Running => 1,
        PodPhase::Succeeded => 2,
        PodPhase::Failed => 3,
        PodPhase::Unknown => 4,
    }
}

pub(super) fn phase_from_wire(phase: u32) -> PodPhase {
    match phase {
        0 => PodPhase::Pending,
        1 => PodPhase::Running,
        2 => PodPhase::Succeeded,
        3 => PodPhase::Failed,
        _ => PodPhase::Unknown,
    }
}

pub(super) fn rival_kind_to_wire(kind: RivalKind) -> u32 {
    match kind {
        RivalKind::ScaledObject => 0,
        RivalKind::HorizontalPodAutoscaler => 1,
    }
}

/// What it is in a message of conflict cannot be guessed, so a newer scaler's kind is an error.
pub(super) fn rival_kind_from_wire(kind: u32) -> Result<RivalKind, String> {
    match kind {
        0 => Ok(RivalKind::ScaledObject),
        1 => Ok(RivalKind::HorizontalPodAutoscaler),
        other => Err(format!("a rival of kind {other}")),
    }
}
