//! Real processes: started inside their cgroups, tied to the life of the node, output kept bounded.

mod log;
mod spawner;

pub(crate) use log::{LogFile, pipe};
pub(crate) use spawner::{Launch, Output, SpawnError, Spawner};
