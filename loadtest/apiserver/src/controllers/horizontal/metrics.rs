//! The metrics APIs, asked as kube-controller-manager's metrics clients ask them.
//!
//! `metrics.k8s.io` is whatever the API server serves under that name, normally a metrics server
//! behind an `APIService`. The APIs of custom and external metrics are never there in the local
//! cluster, which answers as one without an adapter does.

use kube::Client;
use kube::api::{ListParams, Request};
use stock_hpa::MetricSpec;
use stock_hpa::client::{RawPodMetrics, Samples, resource_samples};
use stock_hpa::k8s::PodMetricsList;
use stock_hpa::metrics::Answer;
use stock_hpa::spec::MetricSource;

const GROUP_VERSION: &str = "/apis/metrics.k8s.io/v1beta1";

/// The answer to one metric's query for the pods of a namespace that `selector` picks.
pub(super) async fn query(
    client: &Client,
    namespace: &str,
    selector: &str,
    metric: &MetricSpec,
) -> Answer {
    let custom = "unable to fetch metrics from custom metrics API: no custom metrics API \
                  (custom.metrics.k8s.io) registered";
    match &metric.source {
        MetricSource::Resource { resource } => {
            let raw = pod_metrics(client, namespace, selector).await?;
            shape(resource_samples(&raw, resource, None))
        }
        MetricSource::ContainerResource {
            resource,
            container,
        } => {
            let raw = pod_metrics(client, namespace, selector).await?;
            shape(resource_samples(&raw, resource, Some(container)))
        }
        MetricSource::Pods { .. } | MetricSource::Object { .. } => Err(custom.to_owned()),
        MetricSource::External { metric } => Err(format!(
            "unable to fetch metrics from external metrics API: {}",
            not_found(&format!("{}.external.metrics.k8s.io", metric.name))
        )),
        MetricSource::Unknown(kind) => Err(format!("unknown metric source type \"{kind}\"")),
    }
}

fn shape(shaped: stock_hpa::client::Shaped<stock_hpa::client::PodSamples>) -> Answer {
    match shaped {
        Ok((samples, _)) => Ok(Samples::Pods(samples)),
        Err(error) => Err(error.to_string()),
    }
}

async fn pod_metrics(
    client: &Client,
    namespace: &str,
    selector: &str,
) -> Result<Vec<RawPodMetrics>, String> {
    let unable = |text| format!("unable to fetch metrics from resource metrics API: {text}");
    let path = format!("{GROUP_VERSION}/namespaces/{namespace}/pods");
    let request = Request::new(path).list(&ListParams::default().labels(selector));
    let request = request.map_err(|error| unable(error.to_string()))?;
    let list: PodMetricsList = client
        .request(request)
        .await
        .map_err(|error| unable(reason(&error, "pods.metrics.k8s.io")))?;
    Vec::try_from(&list).map_err(|error| unable(error.to_string()))
}

/// The server's words about its objects; about an API that is not there, client-go's.
fn reason(error: &kube::Error, resource: &str) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 => not_found(resource),
        kube::Error::Api(status) if status.code == 503 => {
            format!("the server is currently unable to handle the request (get {resource})")
        }
        _ => text_of(error),
    }
}

fn not_found(resource: &str) -> String {
    format!("the server could not find the requested resource (get {resource})")
}

/// The API's text, which conditions and events quote.
pub(super) fn text_of(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
