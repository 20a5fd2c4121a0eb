//! What `/metrics` tells. Every name is here and in `METRICS.md`; nothing else records metrics.
//!
//! Labels are bounded: by this code (`reason`, `result`, `resource`, `state`), or by the number of
//! policies (`namespace`, `deployment`, `metric`, `container`, `statistic`). An error's text is
//! never a label.

mod describe;

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use scaler_core::{Decision, Mode, Unit};

use crate::workloads::DeploymentKey;

/// Gauges that nobody has set for this long belong to a policy that is gone, and disappear.
const GAUGES_EXPIRE_AFTER: Duration = Duration::from_secs(300);

/// A label's name and value.
type Label = (&'static str, String);

/// Latencies of decisions and writes, in seconds.
const LATENCY_BUCKETS: [f64; 10] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5,
];

/// Installs the recorder of this process, once, and returns the handle that renders it.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(start_recorder).clone()
}

fn start_recorder() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)
        .expect("the list of buckets is not empty")
        .idle_timeout(MetricKindMask::GAUGE, Some(GAUGES_EXPIRE_AFTER))
        .build_recorder();
    let handle = recorder.handle();
    // An error means that the process has another recorder; then /metrics stays empty.
    let _ = metrics::set_global_recorder(recorder);
    describe::all();
    handle
}

/// The number of connected agents.
pub(crate) fn agents_connected(count: usize) {
    gauge!("viperscale_agents_connected").set(count as f64);
}

/// The number of containers that agents were told to measure.
pub(crate) fn targets(count: usize) {
    gauge!("viperscale_targets").set(count as f64);
}

/// A stream began or ended; `result` is one of a fixed set of words.
pub(crate) fn stream(result: &'static str) {
    counter!("viperscale_streams_total", "result" => result).increment(1);
}

/// A report arrived; `result` is one of a fixed set of words.
pub(crate) fn report(result: &'static str) {
    counter!("viperscale_reports_total", "result" => result).increment(1);
}

/// Container samples arrived; `result` is one of a fixed set of words.
pub(crate) fn samples(result: &'static str, count: u64) {
    if count > 0 {
        counter!("viperscale_samples_total", "result" => result).increment(count);
    }
}

/// An agent threw reports away because its queue was full.
pub(crate) fn agent_dropped_reports(count: u64) {
    counter!("viperscale_agent_dropped_reports_total").increment(count);
}

/// An agent could not measure targets.
pub(crate) fn missing_targets(count: u64) {
    counter!("viperscale_missing_targets_total").increment(count);
}

/// A configuration went to an agent.
pub(crate) fn configuration_sent() {
    counter!("viperscale_configurations_total").increment(1);
}

/// Whether this scaler leads.
pub(crate) fn leads(leads: bool) {
    gauge!("viperscale_leader").set(f64::from(u8::from(leads)));
}

/// This scaler began to lead.
pub(crate) fn became_leader() {
    counter!("viperscale_leaderships_total").increment(1);
}

/// A request of leader election failed.
pub(crate) fn lease_failed() {
    counter!("viperscale_lease_errors_total").increment(1);
}

/// For how long a user of the API server has had no good answer; zero when it has.
pub(crate) fn api_failing(source: &'static str, failing: Duration) {
    gauge!("viperscale_api_failing_seconds", "resource" => source).set(failing.as_secs_f64());
}

/// How many policies are in which state.
pub(crate) fn policies(in_force: usize, without_deployment: usize, refused: usize) {
    gauge!("viperscale_policies", "state" => "in_force").set(in_force as f64);
    gauge!("viperscale_policies", "state" => "without_deployment").set(without_deployment as f64);
    gauge!("viperscale_policies", "state" => "refused").set(refused as f64);
}

/// How many policies in force are in which mode.
pub(crate) fn policy_modes(counts: [(Mode, usize); 3]) {
    for (mode, count) in counts {
        gauge!("viperscale_policy_modes", "mode" => format!("{mode:?}")).set(count as f64);
    }
}

/// How many deployments under a policy another autoscaler scales too.
pub(crate) fn conflicts(count: usize) {
    gauge!("viperscale_conflicts").set(count as f64);
}

/// A pod's deletion cost was written or reset, or not; `result` is one of a fixed set of words.
pub(crate) fn deletion_cost(result: &'static str) {
    counter!("viperscale_deletion_costs_total", "result" => result).increment(1);
}

/// How many problems the policy files and objects have now.
pub(crate) fn policy_errors(count: usize) {
    gauge!("viperscale_policy_errors").set(count as f64);
}

/// The policies changed.
pub(crate) fn policies_reloaded(errors: usize) {
    let result = if errors == 0 { "ok" } else { "errors" };
    counter!("viperscale_policy_reloads_total", "result" => result).increment(1);
}

