//! CPU time of pods on nodes that are not this machine, from `metrics.k8s.io`.
//!
//! Its values are averages over 10 to 30 s and some ten seconds old: coarser than cgroups, and pods that live
//! shortly are missed. Trials that are measured so say so.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::Client;
use serde::Deserialize;
use stock_hpa::Quantity;

/// A pod's usage as `metrics.k8s.io/v1beta1` has it, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
struct PodMetrics {
    metadata: Named,
    timestamp: String,
    window: String,
    containers: Vec<ContainerMetrics>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
struct ContainerMetrics {
    usage: Usage,
}

#[derive(Debug, Clone, Deserialize)]
struct Usage {
    cpu: String,
}

#[derive(Debug, Deserialize)]
struct List {
    items: Vec<PodMetrics>,
}

/// A reader that adds averages up to a clock for each pod.
#[derive(Debug)]
pub(in crate::compare) struct MetricsApi {
    path: String,
    sums: Sums,
}

/// Time that each pod has used as far as it was told, by name, and the newest sample of it.
#[derive(Debug, Default)]
struct Sums(BTreeMap<String, (String, Duration)>);

impl MetricsApi {
    /// Of the pods of `namespace`.
    pub(in crate::compare) fn of_namespace(namespace: &str) -> Self {
        Self {
            path: format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"),
            sums: Sums::default(),
        }
    }

    /// CPU time of each pod so far, by name.
    ///
    /// # Errors
    /// When the cluster has no metrics API.
    pub(in crate::compare) async fn read(
        &mut self,
        client: &Client,
    ) -> Result<BTreeMap<String, Duration>> {
        let request = http::Request::get(&self.path)
            .body(Vec::new())
            .context("a path is no URL")?;
        let list: List = client
            .request(request)
            .await
            .context("the cluster tells no CPU usage: it needs metrics-server, as the HPA does")?;
        for pod in list.items {
            self.sums.add(&pod);
        }
        let sums = self.sums.0.iter();
        Ok(sums
            .map(|(pod, (_, clock))| (pod.clone(), *clock))
            .collect())
    }
}

impl Sums {
    fn add(&mut self, pod: &PodMetrics) {
        let (newest, sum) = self.0.entry(pod.metadata.name.clone()).or_default();
        if *newest == pod.timestamp {
            return;
        }
        newest.clone_from(&pod.timestamp);
        let milli_cores: i64 = pod
            .containers
            .iter()
            .filter_map(|container| container.usage.cpu.parse::<Quantity>().ok())
            .map(|quantity| quantity.milli)
            .sum();
        // Consecutive windows meet: each begins with the sample that ended the one before.
        let window = humantime::parse_duration(&pod.window).unwrap_or_default();
        *sum += window.mul_f64(milli_cores.max(0) as f64 / 1000.0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn windows_add_up_and_none_counts_twice() {
        let sample = |timestamp: &str, cpu: &str| -> PodMetrics {
            serde_json::from_value(json!({
                "metadata": {"name": "a"}, "timestamp": timestamp, "window": "15.5s",
                "containers": [{"name": "server", "usage": {"cpu": cpu, "memory": "1Mi"}}],
            }))
            .unwrap()
        };
        let mut sums = Sums::default();
        sums.add(&sample("2026-01-01T00:00:00Z", "200m"));
        sums.add(&sample("2026-01-01T00:00:00Z", "200m"));
        sums.add(&sample("2026-01-01T00:00:15Z", "100000000n"));
        assert_eq!(sums.0["a"].1, Duration::from_millis(3100 + 1550));
    }
}
