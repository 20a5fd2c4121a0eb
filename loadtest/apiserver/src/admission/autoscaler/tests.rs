use super::*;

fn autoscaler(change: Value) -> Value {
    let mut object = json!({"spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 10,
    }});
    json_patch::merge(&mut object, &json!({"spec": change}));
    defaults(&mut object);
    object
}

fn faults(change: Value) -> Vec<String> {
    let mut causes = Vec::new();
    validate(&autoscaler(change), &mut causes);
    let line = |cause: Cause| format!("{}: {}", cause.field, cause.message);
    causes.into_iter().map(line).collect()
}

fn metric(target: Value) -> Value {
    json!({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]})
}

#[test]
fn defaults_are_those_of_upstream() {
    let spec = autoscaler(json!({}))["spec"].clone();
    assert_eq!(spec["minReplicas"], 1);
    assert_eq!(
        spec["metrics"][0]["resource"]["target"],
        json!({"type": "Utilization", "averageUtilization": 80})
    );
    assert!(spec.get("behavior").is_none());
    let spec = autoscaler(json!({"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}));
    let behavior = &spec["spec"]["behavior"];
    let policy =
        |kind: &str, value: i64| json!({"type": kind, "value": value, "periodSeconds": 15});
    let up = json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Max",
                    "policies": [policy("Pods", 4), policy("Percent", 100)]});
    assert_eq!(behavior["scaleUp"], up);
    let down = json!({"selectPolicy": "Disabled", "policies": [policy("Percent", 100)]});
    assert_eq!(behavior["scaleDown"], down);
}

#[test]
fn what_is_usual_is_valid() {
    assert_eq!(faults(json!({})), [""; 0]);
    let memory = json!({"type": "AverageValue", "averageValue": "64Mi"});
    assert_eq!(faults(metric(memory)), [""; 0]);
    let object = json!({"type": "Object", "object": {
        "describedObject": {"kind": "Service", "name": "web"},
        "metric": {"name": "requests"}, "target": {"type": "Value", "value": 10}}});
    assert_eq!(faults(json!({"metrics": [object]})), [""; 0]);
    let tolerant = json!({"behavior": {"scaleUp": {"tolerance": "0.05"}}});
    assert_eq!(faults(tolerant), [""; 0]);
}

#[test]
fn bounds() {
    assert_eq!(
        faults(json!({"minReplicas": 0, "maxReplicas": null})),
        [
            "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
            "spec.maxReplicas: Invalid value: 0: must be greater than 0",
        ]
    );
    assert_eq!(
        faults(json!({"minReplicas": 11})),
        ["spec.maxReplicas: Invalid value: 10: must be greater than or equal to `minReplicas`"]
    );
    assert_eq!(
        faults(json!({"scaleTargetRef": {"kind": null, "name": "a/b"}})),
        [
            "spec.scaleTargetRef.kind: Required value",
            "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'",
        ]
    );
}

#[test]
fn metrics_must_be_complete() {
    assert_eq!(
        faults(metric(json!({"type": "Utilization"}))),
        [
            "spec.metrics[0].resource.target.averageUtilization: Required value: must set either \
          a target raw value or a target utilization"
        ]
    );
    assert_eq!(
        faults(metric(json!({"type": "Usage", "averageUtilization": 0}))),
        [
            "spec.metrics[0].resource.target.type: Invalid value: \"Usage\": must be either \
             Utilization, Value, or AverageValue",
            "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be \
             greater than 0",
        ]
    );
    assert_eq!(
        faults(json!({"metrics": [{"type": "Guess"}]})),
        [
            "spec.metrics[0].type: Unsupported value: \"Guess\": supported values: \
          \"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\""
        ]
    );
    assert_eq!(
        faults(json!({"metrics": [{"type": "Pods"}]})),
        [
            "spec.metrics[0].pods: Required value: must populate information for the given \
          metric source"
        ]
    );
    let average = json!({"type": "AverageValue", "averageValue": "-1"});
    assert_eq!(
        faults(metric(average)),
        ["spec.metrics[0].resource.target.averageValue: Invalid value: \"-1\": must be positive"]
    );
}

#[test]
fn behavior_has_limits() {
    let rules = json!({"stabilizationWindowSeconds": 3601, "selectPolicy": "Most",
                       "policies": [{"type": "Pods", "value": 0, "periodSeconds": 1801}]});
    assert_eq!(
        faults(json!({"behavior": {"scaleUp": rules}})),
        [
            "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be \
             less than or equal to 3600",
            "spec.behavior.scaleUp.selectPolicy: Unsupported value: \"Most\": supported \
             values: \"Disabled\", \"Max\", \"Min\"",
            "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than \
             zero",
            "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be \
             less than or equal to 1800",
        ]
    );
    assert_eq!(
        faults(json!({"behavior": {"scaleDown": {"policies": []}}})),
        ["spec.behavior.scaleDown.policies: Required value: must specify at least one Policy"]
    );
}
