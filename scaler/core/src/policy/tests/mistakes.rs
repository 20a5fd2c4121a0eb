//! One mistake at a time, and the whole message for it.

mod behavior;
mod metrics;
mod structure;

use super::error;

#[test]
fn each_mistake_names_line_field_and_what_was_expected() {
    let cases = [
        (
            "minReplicas: 1",
            "minReplicas: 21",
            "7: spec.maxReplicas: expected at least minReplicas, which is 21, found `20`",
        ),
        (
            "minReplicas: 1",
            "minReplicas: 0",
            "6: spec.minReplicas: expected a whole number from 1 to 150000, found `0`",
        ),
        (
            "minReplicas: 1",
            "minReplicas: 1.5",
            "6: spec.minReplicas: expected a whole number from 1 to 150000, found `1.5`",
        ),
        (
            "threshold: 2ms",
            "threshold: 2MiB",
            "15: spec.metrics[0].threshold: expected a duration with ns, us, ms or s, such as `2ms`, found `2MiB`: that is a size in bytes",
        ),
        (
            "threshold: 2ms",
            "threshold: 2",
            "15: spec.metrics[0].threshold: expected a duration with ns, us, ms or s, such as `2ms`, found `2`: the unit is missing",
        ),
        (
            "threshold: 2ms",
            "threshold: 2parsec",
            "15: spec.metrics[0].threshold: expected a duration with ns, us, ms or s, such as `2ms`, found `2parsec`: the unit is unknown",
        ),
        (
            "threshold: 2ms",
            "threshold: 2ms/s",
            "15: spec.metrics[0].threshold: expected a duration with ns, us, ms or s, such as `2ms`, found `2ms/s`: this statistic is not per second",
        ),
        (
            "threshold: 2ms",
            "threshold: 0ms",
            "15: spec.metrics[0].threshold: expected a quantity above 0, found `0ms`",
        ),
        (
            "threshold: 2ms",
            "threshold: -1ms",
            "15: spec.metrics[0].threshold: expected a duration with ns, us, ms or s, such as `2ms`, found `-1ms`: it must not be negative",
        ),
        (
            "      threshold: 2ms\n",
            "",
            "12: spec.metrics[0]: field `threshold` is missing: expected a duration with ns, us, ms or s, such as `2ms`, or `response: Observe`",
        ),
        (
            "response: Queueing",
            "response: Observe",
            "15: spec.metrics[0].threshold: Observe compares with nothing: expected no threshold, or another response",
        ),
        (
            "sampling: 1.0",
            "sampling: 0",
            "16: spec.metrics[0].sampling: expected a number above 0 and at most 1, found `0`",
        ),
        (
            "sampling: 1.0",
            "sampling: 1.1",
            "16: spec.metrics[0].sampling: expected a number above 0 and at most 1, found `1.1`",
        ),
        (
            "sampling: 1.0",
            "sampling: .nan",
            "16: spec.metrics[0].sampling: expected a number above 0 and at most 1, found `NaN`",
        ),
        (
            "statistic: rate\n",
            "statistic: p95\n",
            "19: spec.metrics[1].statistic: userPageFaults is a counter, whose events have no values: expected rate, found `p95`",
        ),
        (
            "statistic: rate\n",
            "statistic: p42\n",
            "19: spec.metrics[1].statistic: expected one of avg, p50, p90, p95, p99, rate, share, found `p42`",
        ),
        (
            "name: userPageFaults",
            "name: pageFaults",
            "18: spec.metrics[1].name: expected one of onCpuTime, offCpuTime, runqLatency, pageCacheHitRatio, kernelPageFaults, userPageFaults, tlbFlushes, diskIoSize, diskIoLatency, sentBytes, receivedBytes, tcpRetransmits, tcpSynackRetransmits, tcpDrops, dnsLatency, found `pageFaults`",
        ),
        (
            "window: 5s",
            "window: 500ms",
            "9: spec.window: expected a duration from 1s to 60s, found `500ms`",
        ),
        (
            "mode: Active",
            "mode: active",
            "8: spec.mode: expected one of Active, DryRun, Paused, found `active`",
        ),
        (
            "kind: Deployment",
            "kind: StatefulSet",
            "5: spec.scaleTargetRef.kind: expected `Deployment`, found `StatefulSet`",
        ),
        (
            "kind: ScalingPolicy",
            "kind: Policy",
            "2: kind: expected `ScalingPolicy`, found `Policy`",
        ),
        (
            "v1alpha1",
            "v1",
            "1: apiVersion: expected `viperscale.dev/v1alpha1`, found `viperscale.dev/v1`",
        ),
        (
            "namespace: shop",
            "namespace: Shop",
            "3: metadata.namespace: expected a name of lower-case letters, digits, `-` and `.`, at most 63 characters, found `Shop`",
        ),
        (
            ", namespace: shop",
            "",
            "3: metadata: field `namespace` is missing: expected the deployment's namespace",
        ),
        (
            "warmup: 10s",
            "warmUp: 10s",
            "10: spec.warmUp: unknown field; expected one of scaleTargetRef, minReplicas, maxReplicas, mode, window, warmup, metrics, behavior, fallback",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: []}}",
            "21: spec.behavior.scaleUp.policies: expected at least one policy, found none; to forbid changes use `selectPolicy: Disabled`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: [{type: Pods, value: 1}]}}",
            "21: spec.behavior.scaleUp.policies[0]: field `periodSeconds` is missing: expected the period in seconds",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {stabilizationWindowSeconds: 3601}}",
            "21: spec.behavior.scaleUp.stabilizationWindowSeconds: expected a whole number from 0 to 3600, found `3601`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {tolerance: -1}}",
            "21: spec.behavior.scaleUp.tolerance: expected a number not below 0, such as `0.1` or `100m`, found `-1`",
        ),
        (
            "behavior: {}",
            "fallback: {replicas: 21, after: 60s}",
            "21: spec.fallback.replicas: expected a whole number from 1 to 20, found `21`",
        ),
        (
            "behavior: {}",
            "fallback: {replicas: 5}",
            "21: spec.fallback: field `after` is missing: expected how long data must have stayed away",
        ),
        (
            "behavior: {}",
            "fallback: {replicas: 5, after: 1s}",
            "21: spec.fallback.after: expected a duration from 10s to 3600s, found `1s`",
        ),
        (
            "mode: Active",
            "window: 6s",
            "9: spec: field `window` is written twice at line 9 column 3",
        ),
        (
            "mode: Active",
            "mode: !tag Active",
            "8: spec.mode: tags (`!something`) have no meaning here at line 8 column 9",
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(error(from, to), expected, "{from} -> {to}");
    }
}

/// Each `from`, replaced by `to` in the good example, is one error with exactly that message.
#[track_caller]
fn check(cases: &[(&str, &str, &str)]) {
    for (from, to, expected) in cases {
        assert_eq!(error(from, to), *expected, "{from} -> {to}");
    }
}
