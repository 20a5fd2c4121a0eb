//! Why nothing can be recorded.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why nothing can be recorded.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The directory cannot be made or used.
    #[error("--record {}: {source}; name a directory that this process may write into", path.display())]
    Directory {
        /// What was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another scaler writes there.
    #[error("--record {}: another scaler records there; name another directory", path.display())]
    InUse {
        /// What was given.
        path: PathBuf,
    },
}
