//! Mistakes in `spec.metrics`.

use super::super::{GOOD, errors};
use super::check;

#[test]
fn mistakes_of_metrics() {
    check(&[
        (
            "- name: runqLatency\n      container",
            "- container",
            "12: spec.metrics[0]: field `name` is missing: expected one of onCpuTime, offCpuTime, runqLatency, pageCacheHitRatio, kernelPageFaults, userPageFaults, tlbFlushes, diskIoSize, diskIoLatency, sentBytes, receivedBytes, tcpRetransmits, tcpSynackRetransmits, tcpDrops, dnsLatency",
        ),
        (
            "container: server",
            "container: Server!",
            "13: spec.metrics[0].container: expected a name of lower-case letters, digits, `-` and `.`, at most 63 characters, found `Server!`",
        ),
        (
            "response: Queueing",
            "response: Linear",
            "17: spec.metrics[0].response: expected one of Step, Proportional, Queueing, Observe, found `Linear`",
        ),
        (
            "sampling: 1.0",
            "sample: 1.0",
            "16: spec.metrics[0].sample: unknown field; expected one of name, container, statistic, response, threshold, sampling",
        ),
        (
            "threshold: 2ms",
            "threshold: {}",
            "15: spec.metrics[0].threshold: expected a duration with ns, us, ms or s, such as `2ms`, found a map",
        ),
        (
            "name: userPageFaults\n      statistic: rate\n      threshold: \"4000\"",
            "name: sentBytes\n      statistic: share\n      threshold: 1",
            "19: spec.metrics[1].statistic: sentBytes is a size, which is a share of nothing: expected avg, p50, p90, p95, p99, rate, found `share`",
        ),
        (
            "name: userPageFaults\n      statistic: rate\n      threshold: \"4000\"",
            "name: pageCacheHitRatio\n      statistic: rate",
            "19: spec.metrics[1].statistic: pageCacheHitRatio is a ratio: expected share, found `rate`",
        ),
        (
            "name: userPageFaults\n      statistic: rate\n      threshold: \"4000\"",
            "name: onCpuTime\n      sampling: 0.5\n      threshold: 0.8",
            "19: spec.metrics[1].sampling: onCpuTime cannot be sampled: expected 1, found 0.5",
        ),
        (
            "name: userPageFaults\n      statistic: rate\n      threshold: \"4000\"",
            "name: sentBytes\n      response: Queueing\n      threshold: 1MiB",
            "19: spec.metrics[1].response: sentBytes: Queueing needs what the scheduler tells: it answers runqLatency only; expected Step, Proportional or Observe",
        ),
        (
            "name: userPageFaults\n      statistic: rate\n      threshold: \"4000\"",
            "name: runqLatency\n      statistic: rate\n      threshold: 1ms",
            "18: spec.metrics[1]: runqLatency: Queueing compares a latency: expected statistic avg, p50, p90, p95 or p99",
        ),
        (
            "name: userPageFaults\n      statistic: rate\n      threshold: \"4000\"",
            "name: pageCacheHitRatio\n      response: Step\n      threshold: 0.5",
            "19: spec.metrics[1].response: pageCacheHitRatio: more of it is better, so that no threshold asks for replicas: expected `Observe`",
        ),
        (
            "name: userPageFaults\n      statistic: rate\n      threshold: \"4000\"",
            "name: sentBytes\n      threshold: 3ms",
            "19: spec.metrics[1].threshold: expected a size per second, such as `1MiB` or `1MiB/s`, found `3ms`: that is a duration",
        ),
        (
            "name: userPageFaults\n      statistic: rate\n      threshold: \"4000\"",
            "name: sentBytes\n      threshold: 80%",
            "19: spec.metrics[1].threshold: expected a size per second, such as `1MiB` or `1MiB/s`, found `80%`: that is a share",
        ),
    ]);
}

#[test]
fn metrics_that_are_none() {
    let start = GOOD.find("    - name: runqLatency").unwrap();
    let end = GOOD.find("  behavior").unwrap();
    let with = |metrics: &str| errors(&format!("{}{metrics}\n{}", &GOOD[..start], &GOOD[end..]));
    for (metrics, expected) in [
        (
            "    7",
            "a.yaml:11: spec.metrics: expected a list, found `7`",
        ),
        (
            "    - runqLatency",
            "a.yaml:12: spec.metrics[0]: expected a map of fields, found `runqLatency`",
        ),
        (
            "    - {name: pageCacheHitRatio}",
            "a.yaml:11: spec.metrics: expected at least one metric with a threshold: Observe proposes nothing",
        ),
        (
            "    - {name: userPageFaults, threshold: 1e999}",
            "a.yaml:12: spec.metrics[0].threshold: expected a number of events per second, such as `4000` or `4000/s`, found `1e999`: it is too large",
        ),
        (
            "    - {name: onCpuTime, threshold: 1ms}",
            "a.yaml:12: spec.metrics[0].threshold: expected a share, such as `0.8` or `80%`, found `1ms`: that is a duration",
        ),
        (
            "    - {name: diskIoSize, statistic: avg, threshold: 4}",
            "a.yaml:12: spec.metrics[0].threshold: expected a size with B, KiB, MiB, GiB, kB, MB or GB, such as `64KiB`, found `4`: the unit is missing",
        ),
        (
            "    - {name: dnsLatency, statistic: rate, threshold: 4MB}",
            "a.yaml:12: spec.metrics[0].threshold: expected a duration per second, such as `150ms` or `150ms/s`, found `4MB`: that is a size in bytes",
        ),
    ] {
        assert_eq!(with(metrics), [expected], "{metrics}");
    }
}
