//! `x-kubernetes-validations`: rules in CEL, evaluated by kube-rs' own implementation.

use kube_cel::{ErrorKind, ValidationError, Validator};
use serde_json::Value;

use super::values::type_of;
use crate::error::Cause;

/// After such a fault rules would only repeat it, or fail.
pub(super) fn prevents_rules(cause: &Cause) -> bool {
    matches!(
        cause.reason,
        "FieldValueRequired"
            | "FieldValueTypeInvalid"
            | "FieldValueTooLong"
            | "FieldValueTooMany"
            | "FieldValueDuplicate"
    )
}

/// Says that rules were left out.
pub(super) fn unchecked() -> Cause {
    Cause::invalid(
        "<nil>",
        "Invalid value: null: some validation rules were not checked because the object was invalid; \
         correct the existing errors to complete validation",
    )
}

/// Evaluates every rule; those about a change only with `old`.
///
/// Rules are compiled each time: custom resources are written by people, and their statuses, which are
/// not, have no rules here.
pub(super) fn validate(
    schema: &Value,
    object: &Value,
    old: Option<&Value>,
    causes: &mut Vec<Cause>,
) {
    if !has_rules(schema) {
        return;
    }
    if let Err(errors) = Validator::new().validate(schema, object, old) {
        for error in &errors {
            causes.push(cause(schema, object, error));
        }
    }
}

fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.contains_key("x-kubernetes-validations") || fields.values().any(has_rules)
        }
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

fn cause(schema: &Value, object: &Value, error: &ValidationError) -> Cause {
    let reason = match error.reason.as_deref() {
        Some("FieldValueRequired") => "FieldValueRequired",
        Some("FieldValueForbidden") => "FieldValueForbidden",
        Some("FieldValueDuplicate") => "FieldValueDuplicate",
        _ => "FieldValueInvalid",
    };
    let message = match (&error.kind, reason) {
        (ErrorKind::ValidationFailure, "FieldValueRequired") => {
            format!("Required value: {}", error.message)
        }
        (ErrorKind::ValidationFailure, "FieldValueForbidden") => {
            format!("Forbidden: {}", error.message)
        }
        _ => format!(
            "Invalid value: {:?}: {}",
            type_of_rule(schema, object, error),
            error.message
        ),
    };
    Cause {
        reason,
        field: error.field_path.clone(),
        message,
    }
}

/// The type that the rule speaks of: of the place where it stands. A rule that names a field of an
/// object stands at the object.
fn type_of_rule(schema: &Value, object: &Value, error: &ValidationError) -> &'static str {
    let mut place = (schema, object);
    for step in steps(&error.field_path) {
        place = match step.parse::<usize>() {
            Ok(index) => (&place.0["items"], &place.1[index]),
            Err(_) => match place.0["properties"].get(step) {
                Some(inner) => (inner, &place.1[step]),
                None => (&place.0["additionalProperties"], &place.1[step]),
            },
        };
    }
    let stands_here = place.0["x-kubernetes-validations"]
        .as_array()
        .is_some_and(|rules| rules.iter().any(|rule| rule["rule"] == *error.rule));
    match stands_here {
        true => type_of(place.1),
        false => "object",
    }
}

/// `spec.metrics[0].name` as `spec`, `metrics`, `0`, `name`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '[', ']']).filter(|step| !step.is_empty())
}
