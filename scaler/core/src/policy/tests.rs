//! Policies as users write them, and every way to get them wrong.

mod mistakes;

use super::*;
use crate::behavior::{Amount, SelectPolicy};

const GOOD: &str = "\
apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: recommendation, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: recommendation}
  minReplicas: 1
  maxReplicas: 20
  mode: Active
  window: 5s
  warmup: 10s
  metrics:
    - name: runqLatency
      container: server
      statistic: p95
      threshold: 2ms
      sampling: 1.0
      response: Queueing
    - name: userPageFaults
      statistic: rate
      threshold: \"4000\"
  behavior: {}
";

/// `GOOD` with `from` replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?} is not in the example");
    GOOD.replacen(from, to, 1)
}

fn errors(text: &str) -> Vec<String> {
    let errors = load(text, "a.yaml").expect_err("must be refused");
    errors.iter().map(ToString::to_string).collect()
}

/// The only error of `GOOD` with `from` replaced, without the name of the file.
fn error(from: &str, to: &str) -> String {
    let errors = errors(&changed(from, to));
    let [error] = errors.as_slice() else {
        panic!("{errors:#?}")
    };
    error.strip_prefix("a.yaml:").unwrap().to_owned()
}

#[test]
fn the_documented_example_reads() {
    let policies = load(GOOD, "a.yaml").unwrap();
    let [policy] = policies.as_slice() else {
        panic!("{policies:?}")
    };
    assert_eq!(
        (policy.name.as_str(), policy.namespace.as_str()),
        ("recommendation", "shop")
    );
    assert_eq!((policy.min_replicas, policy.max_replicas), (1, 20));
    assert_eq!((policy.window.as_secs(), policy.warmup.as_secs()), (5, 10));
    assert_eq!(policy.mode, Mode::Active);
    assert_eq!(policy.behavior, Behavior::default());
    assert_eq!(policy.origin.to_string(), "a.yaml:1");
    let [waiting, faults] = policy.metrics.as_slice() else {
        panic!("two metrics")
    };
    assert_eq!(waiting.threshold.unwrap().value(), 2e6);
    assert_eq!(waiting.response, Response::Queueing);
    assert_eq!(faults.threshold.unwrap().to_string(), "4000/s");
    assert_eq!(faults.response, Response::Proportional);
    assert_eq!(faults.container, None);
}

#[test]
fn behavior_fills_in_what_is_left_out() {
    let text = changed(
        "behavior: {}",
        "behavior: {scaleUp: {selectPolicy: Min, tolerance: 50m}, scaleDown: {stabilizationWindowSeconds: 5, policies: [{type: Percent, value: 7, periodSeconds: 9}]}}",
    );
    let behavior = load(&text, "a.yaml").unwrap().remove(0).behavior;
    let defaults = Behavior::default();
    assert_eq!(behavior.scale_up.select_policy, SelectPolicy::Min);
    assert!((behavior.scale_up.tolerance - 0.05).abs() < 1e-12);
    assert_eq!(behavior.scale_up.policies, defaults.scale_up.policies);
    assert_eq!(behavior.scale_down.stabilization_window.as_secs(), 5);
    assert_eq!(behavior.scale_down.policies.len(), 1);
    assert_eq!(behavior.scale_down.policies[0].amount, Amount::Percent(7));
    assert_eq!(behavior.scale_down.tolerance, defaults.scale_down.tolerance);
}

#[test]
fn a_custom_resource_as_json_reads_too() {
    let text = r#"{"apiVersion":"viperscale.dev/v1alpha1","kind":"ScalingPolicy",
        "metadata":{"name":"a","namespace":"b","uid":"x","resourceVersion":"1","managedFields":[]},
        "spec":{"scaleTargetRef":{"kind":"Deployment","name":"a"},"maxReplicas":3,"mode":null,
        "metrics":[{"name":"runqLatency","threshold":"2ms"}]},"status":{"replicas":1}}"#;
    assert_eq!(load(text, "a.json").unwrap().len(), 1);
}

#[test]
fn impossible_combinations_are_refused() {
    let metric = |text: &str| {
        let start = GOOD.find("    - name: runqLatency").unwrap();
        let end = GOOD.find("  behavior").unwrap();
        let text = format!("{}    - {text}\n{}", &GOOD[..start], &GOOD[end..]);
        match load(&text, "a.yaml") {
            Ok(_) => String::new(),
            Err(errors) => errors
                .iter()
                .map(|e| format!("{}: {}\n", e.field, e.message))
                .collect(),
        }
    };
    let refused = |text: &str, why: &str| {
        let found = metric(text);
        assert!(found.contains(why), "{text}: {found:?}");
    };
    refused(
        "{name: sentBytes, statistic: share, threshold: 1}",
        "a share of nothing",
    );
    refused(
        "{name: onCpuTime, sampling: 0.5, threshold: 0.8}",
        "onCpuTime cannot be sampled",
    );
    refused(
        "{name: sentBytes, response: Queueing, threshold: 1MiB}",
        "answers runqLatency only",
    );
    refused(
        "{name: runqLatency, statistic: rate, threshold: 1ms}",
        "Queueing compares a latency",
    );
    refused(
        "{name: pageCacheHitRatio, threshold: 0.5, response: Step}",
        "expected `Observe`",
    );
    refused("{name: pageCacheHitRatio}", "Observe proposes nothing");
    refused(
        "{name: sentBytes, threshold: 80%}",
        "found `80%`: that is a share",
    );
    refused(
        "{name: sentBytes, threshold: 3ms}",
        "found `3ms`: that is a duration",
    );
    refused("{name: runqLatency, threshold: {}}", "found a map");
    refused(
        "{name: userPageFaults, threshold: 1e999}",
        "expected a number of events per second",
    );
    for good in [
        "{name: sentBytes, threshold: 1MiB/s}",
        "{name: sentBytes, statistic: p99, threshold: 64KiB}",
        "{name: onCpuTime, threshold: 80%}",
        "{name: onCpuTime, statistic: rate, threshold: 150ms/s, sampling: 1}",
        "{name: userPageFaults, threshold: 4e3/s, response: Step}",
        "{name: dnsLatency, threshold: 20ms, sampling: 0.1}",
    ] {
        assert_eq!(metric(good), "", "{good}");
    }
}

