//! What `/metrics` tells. Every name is here and in `METRICS.md`; nothing else records metrics.
//!
//! Labels are bounded: by this code (`reason`, `result`, `resource`, `state`), or by the number of
//! policies (`namespace`, `deployment`, `metric`, `container`, `statistic`). An error's text is
//! never a label.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use scaler_core::Decision;

use crate::workloads::DeploymentKey;

/// Gauges that nobody has set for this long belong to a policy that is gone, and disappear.
const GAUGES_EXPIRE_AFTER: Duration = Duration::from_secs(300);

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
    describe();
    handle
}

fn describe() {
    describe_gauge!("viperscale_agents_connected", "Node agents with a stream.");
    describe_gauge!(
        "viperscale_targets",
        "Containers that agents were told to measure."
    );
    describe_counter!(
        "viperscale_streams_total",
        "Agent streams, by how they ended or began."
    );
    describe_counter!(
        "viperscale_reports_total",
        "Reports received, by what became of them."
    );
    describe_counter!(
        "viperscale_samples_total",
        "Container samples, by what became of them."
    );
    describe_counter!(
        "viperscale_agent_dropped_reports_total",
        "Reports agents threw away."
    );
    describe_counter!(
        "viperscale_missing_targets_total",
        "Targets agents could not measure."
    );
    describe_counter!(
        "viperscale_configurations_total",
        "Configurations pushed to agents."
    );
    describe_gauge!("viperscale_policies", "Policies, by state.");
    describe_gauge!(
        "viperscale_policy_errors",
        "Errors in policy files at the last reload."
    );
    describe_counter!(
        "viperscale_policy_reloads_total",
        "Reloads of the policy directory."
    );
    describe_counter!(
        "viperscale_watch_errors_total",
        "Failed watches of the API server."
    );
    describe_counter!("viperscale_decisions_total", "Decisions, by reason.");
    describe_histogram!(
        "viperscale_decision_seconds",
        "Time to decide for one deployment."
    );
    describe_gauge!(
        "viperscale_replicas_current",
        "spec.replicas seen by the last decision."
    );
    describe_gauge!(
        "viperscale_replicas_desired",
        "Replicas wanted by the last decision."
    );
    describe_gauge!(
        "viperscale_metric_value",
        "Value of a policy's metric, in its base unit."
    );
    describe_gauge!(
        "viperscale_metric_threshold",
        "Threshold of that metric, in its base unit."
    );
    describe_counter!(
        "viperscale_scale_writes_total",
        "Wanted replica changes, by result."
    );
    describe_histogram!(
        "viperscale_report_to_patch_seconds",
        "From the arrival of the deciding report to the API server's answer to the PATCH."
    );
    describe_counter!(
        "viperscale_events_total",
        "Kubernetes Events written, by result."
    );
    describe_gauge!(
        "viperscale_samples_refused",
        "Samples without room in the windows."
    );
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

/// How many policies are in which state.
pub(crate) fn policies(in_force: usize, without_deployment: usize, refused: usize) {
    gauge!("viperscale_policies", "state" => "in_force").set(in_force as f64);
    gauge!("viperscale_policies", "state" => "without_deployment").set(without_deployment as f64);
    gauge!("viperscale_policies", "state" => "refused").set(refused as f64);
}

/// How many errors the policy files have now.
pub(crate) fn policy_errors(count: usize) {
    gauge!("viperscale_policy_errors").set(count as f64);
}

/// The policy directory was read.
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
    for evidence in &decision.evidence {
        let labels = [
            namespace.clone(),
            name.clone(),
            ("metric", evidence.metric.to_string()),
            ("container", evidence.container.clone().unwrap_or_default()),
            ("statistic", evidence.statistic.to_string()),
        ];
        gauge!("viperscale_metric_value", &labels).set(evidence.value.unwrap_or(f64::NAN));
        if let Some(threshold) = evidence.threshold {
            gauge!("viperscale_metric_threshold", &labels).set(threshold);
        }
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

/// Samples that found no room so far.
pub(crate) fn samples_refused(count: u64) {
    gauge!("viperscale_samples_refused").set(count as f64);
}
