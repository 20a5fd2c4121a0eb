//! What a scaler or an agent tells over HTTP: readiness, JSON, Prometheus metrics.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

/// The admin endpoint of one process.
#[derive(Debug, Clone)]
pub(crate) struct AdminEndpoint {
    client: reqwest::Client,
    base: String,
    /// Whose it is, for errors: "scaler".
    of: &'static str,
}

/// One answer of `/metrics`, in Prometheus' text format.
#[derive(Debug)]
pub(crate) struct Metrics(String);

impl AdminEndpoint {
    /// That of `of` at `address`, which has `deadline` for each answer.
    pub(crate) fn at(address: SocketAddr, of: &'static str, deadline: Duration) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(deadline)
            .no_proxy()
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self {
            client,
            base: format!("http://{address}"),
            of,
        })
    }

    /// Whether it says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let answer = self.client.get(format!("{}/ready", self.base)).send().await;
        answer.is_ok_and(|response| response.status().is_success())
    }

    pub(crate) async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.get(path).await?.json().await;
        answer.with_context(|| format!("cannot read /{path} of the {}", self.of))
    }

    pub(crate) async fn metrics(&self) -> Result<Metrics> {
        let answer = self.get("metrics").await?.text().await;
        let text = answer.with_context(|| format!("cannot read /metrics of the {}", self.of))?;
        Ok(Metrics(text))
    }

    async fn get(&self, path: &str) -> Result<reqwest::Response> {
        let answer = self
            .client
            .get(format!("{}/{path}", self.base))
            .send()
            .await;
        answer
            .and_then(reqwest::Response::error_for_status)
            .with_context(|| format!("the {} does not answer /{path}", self.of))
    }
}

impl Metrics {
    /// The sum of the metric `name` over all label sets that contain `label`, "" for all of them;
    /// `None` when there is none: what was never counted is not told.
    pub(crate) fn sum(&self, name: &str, label: &str) -> Option<f64> {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let value: f64 = value.trim().parse().ok()?;
            labels.contains(label).then_some(value)
        });
        values.reduce(|sum, value| sum + value)
    }

    /// What `label` is in the label sets of the metric `name` that contain `among`.
    pub(crate) fn values_of_label(&self, name: &str, among: &str, label: &str) -> Vec<String> {
        let value = |line: &str| {
            let labels = line.strip_prefix(name)?.strip_prefix('{')?;
            let (_, rest) = labels.split_once(&format!("{label}=\""))?;
            let (value, _) = rest.split_once('"')?;
            labels.contains(among).then(|| value.to_owned())
        };
        self.0.lines().filter_map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_by_whole_name_over_the_wanted_labels() {
        let text = "# HELP sent_total Reports.\n# TYPE sent_total counter\n\
            reports_total{result=\"accepted\"} 41\nreports_total{result=\"dropped\"} 7\n\
            reports_total_bytes 9\nsent_total 42\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!(metrics.sum("reports_total", ""), Some(48.0));
        assert_eq!(metrics.sum("reports_total", "\"accepted\""), Some(41.0));
        assert_eq!(metrics.sum("reports_total", "\"invalid\""), None);
        assert_eq!(metrics.sum("sent_total", ""), Some(42.0));
        assert_eq!(metrics.sum("sent", ""), None);
        assert_eq!(metrics.sum("sent_total", "\"a\""), None);
    }
    #[test]
    fn values_of_a_label_are_found_whatever_the_order_of_labels() {
        let text = "support{metric=\"a\",level=\"none\"} 1\n\
            support{metric=\"b\",level=\"degraded\"} 1\nsupport{level=\"none\",metric=\"c\"} 1\n";
        let metrics = Metrics(text.to_owned());
        let values = metrics.values_of_label("support", "level=\"none\"", "metric");
        assert_eq!(values, ["a", "c"]);
    }
}
