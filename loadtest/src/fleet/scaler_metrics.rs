//! What the scaler says about itself, as far as the fleet needs it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

/// How long one answer may take; the scaler is on this machine, and busy.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// A reader of the scaler's `/metrics`.
#[derive(Debug)]
pub(super) struct ScalerMetrics {
    client: reqwest::Client,
    url: String,
}

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

    pub(super) async fn read(&self) -> Result<Reading> {
        let text = self
            .client
            .get(&self.url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .context("the scaler does not tell its metrics")?
            .text()
            .await
            .context("cannot read the scaler's metrics")?;
        Ok(reading(&text))
    }
}

fn reading(text: &str) -> Reading {
    Reading {
        agents: sum(text, "viperscale_agents_connected", ""),
        targets: sum(text, "viperscale_targets", ""),
        reports_accepted: sum(text, "viperscale_reports_total", "result=\"accepted\""),
        samples_accepted: sum(text, "viperscale_samples_total", "result=\"accepted\""),
        decisions: sum(text, "viperscale_decisions_total", ""),
    }
}

/// The sum of the metric `name` over all label sets that contain `label`; 0 for one that was never
/// counted, which Prometheus' format leaves out.
fn sum(text: &str, name: &str, label: &str) -> u64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        let value: f64 = value.trim().parse().ok()?;
        labels.contains(label).then_some(value)
    });
    values.sum::<f64>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_the_wanted_labels() {
        let text = "# TYPE viperscale_reports_total counter\n\
            viperscale_reports_total{result=\"accepted\"} 41\n\
            viperscale_reports_total{result=\"dropped\"} 7\n\
            viperscale_decisions_total{reason=\"WithinThreshold\"} 3\n\
            viperscale_decisions_total{reason=\"AboveThreshold\"} 2\n\
            viperscale_targets 150000\nviperscale_targets_other 1\n";
        let reading = reading(text);
        assert_eq!((reading.reports_accepted, reading.decisions), (41, 5));
        assert_eq!((reading.targets, reading.agents), (150_000, 0));
    }
}
