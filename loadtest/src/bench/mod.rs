//! Benchmarks: what the probes cost.

pub mod probes;
