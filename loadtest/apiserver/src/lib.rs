//! placeholder doc
mod admission;
mod api;
mod auth;
mod bootstrap;
mod config;
mod control_plane;
mod controllers;
mod discovery;
mod error;
mod expiry;
mod http;
mod kubeconfig;
mod lifecycle;
mod object;
mod patch;
mod resource;
mod selector;
mod server;
mod store;
mod table;
mod tls;

pub use control_plane::{ControlPlaneError, run_control_plane};
pub use config::{Config, StoreLimits};
pub use server::{Running, ServeError, serve};
pub use tls::TlsError;
