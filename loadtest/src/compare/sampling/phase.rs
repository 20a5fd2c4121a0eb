//! Where a moment falls in the periods of the HPA's metrics chain: what decides seconds of its reaction, so that it
//! is recorded. Only the local node tells it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use comparison::record::MetricsPhase;
use kube::Client;
use serde::Deserialize;

use super::Pods;

/// Where the node tells it.
const PATH: &str = "/apis/metrics.k8s.io/v1beta1/schedule";

/// How often the HPA controller looks at an object, from its creation on.
const SYNC: Duration = Duration::from_secs(15);

/// The node's answer; times in milliseconds from its `now`.
#[derive(Debug, Deserialize)]
pub(in crate::compare) struct Schedule {
    now_unix_ms: i64,
    next_poll_ms: i64,
    containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Container {
    pod: String,
    next_sample_in_ms: i64,
}

/// Asks the node.
///
/// # Errors
/// When the cluster's metrics do not come from such a node.
pub(in crate::compare) async fn ask(client: Client) -> Result<Schedule> {
    let request = http::Request::get(PATH)
        .body(Vec::new())
        .context("a path is no URL")?;
    let answer = client.request(request).await;
    answer.context("the node does not tell its schedule")
}

impl Schedule {
    /// Seconds from `moment` to what comes next; `hpas_created_at` is when the HPA of each deployment began.
    ///
    /// The answer may come a little after the moment: what came between is then in the past by as much.
    pub(in crate::compare) fn seen_from(
        &self,
        moment: SystemTime,
        pods: &Pods,
        hpas_created_at: &BTreeMap<String, SystemTime>,
    ) -> MetricsPhase {
        let unix_ms = |at: SystemTime| {
            let since = at.duration_since(SystemTime::UNIX_EPOCH);
            i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
        };
        let late_ms = self.now_unix_ms - unix_ms(moment);
        let seconds = |after_ms: i64| (after_ms + late_ms) as f64 / 1000.0;
        let mut next_sample_seconds = BTreeMap::new();
        for container in &self.containers {
            if let Some(deployment) = pods.deployment_of(&container.pod) {
                let next = seconds(container.next_sample_in_ms);
                let earliest = next_sample_seconds
                    .entry(deployment.to_owned())
                    .or_insert(next);
                *earliest = next.min(*earliest);
            }
        }
        let next_sync = |created: &SystemTime| {
            let age = moment.duration_since(*created).unwrap_or_default();
            let period = SYNC.as_secs_f64();
            period - age.as_secs_f64() % period
        };
        MetricsPhase {
            next_poll_seconds: seconds(self.next_poll_ms),
            next_sample_seconds,
            next_sync_seconds: hpas_created_at
                .iter()
                .map(|(deployment, created)| (deployment.clone(), next_sync(created)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_count_from_the_moment() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let schedule: Schedule = serde_json::from_value(serde_json::json!({
            "now_unix_ms": 1_000_500, "next_poll_ms": 4000,
            "containers": [
                {"namespace": "shop", "pod": "a", "container": "server", "last_sample_age_ms": 1, "next_sample_in_ms": 9000},
                {"namespace": "shop", "pod": "b", "container": "server", "last_sample_age_ms": 1, "next_sample_in_ms": 2000},
                {"namespace": "x", "pod": "stranger", "container": "c", "last_sample_age_ms": 1, "next_sample_in_ms": 1},
            ],
        }))
        .unwrap();
        let mut pods = Pods::default();
        for name in ["a", "b"] {
            pods.add_for_test(name, "cart");
        }
        let created = BTreeMap::from([("cart".to_owned(), moment - Duration::from_secs(34))]);
        let phase = schedule.seen_from(moment, &pods, &created);
        assert_eq!(phase.next_poll_seconds, 4.5);
        assert_eq!(
            phase.next_sample_seconds,
            BTreeMap::from([("cart".to_owned(), 2.5)])
        );
        assert_eq!(
            phase.next_sync_seconds,
            BTreeMap::from([("cart".to_owned(), 11.0)])
        );
    }
}
