//! Rules of `spec.behavior`.

use serde_json::{Value, json};

use super::{invalid, number, one_of, quantity};
use crate::error::Cause;
use crate::object::{items, text};

const MAX_PERIOD_SECONDS: i64 = 1_800;
const MAX_STABILIZATION_SECONDS: i64 = 3_600;

/// Checks the rules of one direction.
pub(super) fn validate(path: &str, rules: &Value, causes: &mut Vec<Cause>) {
    let field = format!("{path}.stabilizationWindowSeconds");
    if let Some(window) = number(&field, &rules["stabilizationWindowSeconds"], causes) {
        if window < 0 {
            invalid(
                &field,
                window,
                "must be greater than or equal to zero",
                causes,
            );
        }
        if window > MAX_STABILIZATION_SECONDS {
            let rule = format!("must be less than or equal to {MAX_STABILIZATION_SECONDS}");
            invalid(&field, window, &rule, causes);
        }
    }
    let field = format!("{path}.selectPolicy");
    one_of(
        &field,
        &rules["selectPolicy"],
        &["Disabled", "Max", "Min"],
        causes,
    );
    let policies = items(rules, "policies");
    if policies.is_empty() {
        let why = "must specify at least one Policy";
        causes.push(Cause::required_because(format!("{path}.policies"), why));
    }
    for (index, policy) in policies.iter().enumerate() {
        scaling_policy(&format!("{path}.policies[{index}]"), policy, causes);
    }
    let field = format!("{path}.tolerance");
    if quantity(&field, &rules["tolerance"], causes).is_some_and(|milli| milli < 0) {
        let rule = "must be greater than or equal to 0";
        invalid(&field, &rules["tolerance"], rule, causes);
    }
}

fn scaling_policy(path: &str, policy: &Value, causes: &mut Vec<Cause>) {
    let kind = json!(text(policy, "type"));
    one_of(&format!("{path}.type"), &kind, &["Percent", "Pods"], causes);
    for field in ["value", "periodSeconds"] {
        let path = format!("{path}.{field}");
        let before = causes.len();
        let found = number(&path, &policy[field], causes).unwrap_or(0);
        if causes.len() > before {
            continue;
        }
        if found <= 0 {
            invalid(&path, found, "must be greater than zero", causes);
        }
        if field == "periodSeconds" && found > MAX_PERIOD_SECONDS {
            let rule = format!("must be less than or equal to {MAX_PERIOD_SECONDS}");
            invalid(&path, found, &rule, causes);
        }
    }
}
