//! What the scaler says about itself, as far as the fleet needs it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::admin::{AdminEndpoint, Metrics};

/// How long one answer may take; the scaler is on this machine, and busy.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// A reader of the scaler's `/metrics`.
#[derive(Debug)]
pub(super) struct ScalerMetrics(AdminEndpoint);

/// One reading.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    /// Agents with a stream.
    pub(super) agents: u64,
    /// Containers that agents were told to measure.
    pub(super) targets: u64,
    /// Reports that reached the controller.
    pub(super) reports_accepted: u64,
    /// Container samples in them.
    pub(super) samples_accepted: u64,
    /// Decisions.
    pub(super) decisions: u64,
}

impl ScalerMetrics {
    pub(super) fn at(address: SocketAddr) -> Result<Self> {
        AdminEndpoint::at(address, "scaler", ANSWER_DEADLINE).map(Self)
    }

    pub(super) async fn read(&self) -> Result<Reading> {
        Ok(Reading::of(&self.0.metrics().await?))
    }
}

impl Reading {
    fn of(metrics: &Metrics) -> Self {
        let sum = |name, label| metrics.sum(name, label).unwrap_or_default() as u64;
        let accepted = "result=\"accepted\"";
        Self {
            agents: sum("viperscale_agents_connected", ""),
            targets: sum("viperscale_targets", ""),
            reports_accepted: sum("viperscale_reports_total", accepted),
            samples_accepted: sum("viperscale_samples_total", accepted),
            decisions: sum("viperscale_decisions_total", ""),
        }
    }
}
