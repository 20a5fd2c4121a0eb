//! Mistakes around and above the metrics.

use super::super::{error, errors};
use super::check;

#[test]
fn mistakes_of_structure() {
    check(&[
        (
            "apiVersion: viperscale.dev/v1alpha1\n",
            "",
            "1: field `apiVersion` is missing: expected viperscale.dev/v1alpha1",
        ),
        (
            "kind: ScalingPolicy\n",
            "",
            "1: field `kind` is missing: expected ScalingPolicy",
        ),
        (
            "kind: ScalingPolicy\n",
            "kind: ScalingPolicy\nextra: 1\n",
            "3: extra: unknown field; expected one of apiVersion, kind, metadata, spec, status",
        ),
        (
            "metadata: {name: recommendation, namespace: shop}\n",
            "",
            "1: field `metadata` is missing: expected name and namespace",
        ),
        (
            "metadata: {name: recommendation, ",
            "metadata: {",
            "3: metadata: field `name` is missing: expected the policy's name",
        ),
        (
            "metadata: {",
            "metadata: {extra: 1, ",
            "3: metadata.extra: unknown field; expected one of name, namespace, annotations, creationTimestamp, deletionGracePeriodSeconds, deletionTimestamp, finalizers, generateName, generation, labels, managedFields, ownerReferences, resourceVersion, selfLink, uid",
        ),
        (
            "metadata: {name: recommendation",
            "metadata: {name: 7",
            "3: metadata.name: expected a name of lower-case letters, digits, `-` and `.`, found `7`",
        ),
        (
            "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: recommendation}",
            "scaleTargetRef: recommendation",
            "5: spec.scaleTargetRef: expected a map of fields, found `recommendation`",
        ),
        (
            "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: recommendation}\n",
            "",
            "4: spec: field `scaleTargetRef` is missing: expected the deployment",
        ),
        (
            "apiVersion: apps/v1, ",
            "apiVersion: apps/v2, ",
            "5: spec.scaleTargetRef.apiVersion: expected `apps/v1`, found `apps/v2`",
        ),
        (
            "kind: Deployment, ",
            "",
            "5: spec.scaleTargetRef: field `kind` is missing: expected `Deployment`",
        ),
        (
            "kind: Deployment, name: recommendation",
            "kind: Deployment",
            "5: spec.scaleTargetRef: field `name` is missing: expected the deployment's name",
        ),
        (
            "kind: Deployment, ",
            "kind: Deployment, namespace: x, ",
            "5: spec.scaleTargetRef.namespace: unknown field; expected one of apiVersion, kind, name",
        ),
        (
            "  maxReplicas: 20\n",
            "",
            "4: spec: field `maxReplicas` is missing: expected the most replicas there may be",
        ),
        (
            "maxReplicas: 20",
            "maxReplicas: many",
            "7: spec.maxReplicas: expected a whole number from 1 to 150000, found `many`",
        ),
        (
            "maxReplicas: 20",
            "maxReplicas: 150001",
            "7: spec.maxReplicas: expected a whole number from 1 to 150000, found `150001`",
        ),
        (
            "window: 5s",
            "window: 61s",
            "9: spec.window: expected a duration from 1s to 60s, found `61s`",
        ),
        (
            "window: 5s",
            "window: [5s]",
            "9: spec.window: expected a duration with ns, us, ms or s, such as `2ms`, found a list",
        ),
        (
            "warmup: 10s",
            "warmup: 2h",
            "10: spec.warmup: expected a duration with ns, us, ms or s, such as `2ms`, found `2h`: the unit is unknown",
        ),
        (
            "warmup: 10s",
            "warmup: 3601s",
            "10: spec.warmup: expected a duration from 0ns to 3600s, found `3601s`",
        ),
    ]);
}

/// What is not there at all, or something else altogether, has no line of its own.
#[test]
fn documents_that_are_no_policies() {
    let head = "apiVersion: viperscale.dev/v1alpha1\nkind: ScalingPolicy\n";
    for (rest, expected) in [
        (
            "metadata: {name: a, namespace: b}\n",
            "a.yaml:1: field `spec` is missing: expected the policy",
        ),
        (
            "metadata: {name: a, namespace: b}\nspec: []\n",
            "a.yaml:4: spec: expected a map of fields, found a list",
        ),
    ] {
        assert_eq!(errors(&format!("{head}{rest}")), [expected], "{rest}");
    }
    assert_eq!(
        errors("[]"),
        ["a.yaml:1: expected a map of fields, found a list"]
    );
    assert_eq!(
        error(
            "metadata: {name: recommendation, namespace: shop}",
            "metadata: shop"
        ),
        "3: metadata: expected a map of fields, found `shop`"
    );
    let long = "n".repeat(254);
    assert_eq!(
        error(
            "metadata: {name: recommendation",
            &format!("metadata: {{name: {long}")
        ),
        format!(
            "3: metadata.name: expected a name of lower-case letters, digits, `-` and `.`, at most 253 \
             characters, found `{}...`",
            "n".repeat(60)
        )
    );
}