/// A watch failed.
pub(crate) fn watch_failed(resource: &'static str) {
    counter!("viperscale_watch_errors_total", "resource" => resource).increment(1);
}

/// A decision was made.
pub(crate) fn decided(deployment: &DeploymentKey, decision: &Decision, took: Duration) {
    counter!("viperscale_decisions_total", "reason" => decision_reason(decision)).increment(1);
    histogram!("viperscale_decision_seconds").record(took.as_secs_f64());
    let (namespace, name) = (
        deployment.namespace.to_string(),
        deployment.name.to_string(),
    );
    let labels = [("namespace", namespace), ("deployment", name)];
    gauge!("viperscale_replicas_current", &labels).set(f64::from(decision.current));
    gauge!("viperscale_replicas_desired", &labels).set(f64::from(decision.desired));
    let [namespace, name] = labels;
    states(decision, &namespace, &name);
    for evidence in &decision.evidence {
        let labels = [
            namespace.clone(),
            name.clone(),
            ("metric", evidence.metric.to_string()),
            ("container", evidence.container.clone().unwrap_or_default()),
            ("statistic", evidence.statistic.to_string()),
            ("unit", unit_label(evidence.unit).to_owned()),
        ];
        gauge!("viperscale_metric_value", &labels).set(evidence.value.unwrap_or(f64::NAN));
        if let Some(threshold) = evidence.threshold {
            gauge!("viperscale_metric_threshold", &labels).set(threshold);
        }
    }
}

/// Pods, conditions and demand: what alerts are made of.
fn states(decision: &Decision, namespace: &Label, name: &Label) {
    let pods = decision.pods;
    let counts = [
        ("ready", pods.ready),
        ("unready", pods.unready),
        ("missing", pods.missing),
        ("contradictory", pods.contradictory),
        ("leaving", pods.leaving),
        ("ignored", pods.ignored),
    ];
    for (state, count) in counts {
        let labels = [namespace.clone(), name.clone(), ("state", state.to_owned())];
        gauge!("viperscale_pods", &labels).set(f64::from(count));
    }
    for condition in &decision.conditions {
        let kind = ("condition", format!("{:?}", condition.kind));
        let labels = [namespace.clone(), name.clone(), kind];
        gauge!("viperscale_condition", &labels).set(f64::from(u8::from(condition.status)));
    }
    let demand = decision
        .evidence
        .iter()
        .filter_map(|metric| metric.demand_cores);
    if let Some(demand) = demand.reduce(f64::max) {
        gauge!(
            "viperscale_demand_cores",
            &[namespace.clone(), name.clone()]
        )
        .set(demand);
    }
}

/// The unit that the value's number is in.
fn unit_label(unit: Unit) -> &'static str {
    match unit {
        Unit::Time => "nanoseconds",
        Unit::Bytes => "bytes",
        Unit::Events => "events",
        Unit::Share => "ratio",
        Unit::TimePerSecond => "nanoseconds_per_second",
        Unit::BytesPerSecond => "bytes_per_second",
        Unit::EventsPerSecond => "events_per_second",
    }
}

fn decision_reason(decision: &Decision) -> String {
    format!("{:?}", decision.reason)
}

/// A replica change was wanted; `result` is one of a fixed set of words.
pub(crate) fn scale_write(result: &'static str) {
    counter!("viperscale_scale_writes_total", "result" => result).increment(1);
}

/// A replica change was written so long after its report arrived.
pub(crate) fn report_to_patch(latency: Duration) {
    histogram!("viperscale_report_to_patch_seconds").record(latency.as_secs_f64());
}

/// A Kubernetes Event was written, or not.
pub(crate) fn event(result: &'static str) {
    counter!("viperscale_events_total", "result" => result).increment(1);
}

/// A status of a policy object was, or was not, written.
pub(crate) fn status_written(result: &'static str) {
    counter!("viperscale_status_writes_total", "result" => result).increment(1);
}

/// There are more policy objects than are taken.
pub(crate) fn policy_objects_dropped() {
    counter!("viperscale_policy_objects_dropped_total").increment(1);
}

/// Samples that found no room. Each term of leadership has windows of its own that count from zero,
/// and one of these; the counter is the process's, and only grows.
#[derive(Debug, Default)]
pub(crate) struct SamplesRefused {
    told: u64,
}

impl SamplesRefused {
    /// So many were refused since this was made.
    pub(crate) fn tell(&mut self, so_far: u64) {
        let more = so_far.saturating_sub(self.told);
        counter!("viperscale_samples_refused_total").increment(more);
        self.told = so_far;
    }
}

/// A block of the recording was written, or not; `result` is one of a fixed set of words.
pub(crate) fn recording_block(result: &'static str) {
    counter!("viperscale_recording_blocks_total", "result" => result).increment(1);
}

/// The recording grew.
pub(crate) fn recorded(bytes: u64) {
    counter!("viperscale_recording_bytes_total").increment(bytes);
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
