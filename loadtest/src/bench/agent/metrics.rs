//! What the agent says about itself.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::admin::AdminEndpoint;

/// How long one answer may take; the agent is on this machine.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// A reader of the agent's `/metrics`.
#[derive(Debug)]
pub(super) struct AgentMetrics(AdminEndpoint);

impl AgentMetrics {
    pub(super) fn at(address: SocketAddr) -> Result<Self> {
        AdminEndpoint::at(address, "agent", ANSWER_DEADLINE).map(Self)
    }

    /// Containers that it measures.
    pub(super) async fn containers(&self) -> Result<u64> {
        self.value("viperscale_agent_containers").await
    }

    /// Reports since its start.
    pub(super) async fn reports_sent(&self) -> Result<u64> {
        self.value("viperscale_agent_reports_sent_total").await
    }

    async fn value(&self, name: &str) -> Result<u64> {
        let value = self.0.metrics().await?.sum(name, "");
        let value = value.with_context(|| format!("the agent's metrics lack {name}"))?;
        Ok(value as u64)
    }
}
