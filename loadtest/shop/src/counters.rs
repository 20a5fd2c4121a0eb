//! What a role has done so far, served as JSON at `/_stats`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::role::Role;

/// Counts since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Requests admitted, by route pattern, such as `GET /product/{id}`.
    pub requests: BTreeMap<String, u64>,
    /// Requests refused with 503 because too many were in flight.
    pub refused: u64,
    /// Calls made, by callee.
    pub calls: BTreeMap<String, u64>,
    /// Those of them that failed or came too late, by callee.
    pub failed_calls: BTreeMap<String, u64>,
}

/// The running counts. The keys are routes and roles, so the maps are as small as the program.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Snapshot>);

impl Counters {
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    pub(crate) fn admitted(&self, route: String) {
        *self.lock().requests.entry(route).or_default() += 1;
    }

    pub(crate) fn refused(&self) {
        self.lock().refused += 1;
    }

    pub(crate) fn called(&self, callee: Role, succeeded: bool) {
        let mut counts = self.lock();
        *counts.calls.entry(callee.name().into()).or_default() += 1;
        if !succeeded {
            *counts.failed_calls.entry(callee.name().into()).or_default() += 1;
        }
    }

    /// Counts are valid after every single addition, so a panic elsewhere cannot spoil them.
    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
