//! What every request handler shares.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::resource::Registry;
use crate::store::{Store, StoreLimits};

/// The state behind the HTTP server.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) store: Arc<Store>,
    pub(crate) registry: Registry,
    /// Ends open watches when the server stops.
    pub(crate) stopping: CancellationToken,
}

impl Api {
    /// An empty cluster.
    pub(crate) fn new(limits: StoreLimits, stopping: CancellationToken) -> Self {
        Self {
            store: Store::new(limits),
            registry: Registry::new(),
            stopping,
        }
    }
}
