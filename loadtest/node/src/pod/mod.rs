//! Pods: from objects in the API to processes, and back to their status.
//!
//! ```text
//! watch ─▶ manager ─▶ worker (one per pod) ─▶ supervisor (one per container) ─▶ process
//!                       │ ◀───── views ───────────┘
//!                       └─▶ status (pure) ─▶ writer ─▶ PATCH pods/status
//! ```

mod identity;
mod manager;
mod orders;
mod restart;
mod run;
mod status;
mod suitability;
mod supervisor;
mod view;
mod worker;
mod writer;

pub(crate) use identity::PodIdentity;
pub(crate) use manager::{Manager, NodeContext};
