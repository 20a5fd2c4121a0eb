//! What the agent says about itself.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::admin::AdminEndpoint;

/// How long one answer may take; the agent is on this machine.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// A reader of the agent's `/metrics`.
#[derive(Debug)]
pub(in crate::bench) struct AgentMetrics(AdminEndpoint);

impl AgentMetrics {
    pub(in crate::bench) fn at(address: SocketAddr) -> Result<Self> {
        AdminEndpoint::at(address, "agent", ANSWER_DEADLINE).map(Self)
    }

    /// Containers that it measures.
    pub(in crate::bench) async fn containers(&self) -> Result<u64> {
        self.value("viperscale_agent_containers").await
    }

    /// Reports since its start.
    pub(in crate::bench) async fn reports_sent(&self) -> Result<u64> {
        self.value("viperscale_agent_reports_sent_total").await
    }

    /// Bytes of the last report.
    pub(in crate::bench) async fn report_bytes(&self) -> Result<u64> {
        self.value("viperscale_agent_report_bytes").await
    }

    /// The revision of the configuration that it measures by; 0 without one.
    pub(in crate::bench) async fn revision(&self) -> Result<u64> {
        self.value("viperscale_agent_configuration_revision").await
    }

    /// eBPF programs that are attached.
    pub(in crate::bench) async fn attached(&self) -> Result<u64> {
        self.value("viperscale_agent_attached_programs").await
    }

    /// Metrics that this kernel cannot measure.
    pub(in crate::bench) async fn unsupported(&self) -> Result<Vec<String>> {
        let metrics = self.0.metrics().await?;
        Ok(metrics.values_of_label(
            "viperscale_agent_metric_support",
            "support=\"unsupported\"",
            "metric",
        ))
    }

    async fn value(&self, name: &str) -> Result<u64> {
        let value = self.0.metrics().await?.sum(name, "");
        let value = value.with_context(|| format!("the agent's metrics lack {name}"))?;
        Ok(value as u64)
    }
}