#[test]
fn metrics_that_contradict_each_other_are_refused() {
    let second = "    - name: userPageFaults\n      statistic: rate\n      threshold: \"4000\"";
    let found = error(
        second,
        "    - {name: runqLatency, container: server, statistic: p99, threshold: 9ms, sampling: 0.5}",
    );
    assert_eq!(
        found,
        "18: spec.metrics[1]: expected sampling 1 as in the entry above for runqLatency, found 0.5"
    );
    let found = error(
        second,
        "    - {name: runqLatency, container: server, threshold: 9ms}",
    );
    assert_eq!(
        found,
        "18: spec.metrics[1]: runqLatency p95 is listed twice for the same container"
    );
}

#[test]
fn an_unknown_anchor_is_one_error_and_ends_the_text() {
    let errors = load("kind: *nowhere\n---\nkind: *elsewhere\n", "file").unwrap_err();
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["file:1: unknown anchor at line 1 column 7"]);
}

#[test]
fn no_metrics_and_no_documents_are_errors() {
    assert_eq!(
        errors(""),
        ["a.yaml:1: expected a ScalingPolicy, found no document"]
    );
    assert_eq!(
        errors("# nothing\n---\n"),
        ["a.yaml:1: expected a ScalingPolicy, found no document"]
    );
    assert_eq!(
        errors("7"),
        ["a.yaml:1: expected a map of fields, found `7`"]
    );
    let text = GOOD.lines().take(10).collect::<Vec<_>>().join("\n");
    assert_eq!(
        errors(&text),
        ["a.yaml:4: spec: field `metrics` is missing: expected at least one metric"]
    );
    let text = format!("{text}\n  metrics: []\n");
    assert_eq!(
        errors(&text),
        ["a.yaml:11: spec.metrics: expected at least one metric, found none"]
    );
}

#[test]
fn all_errors_of_all_documents_are_reported_with_their_lines() {
    let text = format!(
        "{}---\n{}",
        changed("mode: Active", "mode: On"),
        changed("2ms", "2").replace("maxReplicas", "most")
    );
    let second = GOOD.lines().count() + 1;
    let lines: Vec<usize> = load(&text, "a.yaml")
        .unwrap_err()
        .iter()
        .map(|e| e.line)
        .collect();
    assert_eq!(lines, [8, second + 4, second + 15, second + 7]);
}

#[test]
fn broken_yaml_names_its_line() {
    let errors = errors("kind: a\nspec: {\n");
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("a.yaml:3: "), "{errors:?}");
}

#[test]
fn two_policies_for_one_deployment_clash_across_files() {
    let one = load(GOOD, "a.yaml").unwrap();
    let other = load(
        &changed("{name: recommendation, ", "{name: other, "),
        "b.yaml",
    )
    .unwrap();
    let elsewhere = load(&changed("namespace: shop", "namespace: test"), "c.yaml").unwrap();
    assert_eq!(check_set(one.iter().chain(&elsewhere)), Ok(()));
    let errors = check_set(one.iter().chain(&other).chain(&elsewhere)).unwrap_err();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "b.yaml:1: spec.scaleTargetRef.name: deployment shop/recommendation already has policy `recommendation` (a.yaml:1); expected one policy per deployment"
        ]
    );
    let renamed = load(
        &changed(
            "kind: Deployment, name: recommendation",
            "kind: Deployment, name: x",
        ),
        "d.yaml",
    )
    .unwrap();
    let errors = check_set(one.iter().chain(&renamed)).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "d.yaml:1: metadata.name: policy shop/recommendation is already at a.yaml:1"
    );
}

#[test]
fn anchors_cannot_multiply_without_end() {
    let item = "- 1\n".repeat(2_000);
    let many = format!("a: &a\n{item}b:\n{}", "- *a\n".repeat(2_000));
    let long = format!(
        "a: &a {}\nb:\n{}",
        "x".repeat(100_000),
        "- *a\n".repeat(5_000)
    );
    for text in [many, long] {
        let errors = load(&text, "file").unwrap_err();
        assert_eq!(errors.len(), 1);
        assert!(
            errors[0].message.contains("too much for one file"),
            "{}",
            errors[0]
        );
    }
}

#[test]
fn a_thousand_policies_and_ten_thousand_mistakes_are_read_in_one_go() {
    let policy = |n: usize| {
        format!(
            "apiVersion: viperscale.dev/v1alpha1\nkind: ScalingPolicy\n\
             metadata: {{name: p{n}, namespace: shop}}\n\
             spec:\n  scaleTargetRef: {{kind: Deployment, name: d{n}}}\n  maxReplicas: 3\n  \
             metrics: [{{name: userPageFaults, threshold: 10}}]\n---\n"
        )
    };
    let text: String = (0..1_000).map(policy).collect();
    let policies = load(&text, "file").unwrap();
    assert_eq!(
        (policies.len(), policies[999].origin.line),
        (1_000, Some(999 * 8 + 1))
    );

    let mistakes: String = (0..10_000).map(|n| format!("x{n}: 1\n")).collect();
    assert_eq!(
        load(&mistakes, "file").unwrap_err().len(),
        super::MOST_PROBLEMS
    );
}
