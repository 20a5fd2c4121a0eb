//! What a pass looks at.

use futures::future::try_join;
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::Client;
use kube::api::{Api, ListParams};
use stock_hpa::metrics::Answer;
use stock_hpa::reconcile::Scale;
use stock_hpa::selector::Selector;
use stock_hpa::{Hpa, Pod};

use super::super::{Doing, Error};
use super::metrics;

/// Pods of a target and the answers to the metric queries.
#[derive(Debug, Default)]
pub(super) struct Readings {
    pub(super) pods: Vec<Pod>,
    pub(super) answers: Vec<Answer>,
}

/// Whether metrics decide at this scale: outside of the bounds the bound does, at zero nothing.
pub(super) fn metrics_decide(hpa: &Hpa, scale: &Scale) -> bool {
    let replicas = scale.spec_replicas;
    replicas != 0
        && (hpa.min_replicas()..=hpa.max_replicas).contains(&replicas)
        && scale.selector.parse::<Selector>().is_ok()
        && !scale.selector.is_empty()
}

/// Asks for the pods and for each metric. A metric that cannot be read is an answer.
///
/// # Errors
/// When the pods cannot be read, without which there is no pass.
pub(super) async fn readings(client: &Client, hpa: &Hpa, scale: &Scale) -> Result<Readings, Error> {
    let (pods, answers) = try_join(pods(client, &hpa.namespace, &scale.selector), async {
        let mut answers = Vec::with_capacity(hpa.metrics.len());
        for metric in &hpa.metrics {
            answers.push(metrics::query(client, &hpa.namespace, &scale.selector, metric).await);
        }
        Ok(answers)
    })
    .await?;
    Ok(Readings { pods, answers })
}

async fn pods(client: &Client, namespace: &str, selector: &str) -> Result<Vec<Pod>, Error> {
    let api: Api<ApiPod> = Api::namespaced(client.clone(), namespace);
    let parameters = ListParams::default().labels(selector);
    let pods = api.list(&parameters).await.doing("list pods")?;
    // A pod that cannot be read has a quantity that no API server accepts.
    Ok(pods
        .iter()
        .filter_map(|pod| Pod::try_from(pod).ok())
        .collect())
}
