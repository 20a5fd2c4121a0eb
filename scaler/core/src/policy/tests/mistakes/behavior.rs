//! Mistakes in `spec.behavior`, and the most of everything.

use super::super::error;
use super::check;

#[test]
fn mistakes_of_behavior() {
    check(&[
        (
            "behavior: {}",
            "behavior: {up: {}}",
            "21: spec.behavior.up: unknown field; expected one of scaleUp, scaleDown",
        ),
        (
            "behavior: {}",
            "behavior: []",
            "21: spec.behavior: expected a map of fields, found a list",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {window: 5}}",
            "21: spec.behavior.scaleUp.window: unknown field; expected one of stabilizationWindowSeconds, selectPolicy, policies, tolerance",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {selectPolicy: Most}}",
            "21: spec.behavior.scaleUp.selectPolicy: expected one of Max, Min, Disabled, found `Most`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: {}}}",
            "21: spec.behavior.scaleUp.policies: expected a list, found a map",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: [{value: 1, periodSeconds: 5}]}}",
            "21: spec.behavior.scaleUp.policies[0]: field `type` is missing: expected Pods or Percent",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: [{type: Pods, periodSeconds: 5}]}}",
            "21: spec.behavior.scaleUp.policies[0]: field `value` is missing: expected how many pods or percent",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: [{type: Nodes, value: 1, periodSeconds: 5}]}}",
            "21: spec.behavior.scaleUp.policies[0].type: expected one of Pods, Percent, found `Nodes`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: [{type: Pods, value: 0, periodSeconds: 5}]}}",
            "21: spec.behavior.scaleUp.policies[0].value: expected a whole number from 1 to 150000, found `0`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 1801}]}}",
            "21: spec.behavior.scaleUp.policies[0].periodSeconds: expected a whole number from 1 to 1800, found `1801`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 5, x: 1}]}}",
            "21: spec.behavior.scaleUp.policies[0].x: unknown field; expected one of type, value, periodSeconds",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {tolerance: much}}",
            "21: spec.behavior.scaleUp.tolerance: expected a number not below 0, such as `0.1` or `100m`, found `much`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: 7}",
            "21: spec.behavior.scaleUp: expected a map of fields, found `7`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {stabilizationWindowSeconds: -1}}",
            "21: spec.behavior.scaleUp.stabilizationWindowSeconds: expected a whole number from 0 to 3600, found `-1`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: [Pods]}}",
            "21: spec.behavior.scaleUp.policies[0]: expected a map of fields, found `Pods`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 0}]}}",
            "21: spec.behavior.scaleUp.policies[0].periodSeconds: expected a whole number from 1 to 1800, found `0`",
        ),
        (
            "behavior: {}",
            "behavior: {scaleUp: {tolerance: []}}",
            "21: spec.behavior.scaleUp.tolerance: expected a number not below 0, such as `0.1` or `100m`, found a list",
        ),
    ]);
}

#[test]
fn there_is_a_most_of_everything() {
    let metrics = "    - {name: dnsLatency, threshold: 1ms}\n".repeat(31);
    let found = error("  behavior: {}\n", &format!("{metrics}  behavior: {{}}\n"));
    assert_eq!(
        found,
        "11: spec.metrics: expected at most 32 metrics, found 33"
    );
    let limit = "{type: Pods, value: 1, periodSeconds: 5},".repeat(17);
    let found = error(
        "behavior: {}",
        &format!("behavior: {{scaleUp: {{policies: [{limit}]}}}}"),
    );
    assert_eq!(
        found,
        "21: spec.behavior.scaleUp.policies: expected at most 16 policies, found 17"
    );
}
