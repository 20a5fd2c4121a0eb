//! What the server needs to be told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use crate::store::StoreLimits;

/// Where and how to serve. `Config::new(dir)` is right for most uses.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory of the run; `kubeconfig` is written into it. Must exist.
    pub directory: PathBuf,
    /// A loopback address; port 0 takes a free port.
    pub address: SocketAddr,
    /// How much is kept in memory.
    pub limits: StoreLimits,
    /// How long events are kept after their last change.
    pub event_lifetime: Duration,
}

impl Config {
    /// Serves 127.0.0.1 on a free port.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            limits: StoreLimits::default(),
            event_lifetime: Duration::from_secs(60 * 60),
        }
    }
}
