//! Startup, readiness and liveness probes of one container.
//!
//! `spec` turns the API's probe into a checked one, `threshold` counts results (pure), `check` asks
//! the container, `prober` runs the three together for one run of a container.

mod check;
mod prober;
mod spec;
mod threshold;

pub(crate) use check::Target;
pub(crate) use prober::{Health, watch};
pub(crate) use spec::Probes;
