//! The node against a real API server, with real processes in real cgroups. Needs root.

mod cleanup;
mod lifecycle;
mod limits;
mod services;
mod support;
