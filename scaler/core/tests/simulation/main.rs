//! Simulated pods under CFS quotas, scaled by the queueing response and by simpler rules.
//!
//! ```text
//!  load (users) ─▶ world (balancer, pods) ─▶ measurement, 1 Hz ─▶ rule ─▶ replicas ─▶ world
//! ```
//!
//! Events are discrete, seeds fixed: the same run gives the same numbers on every machine. A pod
//! has one CPU's worth of parallelism, so a quota is used up as slowly as it can be. Run with
//! `--nocapture` to see the tables.

mod histogram;
mod load;
mod pod;
mod rules;
mod run;
mod scenarios;
mod steady;
mod steps;
mod table;
mod world;
