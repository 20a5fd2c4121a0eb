//! Mistakes in `spec.metrics`; see [`super::cases`].

use serde_json::json;

use super::cases::{Case, NAME, blocked, bound, missing, pattern, rule, type_of, words};

const METRICS: &str = "\"onCpuTime\", \"offCpuTime\", \"runqLatency\", \"pageCacheHitRatio\", \
                       \"kernelPageFaults\", \"userPageFaults\", \"tlbFlushes\", \"diskIoSize\", \
                       \"diskIoLatency\", \"sentBytes\", \"receivedBytes\", \"tcpRetransmits\", \
                       \"tcpSynackRetransmits\", \"tcpDrops\", \"dnsLatency\"";
const THRESHOLD: &str = "^[0-9]+([.][0-9]+)?[a-zµA-Z%/]*$";
const PROPOSES_NOTHING: &str =
    "expected at least one metric with a threshold: Observe proposes nothing";
const A_TIME: &str = "expected a duration with ns, us, ms or s, such as `2ms`";

pub(super) fn entries() -> Vec<Case> {
    let first = "spec.metrics[0]";
    let (name, container) = ("spec.metrics[0].name", "spec.metrics[0].container");
    let sampling = "spec.metrics[1].sampling";
    let many = vec![json!({"name": "dnsLatency", "threshold": "1ms"}); 33];
    vec![
        ("/spec/metrics", json!(null), missing("spec.metrics")),
        (
            "/spec/metrics",
            json!({}),
            type_of("spec.metrics", "object", "array"),
        ),
        (
            "/spec/metrics",
            json!([]),
            format!(
                "[spec.metrics: Invalid value: 0: spec.metrics in body should have at least 1 items, {}]",
                rule("spec.metrics", PROPOSES_NOTHING)
            ),
        ),
        (
            "/spec/metrics",
            json!(many),
            blocked("spec.metrics: Too many: 33: must have at most 32 items"),
        ),
        (
            "/spec/metrics",
            json!([{"name": "runqLatency", "response": "Observe"}]),
            rule("spec.metrics", PROPOSES_NOTHING),
        ),
        (
            "/spec/metrics",
            json!([{"name": "pageCacheHitRatio"}]),
            rule("spec.metrics", PROPOSES_NOTHING),
        ),
        (
            "/spec/metrics/0",
            json!("runqLatency"),
            type_of(first, "string", "object"),
        ),
        ("/spec/metrics/0/name", json!(null), missing(name)),
        (
            "/spec/metrics/0/name",
            json!("cpu"),
            words(name, "cpu", METRICS),
        ),
        (
            "/spec/metrics/0/container",
            json!("Server"),
            pattern(container, "Server", NAME),
        ),
        (
            "/spec/metrics/0/container",
            json!("s".repeat(64)),
            blocked(&format!(
                "{container}: Too long: may not be more than 63 bytes"
            )),
        ),
        (
            "/spec/metrics/1/sampling",
            json!(0),
            bound(sampling, "0", "greater than 0"),
        ),
        (
            "/spec/metrics/1/sampling",
            json!(1.5),
            bound(sampling, "1.5", "less than or equal to 1"),
        ),
        (
            "/spec/metrics/1/sampling",
            json!("half"),
            type_of(sampling, "string", "number"),
        ),
        (
            "/spec/metrics/1",
            json!({"name": "onCpuTime", "threshold": "80%", "sampling": 0.5}),
            rule(sampling, "the metric cannot be sampled: expected 1"),
        ),
    ]
}

