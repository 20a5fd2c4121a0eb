//! HorizontalPodAutoscalers of both versions, read into one form.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscalerBehavior, MetricSpec};
use k8s_openapi::api::autoscaling::{v1, v2};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::{Deserialize, DeserializeOwned};
use serde_json::Value;

const KIND: &str = "HorizontalPodAutoscaler";
/// `kubectl get hpa -o yaml` prints lists.
const LISTS: [&str; 2] = ["List", "HorizontalPodAutoscalerList"];
/// Where `autoscaling/v1` hides what it has no field for.
const HIDDEN_IN_V1: &str = "autoscaling.alpha.kubernetes.io/";
/// What the HPA assumes without metrics, and what `autoscaling/v1` measures: percent of the request.
const DEFAULT_CPU_PERCENT: i32 = 80;

/// What matters of an HPA.
#[derive(Debug)]
pub(super) struct Autoscaler {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    /// The name of the Deployment.
    pub(super) target: String,
    pub(super) min_replicas: Option<i32>,
    pub(super) max_replicas: i32,
    pub(super) metrics: Vec<Metric>,
    pub(super) behavior: Option<HorizontalPodAutoscalerBehavior>,
    /// Annotations of `autoscaling/v1` that carry more than its fields.
    pub(super) hidden: Vec<String>,
}

/// A metric of an HPA.
#[derive(Debug)]
pub(super) enum Metric {
    /// CPU, of all containers or of one, in percent of the request.
    CpuUtilization {
        container: Option<String>,
        percent: i32,
        /// Nothing asked for it: the HPA assumes it.
        assumed: bool,
    },
    /// CPU, of all containers or of one, as CPU time per pod: a quantity.
    CpuValue {
        container: Option<String>,
        quantity: String,
    },
    /// Anything else, in words: `memory of every container, 80 % of the request`.
    Other(String),
}

/// The autoscalers of a document; `None` for an empty one.
pub(super) fn read(
    document: serde_yaml::Deserializer<'_>,
) -> Result<Option<Vec<Autoscaler>>, String> {
    let value = Value::deserialize(document).map_err(|error| error.to_string())?;
    if value.is_null() {
        return Ok(None);
    }
    let kind = value["kind"].as_str().unwrap_or_default();
    match value["items"].as_array() {
        Some(items) if LISTS.contains(&kind) => items
            .iter()
            .map(read_one)
            .collect::<Result<_, _>>()
            .map(Some),
        _ => Ok(Some(vec![read_one(&value)?])),
    }
}

fn read_one(value: &Value) -> Result<Autoscaler, String> {
    let word = |field: &str| match &value[field] {
        Value::String(text) => format!("`{text}`"),
        Value::Null => "nothing".to_owned(),
        _ => "something else".to_owned(),
    };
    if value["kind"] != KIND {
        return Err(format!("kind: expected `{KIND}`, found {}", word("kind")));
    }
    match value["apiVersion"].as_str() {
        Some("autoscaling/v2") => from_v2(typed(value)?),
        Some("autoscaling/v1") => from_v1(typed(value)?),
        _ => Err(format!(
            "apiVersion: expected `autoscaling/v2` or `autoscaling/v1`, found {}",
            word("apiVersion")
        )),
    }
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| error.to_string())
}

fn from_v2(hpa: v2::HorizontalPodAutoscaler) -> Result<Autoscaler, String> {
    let spec = hpa.spec;
    let target = &spec.scale_target_ref;
    let metrics = match spec.metrics.unwrap_or_default() {
        none if none.is_empty() => vec![Metric::CpuUtilization {
            container: None,
            percent: DEFAULT_CPU_PERCENT,
            assumed: true,
        }],
        some => some.into_iter().map(metric).collect(),
    };
    Ok(Autoscaler {
        target: deployment(target.api_version.as_deref(), &target.kind, &target.name)?,
        min_replicas: spec.min_replicas,
        max_replicas: spec.max_replicas,
        metrics,
        behavior: spec.behavior,
        ..named(hpa.metadata)?
    })
}

fn from_v1(hpa: v1::HorizontalPodAutoscaler) -> Result<Autoscaler, String> {
    let spec = hpa.spec;
    let target = &spec.scale_target_ref;
    let hidden = hpa
        .metadata
        .annotations
        .iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .filter(|key| {
            key.strip_prefix(HIDDEN_IN_V1)
                .is_some_and(|what| what == "metrics" || what == "behavior")
        })
        .collect();
    let percent = spec.target_cpu_utilization_percentage;
    Ok(Autoscaler {
        target: deployment(target.api_version.as_deref(), &target.kind, &target.name)?,
        min_replicas: spec.min_replicas,
        max_replicas: spec.max_replicas,
        metrics: vec![Metric::CpuUtilization {
            container: None,
            percent: percent.unwrap_or(DEFAULT_CPU_PERCENT),
            assumed: percent.is_none(),
        }],
        hidden,
        ..named(hpa.metadata)?
    })
}

fn named(metadata: ObjectMeta) -> Result<Autoscaler, String> {
    Ok(Autoscaler {
        name: metadata
            .name
            .ok_or("metadata.name: expected the name of the autoscaler, found nothing")?,
        namespace: metadata.namespace,
        target: String::new(),
        min_replicas: None,
        max_replicas: 0,
        metrics: Vec::new(),
        behavior: None,
        hidden: Vec::new(),
    })
}

fn deployment(version: Option<&str>, kind: &str, name: &str) -> Result<String, String> {
    match (version, kind) {
        (None | Some("apps/v1"), "Deployment") => Ok(name.to_owned()),
        _ => Err(format!(
            "spec.scaleTargetRef: expected an apps/v1 Deployment, found {}{kind}",
            version.map_or(String::new(), |version| format!("{version} ")),
        )),
    }
}

fn metric(spec: MetricSpec) -> Metric {
    let (container, name, target) = match (spec.resource, spec.container_resource) {
        (Some(resource), _) => (None, resource.name, resource.target),
        (_, Some(resource)) => (Some(resource.container), resource.name, resource.target),
        _ => {
            let name = (spec.pods.map(|source| source.metric.name))
                .or(spec.object.map(|source| source.metric.name))
                .or(spec.external.map(|source| source.metric.name))
                .unwrap_or_default();
            return Metric::Other(format!("{} metric `{name}`", spec.type_));
        }
    };
    match (
        name.as_str(),
        target.average_utilization,
        target.average_value,
    ) {
        ("cpu", Some(percent), _) => Metric::CpuUtilization {
            container,
            percent,
            assumed: false,
        },
        ("cpu", None, Some(value)) => Metric::CpuValue {
            container,
            quantity: value.0,
        },
        _ => {
            let of = container.map_or("all containers".to_owned(), |name| {
                format!("container `{name}`")
            });
            Metric::Other(format!("use of `{name}` by {of}"))
        }
    }
}
