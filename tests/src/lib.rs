//! Support of the end-to-end tests: the real binaries, a cluster to run them in, load.
//!
//! The cluster is a local one, or the one of `VIPERSCALE_E2E_KUBECONFIG`: then the node runtime
//! joins that control plane, and the same tests run there.

#![allow(clippy::unwrap_used, reason = "a test ends where its support fails")]

mod binaries;
mod cluster;
mod fault_proxy;
mod leftovers;
mod load;
mod poll;

pub use binaries::programs;
pub use cluster::TestCluster;
pub use fault_proxy::{FaultProxy, Network};
pub use leftovers::{Traces, cgroups, left_since, processes_of, shop_processes};
pub use load::Load;
pub use poll::{eventually, throughout};
