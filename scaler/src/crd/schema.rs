//! Pieces of the OpenAPI schema that come from the core's tables.

use std::time::Duration;

use scaler_core::behavior::SelectPolicy;
use scaler_core::policy::{Mode, Response, TARGET_API_VERSION, TARGET_KIND, limits};
use scaler_core::{Metric, Statistic, Unit};
use schemars::{Schema, SchemaGenerator, json_schema};

/// RFC 1123: what Kubernetes accepts as the name of an object.
const NAME: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
/// Longer than any quantity that means something; bounds the cost of matching it.
const LONGEST_QUANTITY: usize = 32;
/// What a Go duration and the core's reading of one have in common, because rules compute with it.
pub(super) const DURATION: &str = "^[0-9]+([.][0-9]+)?(ms|s)$";

fn one_of(words: &[&str]) -> Schema {
    json_schema!({"type": "string", "enum": words})
}

pub(super) fn mode(_: &mut SchemaGenerator) -> Schema {
    one_of(&Mode::ALL.map(Mode::name))
}

pub(super) fn metric(_: &mut SchemaGenerator) -> Schema {
    one_of(&Metric::ALL.map(Metric::name))
}

pub(super) fn statistic(_: &mut SchemaGenerator) -> Schema {
    one_of(&Statistic::ALL.map(Statistic::name))
}

pub(super) fn response(_: &mut SchemaGenerator) -> Schema {
    one_of(&Response::ALL.map(Response::name))
}

pub(super) fn select_policy(_: &mut SchemaGenerator) -> Schema {
    one_of(&SelectPolicy::ALL.map(SelectPolicy::name))
}

pub(super) fn amount(_: &mut SchemaGenerator) -> Schema {
    one_of(&["Pods", "Percent"])
}

pub(super) fn target_api_version(_: &mut SchemaGenerator) -> Schema {
    one_of(&[TARGET_API_VERSION])
}

pub(super) fn target_kind(_: &mut SchemaGenerator) -> Schema {
    one_of(&[TARGET_KIND])
}

pub(super) fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": limits::LONGEST_NAME,
        "pattern": NAME,
    })
}

pub(super) fn label(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": limits::LONGEST_LABEL,
        "pattern": NAME,
    })
}

pub(super) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": LONGEST_QUANTITY, "pattern": DURATION})
}

/// A number with or without unit; which unit fits is a rule, because it depends on the metric.
///
/// A string, and not also an integer: the API server bounds the estimated cost of rules, takes a value
/// that may be either for one as long as a request, and would refuse the rules about units.
pub(super) fn threshold(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": LONGEST_QUANTITY,
        "pattern": "^[0-9]+([.][0-9]+)?[a-zµA-Z%/]*$",
    })
}

/// A number not below 0, such as `"0.1"`, `"100m"` or `0`.
pub(super) fn fraction(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": LONGEST_QUANTITY,
        "pattern": "^[0-9]+([.][0-9]+)?m?$",
    })
}

pub(super) fn probability(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "number",
        "format": "double",
        "minimum": 0.0,
        "exclusiveMinimum": true,
        "maximum": 1.0,
    })
}

/// A duration as policies write it, such as `5s`.
pub(super) fn duration_text(duration: Duration) -> String {
    Unit::Time.format(duration.as_nanos() as f64)
}
