//! Benchmarks: what the probes cost, and what the agent that reads them costs.

pub mod agent;
pub mod probes;

mod output;
