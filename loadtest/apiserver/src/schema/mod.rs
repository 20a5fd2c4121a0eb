//! Schemas of custom resources: what a definition promises about its objects, kept as Kubernetes keeps
//! it.
//!
//! ```text
//! request ─▶ unknown fields? (strict) ─▶ prune ─▶ defaults ─▶ values ─▶ rules (CEL) ─▶ store
//! definition ─▶ structural? ─▶ served
//! ```
//!
//! Formats and the cost of rules are not checked; conversion between versions is `None`, so every
//! version of an object is checked by the schema of the version that it was sent in.

mod defaults;
mod path;
mod prune;
mod rules;
mod structural;
mod values;

pub(crate) use structural::check as check_definition;

use serde_json::Value;

use crate::error::Cause;

/// What a schema must not change or judge at the root of an object: the server does.
const ROOT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// The `openAPIV3Schema` of one version of a definition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schema(Value);

impl Schema {
    /// Takes it out of a version of a definition; `None` when it has none.
    pub(crate) fn of_version(version: &Value) -> Option<Self> {
        let schema = &version["schema"]["openAPIV3Schema"];
        schema.is_object().then(|| Self(schema.clone()))
    }

    /// Removes what the schema does not know, then fills in what it knows better.
    pub(crate) fn complete(&self, object: &mut Value) {
        prune::prune(&self.0, object, path::Path::root(), &mut Vec::new());
        defaults::apply(&self.0, object);
    }

    /// The fields that [`Schema::complete`] would remove, as paths.
    pub(crate) fn unknown_fields(&self, object: &Value) -> Vec<String> {
        let mut unknown = Vec::new();
        prune::prune(
            &self.0,
            &mut object.clone(),
            path::Path::root(),
            &mut unknown,
        );
        unknown
    }

    /// Judges a whole object. Rules about a change are for [`Schema::validate_change`].
    pub(crate) fn validate(&self, object: &Value, causes: &mut Vec<Cause>) {
        let before = causes.len();
        values::validate(&self.0, object, path::Path::root(), causes);
        let blocking = causes[before..].iter().any(rules::prevents_rules);
        if blocking {
            causes.push(rules::unchecked());
        } else {
            rules::validate(&self.0, object, None, causes);
        }
    }

    /// Judges what only shows between an object and the one that it replaces.
    pub(crate) fn validate_change(&self, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
        rules::validate(&self.0, new, Some(old), causes);
    }

    /// Completes and judges the status alone, whose writer is not answerable for the rest.
    pub(crate) fn admit_status(&self, object: &mut Value, causes: &mut Vec<Cause>) {
        let schema = &self.0["properties"]["status"];
        let Some(status) = object.get_mut("status").filter(|_| schema.is_object()) else {
            return;
        };
        let path = path::Path::root().field("status");
        prune::prune(schema, status, path.clone(), &mut Vec::new());
        defaults::apply(schema, status);
        values::validate(schema, status, path, causes);
    }
}

#[cfg(test)]
mod tests;
