//! The local cluster on this machine: what it needs, where it keeps its state, how its processes
//! start and end.

mod cluster;
mod preflight;
mod process;
mod programs;
mod run_dir;
mod signal;

pub use cluster::{LocalCluster, NODE_NAME, client, node_process};
pub use preflight::Machine;
pub(crate) use process::die_with;
pub use process::{Process, ProcessSpec, Processes};
pub use programs::Programs;
pub use run_dir::{DEFAULT_PARENT, RunDir, RunDirError};
pub use signal::{INTERRUPTED, interrupted, unless_interrupted};
