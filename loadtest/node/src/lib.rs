//! The local cluster's node: runs pods as real processes in real cgroups, and balances requests to
//! Services. A client of the Kubernetes API and of nothing else, like any kubelet: it is given a
//! kubeconfig and can join any control plane.
//!
//! ```text
//!  API server                       this crate                                  kernel
//!  Node, Lease    ◀── registration ── node ── lock, sweep ──────────▶ /run, leftover cgroups
//!  Pods  ── watch ──▶ pod::manager ─▶ worker ─▶ supervisor ─ cgroup ─▶ limits of every container
//!        ◀─ status ── (pure) ◀──────────┘         ├─ env (pure)
//!                                                 ├─ process ────────▶ program, born in its cgroup
//!                                                 └─ probe ──────────▶ asks it how it is
//!  APIService     ◀── metrics ◀── CPU time and memory of every container ─── reads ──▶ cgroup files
//!  Services,      ── watch ──▶ proxy: routes (pure) ─▶ one listener per clusterIP:port ─▶ ready pods
//!  EndpointSlices
//! ```
//!
//! What it promises:
//! - A container's process is inside its cgroups before it runs its first instruction.
//! - Every process dies with the node, however the node dies: each has `PR_SET_PDEATHSIG`, and what
//!   containers forked themselves is swept by the next start or by [`sweep`].
//! - Requests go to a pod from the moment it is ready, and stop before it is told to end.
//!
//! - Metrics are as late as cAdvisor's and metrics-server's, so that an autoscaler on top of them is.
//!
//! What it leaves out, on purpose: images (the name is recorded, `command` is a host program), volumes
//! (pods start without them, service account tokens included, and the log says so), container
//! isolation other than cgroups, lifecycle hooks, the kubelet's own HTTP API (logs, exec).

mod address;
mod cache;
mod cgroup;
mod config;
mod env;
mod error;
mod local_routes;
mod lock;
mod metrics;
mod node;
mod pod;
mod probe;
mod process;
mod proxy;
mod quantity;
mod registration;
mod rights;

pub use address::{Cidr, InvalidCidr};
pub use cgroup::{CgroupError, Swept};
pub use config::{HOST_PROCESSES, MetricsApi, NodeConfig};
pub use error::NodeError;
pub use local_routes::RouteError;
pub use lock::LockError;
pub use metrics::CertificateError;
pub use node::{run, sweep};
