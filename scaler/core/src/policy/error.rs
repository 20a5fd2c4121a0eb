//! What is wrong with a policy, where, and what would be right.

/// One thing that is wrong with a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {}{message}", field_prefix(.field))]
pub struct PolicyError {
    /// The file, as given to [`crate::policy::load`].
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The field, such as `spec.metrics[0].threshold`; empty for the document as a whole.
    pub field: String,
    /// What was expected and what was found.
    pub message: String,
}

/// `field: `, or nothing.
fn field_prefix(field: &str) -> String {
    match field {
        "" => String::new(),
        field => format!("{field}: "),
    }
}
