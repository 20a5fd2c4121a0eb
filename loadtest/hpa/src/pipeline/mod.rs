//! The metrics chain in front of the autoscaler, without I/O: why the stock HPA is as late as it is.
//!
//! ```text
//!  cumulative readings ─► Cadvisor: each container on its own schedule, every 10-20 s while busy
//!                             │ latest samples
//!                         MetricsServer: polled every 15 s; difference of the last two samples
//!                             │ raw pod metrics
//!                         client::resource_samples, at the autoscaler's sync, every 15 s
//! ```
//!
//! A driver calls [`Cadvisor::observe`] often (each second, say) with fresh readings,
//! [`MetricsServer::poll`] each [`MetricsServer::PERIOD`] with [`Cadvisor::latest`], and the
//! autoscaler each [`Settings::SYNC_PERIOD`](crate::Settings::SYNC_PERIOD) with
//! [`MetricsServer::pod_metrics`]. The three are not in phase. A driver for which readings cost
//! something keeps a [`Housekeeping`] for each container, reads only those that are due, and serves
//! [`MetricsServer::usage`], which is not rounded.

mod cadvisor;
mod server;

use std::time::Duration;

use crate::time::Moment;

pub use cadvisor::{Cadvisor, Housekeeping};
pub use server::{ContainerUsage, MetricsServer, PodUsage};

/// A container, and what it has used since its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// When the container started.
    pub started_at: Moment,
    /// CPU time used since then.
    pub cpu: Duration,
    /// Working set, in bytes.
    pub memory_bytes: u64,
}

/// A reading, and when it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The reading.
    pub reading: Reading,
    /// When.
    pub at: Moment,
}
