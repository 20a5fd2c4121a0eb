//! What is wrong with a scenario.

use std::io;

/// A scenario that cannot be run. Says where it is wrong and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The text is not a scenario.
    #[error("{file}:{line}: {field}{separator}{message}", separator = if field.is_empty() { "" } else { ": " })]
    Invalid {
        /// File, or name of a built-in scenario.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Such as `load.phases[1].users`; empty when the text as a whole is wrong.
        field: String,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// The file cannot be read.
    #[error("cannot read the scenario {file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Neither a built-in scenario nor a file.
    #[error("{name} is neither a file nor a built-in scenario ({known})")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names of the built-in scenarios.
        known: String,
    },
}
