//! Benchmarks: what the probes cost, what the agent that reads them costs, and how late the rival is.

pub mod agent;
pub mod hpa;
mod policies;
pub mod probes;
