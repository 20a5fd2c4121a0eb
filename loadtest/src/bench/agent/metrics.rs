//! What the agent says about itself.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

/// How long one answer may take; the agent is on this machine.
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);

/// A reader of the agent's `/metrics`.
#[derive(Debug)]
pub(super) struct AgentMetrics {
    client: reqwest::Client,
    url: String,
}

impl AgentMetrics {
    pub(super) fn at(address: SocketAddr) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(ANSWER_DEADLINE)
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self {
            client,
            url: format!("http://{address}/metrics"),
        })
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
        let text = self
            .client
            .get(&self.url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .context("the agent does not tell its metrics")?
            .text()
            .await
            .context("cannot read the agent's metrics")?;
        value(&text, name).with_context(|| format!("the agent's metrics lack {name}"))
    }
}

/// The value of the metric `name`, which has no labels, in Prometheus' text format.
fn value(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(found, _)| *found == name)
        .and_then(|(_, value)| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# HELP sent_total Reports.\n# TYPE sent_total counter\nsent_total_bytes 7\n\
                    sent{to=\"a\"} 3\nsent_total 42\n";
        assert_eq!(value(text, "sent_total"), Some(42));
        assert_eq!(value(text, "sent"), None);
        assert_eq!(value("", "sent"), None);
    }
}
