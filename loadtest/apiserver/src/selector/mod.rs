//! Label and field selectors of list, watch and deletecollection requests.

mod field;
mod label;

pub(crate) use field::FieldSelector;
pub(crate) use label::LabelSelector;

use serde_json::Value;

use crate::object;

/// What a list or watch wants to see. The default sees everything.
#[derive(Debug, Default, Clone)]
pub(crate) struct Filter {
    pub(crate) namespace: Option<String>,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

impl Filter {
    /// Whether the object is wanted.
    pub(crate) fn matches(&self, value: &Value) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|namespace| namespace == object::namespace(value))
            && self.labels.matches(object::labels(value))
            && self.fields.matches(value)
    }

    /// Whether a selector narrows the result (a namespace alone does not count).
    pub(crate) fn selects(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }
}
