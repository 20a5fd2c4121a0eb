//! The agent's own metrics: names, units and the places that record them.
//!
//! They describe the agent, not the containers: what is measured goes to the scaler only. Without a
//! recorder (`probe-agent top`) recording costs next to nothing.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::kernel::{Support, SupportTable};
use crate::monitor::Interval;

const CONTAINERS: &str = "viperscale_agent_containers";
const MISSING: &str = "viperscale_agent_missing_targets";
const ATTACHED: &str = "viperscale_agent_attached_programs";
const REVISION: &str = "viperscale_agent_configuration_revision";
const SAMPLE_SECONDS: &str = "viperscale_agent_sample_duration_seconds";
const INTERVALS: &str = "viperscale_agent_intervals_total";
const SKIPPED: &str = "viperscale_agent_intervals_skipped_total";
const SCANS: &str = "viperscale_agent_scans_total";
const CONNECTED: &str = "viperscale_agent_stream_connected";
const CONNECTS: &str = "viperscale_agent_stream_connects_total";
const FAILURES: &str = "viperscale_agent_stream_failures_total";
const SENT: &str = "viperscale_agent_reports_sent_total";
const REPORT_BYTES: &str = "viperscale_agent_report_bytes";
const DROPPED: &str = "viperscale_agent_reports_dropped_total";
const REFUSED: &str = "viperscale_agent_refused_containers_total";
const LOST: &str = "viperscale_agent_lost_events_total";
const SUPPORT: &str = "viperscale_agent_metric_support";

/// Registers every metric with its help text, so that all are there from the first scrape.
pub fn describe() {
    describe_gauge!(CONTAINERS, "Containers that are being measured.");
    describe_gauge!(
        MISSING,
        "Targets that the scaler asked for and that cannot be measured."
    );
    describe_gauge!(
        ATTACHED,
        "eBPF programs attached; 0 while there is nothing to measure."
    );
    describe_gauge!(
        REVISION,
        "Revision of the configuration in force; 0 without one."
    );
    describe_gauge!(
        SAMPLE_SECONDS,
        "What the last reading of the kernel's cells took, in seconds."
    );
    describe_counter!(INTERVALS, "Intervals measured.");
    describe_counter!(
        SKIPPED,
        "Intervals merged into the next one, because the agent was late."
    );
    describe_counter!(SCANS, "Scans of the cgroup tree.");
    describe_gauge!(
        CONNECTED,
        "1 while a scaler's configuration is streamed, else 0."
    );
    describe_counter!(CONNECTS, "Streams that a scaler answered.");
    describe_counter!(
        FAILURES,
        "Attempts to connect that failed, and streams that ended."
    );
    describe_counter!(SENT, "Reports handed to a stream.");
    describe_gauge!(
        REPORT_BYTES,
        "Bytes of the last report, as protobuf, without the stream's framing."
    );
    describe_counter!(DROPPED, "Reports thrown away because the queue was full.");
    describe_counter!(
        REFUSED,
        "Times that a container or its cgroups found a table of the kernel full."
    );
    describe_counter!(
        LOST,
        "Disk requests and DNS queries that were not followed to their end: too many were under way, or it was not seen."
    );
    describe_gauge!(
        SUPPORT,
        "1 for the kind of support that each metric has on this kernel."
    );
    for name in [
        CONTAINERS,
        MISSING,
        ATTACHED,
        REVISION,
        SAMPLE_SECONDS,
        CONNECTED,
        REPORT_BYTES,
    ] {
        gauge!(name).set(0.0);
    }
    for name in [
        INTERVALS, SKIPPED, SCANS, CONNECTS, FAILURES, SENT, DROPPED, REFUSED, LOST,
    ] {
        counter!(name).absolute(0);
    }
}

/// Records what the kernel can measure.
pub fn support(table: &SupportTable) {
    for (metric, support) in table.iter() {
        let kind = match support {
            Support::Supported => "supported",
            Support::Degraded(_) => "degraded",
            Support::Unsupported(_) => "unsupported",
        };
        gauge!(SUPPORT, "metric" => crate::metric_name(metric), "support" => kind).set(1.0);
    }
}

pub(crate) fn interval(interval: &Interval, skipped: u64, attached: usize, took: Duration) {
    gauge!(CONTAINERS).set(interval.containers.len() as f64);
    gauge!(MISSING).set(interval.missing.len() as f64);
    gauge!(ATTACHED).set(attached as f64);
    gauge!(REVISION).set(interval.revision as f64);
    gauge!(SAMPLE_SECONDS).set(took.as_secs_f64());
    counter!(INTERVALS).increment(1);
    counter!(SKIPPED).increment(skipped);
}

/// Records what found no room so far.
pub(crate) fn tables(refused: u64, lost: u64) {
    counter!(REFUSED).absolute(refused);
    counter!(LOST).absolute(lost);
}

pub(crate) fn released() {
    for name in [CONTAINERS, MISSING, ATTACHED, REVISION] {
        gauge!(name).set(0.0);
    }
}

pub(crate) fn scanned() {
    counter!(SCANS).increment(1);
}

pub(crate) fn stream_up() {
    gauge!(CONNECTED).set(1.0);
    counter!(CONNECTS).increment(1);
}

/// No scaler is followed any more.
pub(crate) fn leader_lost() {
    gauge!(CONNECTED).set(0.0);
}

pub(crate) fn stream_failed() {
    counter!(FAILURES).increment(1);
}

pub(crate) fn report_sent(bytes: usize, dropped_so_far: u64) {
    gauge!(REPORT_BYTES).set(bytes as f64);
    counter!(SENT).increment(1);
    counter!(DROPPED).absolute(dropped_so_far);
}
