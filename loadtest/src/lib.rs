//! The harness that users run: a local cluster, the demo shop under Locust, benchmarks.
//!
//! ```text
//! local       control plane + node + pods as child processes    (any kubeconfig does as well)
//! locust      real load, one virtual user at a time
//! viperscale  scaler and agent as a user runs them
//! demo        load step ─▶ replica changes ─▶ timeline ─▶ summary
//! compare     trials under either autoscaler on the same load ─▶ report
//! bench       what the probes cost
//! fleet       what the scaler takes for a whole cluster of simulated agents
//! ```
//!
//! It starts the real `scaler` and `probe-agent` and knows them only by their command lines and
//! their HTTP endpoints.

pub mod bench;
pub mod cli;
pub mod compare;
pub mod demo;
pub mod fleet;
pub mod local;
pub mod locust;
pub mod node;
pub mod shop;
pub mod shop_manifests;
pub mod viperscale;

mod admin;
mod cluster;
mod json_file;
mod replicas;
mod run;
mod usage;

pub use run::{run, sentence};