pub(super) fn statistics_and_responses() -> Vec<Case> {
    let (statistic, response) = ("spec.metrics[1].statistic", "spec.metrics[1].response");
    let lacks = |expected: &str| {
        rule(
            statistic,
            &format!("the metric has no such statistic: expected {expected}"),
        )
    };
    vec![
        (
            "/spec/metrics/1/statistic",
            json!("p42"),
            words(
                statistic,
                "p42",
                "\"avg\", \"p50\", \"p90\", \"p95\", \"p99\", \"rate\", \"share\"",
            ),
        ),
        ("/spec/metrics/1/statistic", json!("p95"), lacks("rate")),
        (
            "/spec/metrics/1",
            json!({"name": "onCpuTime", "statistic": "p95", "threshold": "80%"}),
            lacks("rate, share"),
        ),
        (
            "/spec/metrics/1",
            json!({"name": "pageCacheHitRatio", "statistic": "rate"}),
            lacks("share"),
        ),
        (
            "/spec/metrics/1",
            json!({"name": "sentBytes", "statistic": "share", "threshold": "1"}),
            lacks("avg, p50, p90, p95, p99, rate"),
        ),
        (
            "/spec/metrics/1/response",
            json!("Linear"),
            words(
                response,
                "Linear",
                "\"Step\", \"Proportional\", \"Queueing\", \"Observe\"",
            ),
        ),
        (
            "/spec/metrics/1/response",
            json!("Queueing"),
            rule(
                response,
                "Queueing answers runqLatency only: expected Step, Proportional or Observe",
            ),
        ),
        (
            "/spec/metrics/1",
            json!({"name": "pageCacheHitRatio", "response": "Step", "threshold": "0.5"}),
            rule(
                response,
                "more of it is better, so that no threshold asks for replicas: expected Observe",
            ),
        ),
        (
            "/spec/metrics/0/statistic",
            json!("rate"),
            rule(
                "spec.metrics[0].statistic",
                "Queueing compares a latency: expected avg, p50, p90, p95 or p99",
            ),
        ),
    ]
}

pub(super) fn thresholds() -> Vec<Case> {
    let (first, second) = ("spec.metrics[0].threshold", "spec.metrics[1].threshold");
    vec![
        (
            "/spec/metrics/0/threshold",
            json!(null),
            rule(first, "expected a threshold, or response Observe"),
        ),
        (
            "/spec/metrics/0/response",
            json!("Observe"),
            rule(
                first,
                "Observe compares with nothing: expected no threshold, or another response",
            ),
        ),
        (
            "/spec/metrics/0/threshold",
            json!("2MiB"),
            rule(first, A_TIME),
        ),
        ("/spec/metrics/0/threshold", json!("2"), rule(first, A_TIME)),
        (
            "/spec/metrics/0/threshold",
            json!("two"),
            format!(
                "[{}, {}]",
                pattern(first, "two", THRESHOLD),
                rule(first, A_TIME)
            ),
        ),
        (
            "/spec/metrics/0/threshold",
            json!("1".repeat(33)),
            blocked(&format!("{first}: Too long: may not be more than 32 bytes")),
        ),
        (
            "/spec/metrics/1/threshold",
            json!(4000),
            type_of(second, "integer", "string"),
        ),
        (
            "/spec/metrics/1/threshold",
            json!("4000ms"),
            rule(
                second,
                "expected a number of events per second, such as `4000` or `4000/s`",
            ),
        ),
        (
            "/spec/metrics/1",
            json!({"name": "sentBytes", "threshold": "3ms"}),
            rule(
                second,
                "expected a size per second, such as `1MiB` or `1MiB/s`",
            ),
        ),
        (
            "/spec/metrics/1",
            json!({"name": "diskIoSize", "statistic": "p99", "threshold": "64"}),
            rule(
                second,
                "expected a size with B, KiB, MiB, GiB, kB, MB or GB, such as `64KiB`",
            ),
        ),
        (
            "/spec/metrics/1",
            json!({"name": "offCpuTime", "threshold": "80ms"}),
            rule(second, "expected a share, such as `0.8` or `80%`"),
        ),
        (
            "/spec/metrics/1",
            json!({"name": "onCpuTime", "statistic": "rate", "threshold": "80%"}),
            rule(
                second,
                "expected a duration per second, such as `150ms` or `150ms/s`",
            ),
        ),
    ]
}
