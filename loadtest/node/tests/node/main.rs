//! The node against a real API server, with real processes in real cgroups. Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that panics fails its test, as it should"
)]

mod cleanup;
mod front_proxy;
mod joining;
mod lifecycle;
mod limits;
mod metrics;
mod services;
mod support;
