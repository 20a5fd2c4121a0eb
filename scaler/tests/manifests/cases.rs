//! One mistake at a time: where, what stands there, and the whole message of the API server.

use serde_json::{Value, json};

use super::of_metrics;

/// A JSON pointer into a good manifest, the value to put there (`null` removes), and the refusal.
pub(super) type Case = (&'static str, Value, String);

const UNCHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the \
                         object was invalid; correct the existing errors to complete validation";
pub(super) const NAME: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
const DURATION: &str = "^[0-9]+([.][0-9]+)?(ms|s)$";
const FRACTION: &str = "^[0-9]+([.][0-9]+)?m?$";

/// Every mistake.
pub(super) fn all() -> Vec<Case> {
    let parts = [
        structure(),
        replicas_and_times(),
        of_metrics::entries(),
        of_metrics::statistics_and_responses(),
        of_metrics::thresholds(),
        behavior(),
        fallback(),
    ];
    parts.into_iter().flatten().collect()
}

/// A rule (CEL) of the object that holds `field`.
pub(super) fn rule(field: &str, message: &str) -> String {
    format!("{field}: Invalid value: \"object\": {message}")
}

/// A fault after which rules are not looked at.
pub(super) fn blocked(fault: &str) -> String {
    format!("[{fault}, {UNCHECKED}]")
}

pub(super) fn missing(field: &str) -> String {
    blocked(&format!("{field}: Required value"))
}

pub(super) fn type_of(field: &str, found: &str, wanted: &str) -> String {
    blocked(&format!(
        "{field}: Invalid value: \"{found}\": {field} in body must be of type {wanted}: \"{found}\""
    ))
}

pub(super) fn bound(field: &str, found: &str, should_be: &str) -> String {
    format!("{field}: Invalid value: {found}: {field} in body should be {should_be}")
}

pub(super) fn pattern(field: &str, found: &str, pattern: &str) -> String {
    format!("{field}: Invalid value: \"{found}\": {field} in body should match '{pattern}'")
}

pub(super) fn words(field: &str, found: &str, supported: &str) -> String {
    format!("{field}: Unsupported value: \"{found}\": supported values: {supported}")
}

fn structure() -> Vec<Case> {
    let target = "spec.scaleTargetRef";
    let name = "spec.scaleTargetRef.name";
    vec![
        ("/spec", json!(null), missing("spec")),
        ("/spec", json!([]), type_of("spec", "array", "object")),
        ("/spec/scaleTargetRef", json!(null), missing(target)),
        (
            "/spec/scaleTargetRef",
            json!("web"),
            type_of(target, "string", "object"),
        ),
        (
            "/spec/scaleTargetRef/apiVersion",
            json!("apps/v2"),
            words("spec.scaleTargetRef.apiVersion", "apps/v2", "\"apps/v1\""),
        ),
        (
            "/spec/scaleTargetRef/kind",
            json!(null),
            missing("spec.scaleTargetRef.kind"),
        ),
        (
            "/spec/scaleTargetRef/kind",
            json!("StatefulSet"),
            words("spec.scaleTargetRef.kind", "StatefulSet", "\"Deployment\""),
        ),
        ("/spec/scaleTargetRef/name", json!(null), missing(name)),
        (
            "/spec/scaleTargetRef/name",
            json!(7),
            type_of(name, "integer", "string"),
        ),
        (
            "/spec/scaleTargetRef/name",
            json!("Web"),
            pattern(name, "Web", NAME),
        ),
        (
            "/spec/scaleTargetRef/name",
            json!(""),
            format!(
                "[{name}: Invalid value: \"\": {name} in body should be at least 1 chars long, {}]",
                pattern(name, "", NAME)
            ),
        ),
        (
            "/spec/scaleTargetRef/name",
            json!("w".repeat(254)),
            blocked(&format!("{name}: Too long: may not be more than 253 bytes")),
        ),
    ]
}

fn replicas_and_times() -> Vec<Case> {
    let (min, max) = ("spec.minReplicas", "spec.maxReplicas");
    let too_few = "expected at least minReplicas";
    vec![
        ("/spec/maxReplicas", json!(null), missing(max)),
        (
            "/spec/maxReplicas",
            json!("20"),
            type_of(max, "string", "integer"),
        ),
        (
            "/spec/maxReplicas",
            json!(0),
            format!(
                "[{}, {}]",
                bound(max, "0", "greater than or equal to 1"),
                rule(max, too_few)
            ),
        ),
        (
            "/spec/maxReplicas",
            json!(150_001),
            bound(max, "150001", "less than or equal to 150000"),
        ),
        (
            "/spec/minReplicas",
            json!(0),
            bound(min, "0", "greater than or equal to 1"),
        ),
        (
            "/spec/minReplicas",
            json!(1.5),
            type_of(min, "number", "integer"),
        ),
        ("/spec/minReplicas", json!(21), rule(max, too_few)),
        (
            "/spec/mode",
            json!("On"),
            words("spec.mode", "On", "\"Active\", \"DryRun\", \"Paused\""),
        ),
        (
            "/spec/window",
            json!(5),
            type_of("spec.window", "integer", "string"),
        ),
        (
            "/spec/window",
            json!("5m"),
            pattern("spec.window", "5m", DURATION),
        ),
        (
            "/spec/window",
            json!("500ms"),
            rule("spec.window", "expected a duration from 1s to 60s"),
        ),
        (
            "/spec/window",
            json!("61s"),
            rule("spec.window", "expected a duration from 1s to 60s"),
        ),
        (
            "/spec/warmup",
            json!("soon"),
            pattern("spec.warmup", "soon", DURATION),
        ),
        (
            "/spec/warmup",
            json!("3601s"),
            rule("spec.warmup", "expected a duration from 0s to 3600s"),
        ),
    ]
}

fn fallback() -> Vec<Case> {
    let (replicas, after) = ("spec.fallback.replicas", "spec.fallback.after");
    let outside = "expected from minReplicas to maxReplicas";
    let of = |replicas: i32, after: &str| json!({"replicas": replicas, "after": after});
    let cases = [
        (json!(3), type_of("spec.fallback", "integer", "object")),
        (json!({"after": "30s"}), missing(replicas)),
        (json!({"replicas": 3}), missing(after)),
        (of(21, "30s"), rule(replicas, outside)),
        (
            of(0, "30s"),
            format!(
                "[{}, {}]",
                bound(replicas, "0", "greater than or equal to 1"),
                rule(replicas, outside)
            ),
        ),
        (of(3, "1m"), pattern(after, "1m", DURATION)),
        (
            of(3, "9s"),
            rule(after, "expected a duration from 10s to 3600s"),
        ),
    ];
    let at = |(value, refusal)| ("/spec/fallback", value, refusal);
    cases.map(at).into()
}

fn behavior() -> Vec<Case> {
    let up = |rules: Value| json!({"scaleUp": rules});
    let limit = |limit: Value| json!({"scaleUp": {"policies": [limit]}});
    let many = vec![json!({"type": "Pods", "value": 1, "periodSeconds": 5}); 17];
    let policies = "spec.behavior.scaleUp.policies";
    let of_limit = |field: &str| format!("{policies}[0].{field}");
    let stabilization = "spec.behavior.scaleUp.stabilizationWindowSeconds";
    let tolerance = "spec.behavior.scaleDown.tolerance";
    let cases = [
        (json!(7), type_of("spec.behavior", "integer", "object")),
        (
            up(json!([])),
            type_of("spec.behavior.scaleUp", "array", "object"),
        ),
        (
            up(json!({"stabilizationWindowSeconds": -1})),
            bound(stabilization, "-1", "greater than or equal to 0"),
        ),
        (
            up(json!({"stabilizationWindowSeconds": 3601})),
            bound(stabilization, "3601", "less than or equal to 3600"),
        ),
        (
            up(json!({"selectPolicy": "Most"})),
            words(
                "spec.behavior.scaleUp.selectPolicy",
                "Most",
                "\"Max\", \"Min\", \"Disabled\"",
            ),
        ),
        (
            up(json!({"policies": []})),
            format!(
                "{policies}: Invalid value: 0: {policies} in body should have at least 1 items"
            ),
        ),
        (
            up(json!({"policies": many})),
            blocked(&format!(
                "{policies}: Too many: 17: must have at most 16 items"
            )),
        ),
        (
            limit(json!({"value": 1, "periodSeconds": 5})),
            missing(&of_limit("type")),
        ),
        (
            limit(json!({"type": "Pods", "periodSeconds": 5})),
            missing(&of_limit("value")),
        ),
        (
            limit(json!({"type": "Pods", "value": 1})),
            missing(&of_limit("periodSeconds")),
        ),
        (
            limit(json!({"type": "Nodes", "value": 1, "periodSeconds": 5})),
            words(&of_limit("type"), "Nodes", "\"Pods\", \"Percent\""),
        ),
        (
            limit(json!({"type": "Pods", "value": 0, "periodSeconds": 5})),
            bound(&of_limit("value"), "0", "greater than or equal to 1"),
        ),
        (
            limit(json!({"type": "Pods", "value": 1, "periodSeconds": 1801})),
            bound(
                &of_limit("periodSeconds"),
                "1801",
                "less than or equal to 1800",
            ),
        ),
        (
            json!({"scaleDown": {"tolerance": "-1"}}),
            pattern(tolerance, "-1", FRACTION),
        ),
        (
            json!({"scaleDown": {"tolerance": 0.1}}),
            type_of(tolerance, "number", "integer,string"),
        ),
    ];
    let at_behavior = |(value, expected)| ("/spec/behavior", value, expected);
    cases.into_iter().map(at_behavior).collect()
}
