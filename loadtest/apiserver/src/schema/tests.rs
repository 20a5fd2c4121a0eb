use serde_json::json;

use super::*;

fn schema() -> Schema {
    Schema(json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["max", "items"],
                "x-kubernetes-validations": [
                    {"rule": "self.min <= self.max", "message": "expected at least min", "fieldPath": ".max"},
                    {"rule": "self.max >= oldSelf.max", "message": "never fewer"},
                ],
                "properties": {
                    "min": {"type": "integer", "minimum": 1, "default": 1},
                    "max": {"type": "integer", "maximum": 9,
                            "x-kubernetes-validations": [{"rule": "self != 7", "message": "not seven"}]},
                    "mode": {"type": "string", "enum": ["On", "Off"], "default": "On"},
                    "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 4},
                    "share": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
                    "any": {"x-kubernetes-int-or-string": true},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "items": {"type": "array", "minItems": 1, "maxItems": 2, "items": {
                        "type": "object", "properties": {"at": {"type": "string", "default": "here"}}}},
                },
            },
            "status": {"type": "object", "properties": {
                "n": {"type": "integer", "nullable": true},
                "conditions": {"type": "array", "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"], "items": {"type": "object",
                        "properties": {"type": {"type": "string"}}}},
            }},
        },
    }))
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "a", "anything": 1}, "spec": spec})
}

fn faults(spec: Value) -> Vec<String> {
    let mut object = object(spec);
    schema().complete(&mut object);
    let mut causes = Vec::new();
    schema().validate(&object, &mut causes);
    causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect()
}

#[test]
fn what_is_unknown_goes_and_what_is_missing_comes() {
    let mut given = object(json!({
        "max": 3, "mode": null, "bogus": 1, "free": {"deep": {"er": 1}},
        "items": [{"at": "there", "x": 1}, {}],
    }));
    assert_eq!(
        schema().unknown_fields(&given),
        ["spec.bogus", "spec.items[0].x"]
    );
    schema().complete(&mut given);
    assert_eq!(
        given,
        object(json!({
            "min": 1, "max": 3, "mode": "On", "free": {"deep": {"er": 1}},
            "items": [{"at": "there"}, {"at": "here"}],
        }))
    );
    let once = given.clone();
    schema().complete(&mut given);
    assert_eq!(given, once);
}

#[test]
fn each_fault_has_the_words_of_kubernetes() {
    let with = |field: &str, value: Value| {
        let mut spec = json!({"max": 3, "items": [{}]});
        spec[field] = value;
        faults(spec)
    };
    for (field, value, expected) in [
        (
            "max",
            json!("3"),
            "spec.max: Invalid value: \"string\": spec.max in body must be of type integer: \"string\"",
        ),
        (
            "max",
            json!(10),
            "spec.max: Invalid value: 10: spec.max in body should be less than or equal to 9",
        ),
        (
            "min",
            json!(0),
            "spec.min: Invalid value: 0: spec.min in body should be greater than or equal to 1",
        ),
        (
            "share",
            json!(0),
            "spec.share: Invalid value: 0: spec.share in body should be greater than 0",
        ),
        (
            "mode",
            json!("on"),
            "spec.mode: Unsupported value: \"on\": supported values: \"On\", \"Off\"",
        ),
        (
            "name",
            json!("A"),
            "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'",
        ),
        (
            "name",
            json!("abcde"),
            "spec.name: Too long: may not be more than 4 bytes",
        ),
        (
            "any",
            json!(1.5),
            "spec.any: Invalid value: \"number\": spec.any in body must be of type integer,string: \"number\"",
        ),
        (
            "items",
            json!([]),
            "spec.items: Invalid value: 0: spec.items in body should have at least 1 items",
        ),
        (
            "items",
            json!([{}, {}, {}]),
            "spec.items: Too many: 3: must have at most 2 items",
        ),
        (
            "min",
            json!(4),
            "spec.max: Invalid value: \"object\": expected at least min",
        ),
        (
            "max",
            json!(7),
            "spec.max: Invalid value: \"integer\": not seven",
        ),
    ] {
        assert_eq!(
            with(field, value.clone()).first().map(String::as_str),
            Some(expected),
            "{value}"
        );
    }
    assert_eq!(
        faults(json!({"items": [{}]})),
        [
            "spec.max: Required value",
            "<nil>: Invalid value: null: some validation rules were not checked because the object \
             was invalid; correct the existing errors to complete validation",
        ]
    );
    assert_eq!(with("any", json!("2ms")), Vec::<String>::new());
}

#[test]
fn rules_about_changes_need_one() {
    let (three, two) = (
        object(json!({"min": 1, "max": 3, "items": [{}]})),
        object(json!({"min": 1, "max": 2, "items": [{}]})),
    );
    let change = |old: &Value, new: &Value| {
        let mut causes = Vec::new();
        schema().validate_change(old, new, &mut causes);
        causes
            .into_iter()
            .map(|cause| cause.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        change(&three, &two),
        ["Invalid value: \"object\": never fewer"]
    );
    assert!(change(&two, &three).is_empty());
}

#[test]
fn a_status_is_judged_alone() {
    let mut given = object(json!({"max": "broken"}));
    given["status"] = json!({"n": null, "bogus": 1, "conditions": [{"type": "A"}, {"type": "A"}]});
    let mut causes = Vec::new();
    schema().admit_status(&mut given, &mut causes);
    assert_eq!(given["status"].get("bogus"), None);
    let texts: Vec<String> = causes
        .iter()
        .map(|c| format!("{}: {}", c.field, c.message))
        .collect();
    assert_eq!(
        texts,
        ["status.conditions[1]: Duplicate value: {\"type\":\"A\"}"]
    );
}

#[test]
fn a_definition_must_be_structural() {
    let check = |schema: Value| {
        let mut causes = Vec::new();
        let version = json!({"name": "v1", "schema": {"openAPIV3Schema": schema}});
        check_definition(&json!({"spec": {"versions": [version]}}), &mut causes);
        causes
            .into_iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect::<Vec<_>>()
    };
    let at = "spec.versions[0].schema.openAPIV3Schema";
    assert_eq!(check(schema().0), Vec::<String>::new());
    assert_eq!(
        check(json!(null)),
        [format!("{at}: Required value: schemas are required")]
    );
    assert_eq!(
        check(json!({"type": "object", "properties": {"a": {}}})),
        [format!(
            "{at}.properties[a].type: Required value: must not be empty for specified object fields"
        )]
    );
    assert_eq!(
        check(json!({"type": "object", "properties": {"a": {"type": "array"}}})),
        [format!(
            "{at}.properties[a].items: Required value: must be specified"
        )]
    );
    assert_eq!(
        check(json!({"type": "object", "additionalProperties": false})),
        [format!(
            "{at}.additionalProperties: Forbidden: additionalProperties cannot be set to false"
        )]
    );
}
