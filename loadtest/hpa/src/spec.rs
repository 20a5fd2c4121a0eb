//! The autoscaler object: what it scales, by which metrics, between which bounds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::behavior::Behavior;
use crate::status::Status;

/// A `HorizontalPodAutoscaler`, defaults filled in (see [`Hpa::with_defaults`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Hpa {
    /// Its name.
    pub name: String,
    /// Its namespace, and that of its target.
    pub namespace: String,
    /// Kind and name of the scale target, for messages: `Deployment/shop`.
    pub target: String,
    /// `spec.minReplicas`; absent: 1.
    pub min_replicas: Option<i32>,
    /// `spec.maxReplicas`.
    pub max_replicas: i32,
    /// Metrics; the largest proposal wins.
    pub metrics: Vec<MetricSpec>,
    /// `spec.behavior`, defaults filled in. Present or absent decides the way of normalising.
    pub behavior: Option<Behavior>,
    /// The status of the last pass.
    pub status: Status,
}

/// One entry of `spec.metrics`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSpec {
    /// What is measured.
    pub source: MetricSource,
    /// What it should be.
    pub target: Target,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricSource {
    /// A resource, summed over the containers of each pod.
    Resource {
        /// `cpu` or `memory`.
        resource: String,
    },
    /// A resource of one container of each pod.
    ContainerResource {
        /// `cpu` or `memory`.
        resource: String,
        /// The container's name.
        container: String,
    },
    /// A custom metric of each pod.
    Pods {
        /// Its identity.
        metric: MetricId,
    },
    /// A custom metric of one object.
    Object {
        /// Its identity.
        metric: MetricId,
        /// The object it describes.
        object: ObjectRef,
    },
    /// A metric from outside of the cluster; its series are summed.
    External {
        /// Its identity.
        metric: MetricId,
    },
    /// A type this version does not know.
    Unknown(String),
}

/// Identity of a custom or external metric.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricId {
    /// The metric's name.
    pub name: String,
    /// Narrows down the series.
    pub selector: Option<LabelSelector>,
}

/// Reference to an object of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectRef {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// The value to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Target {
    /// Which of the values was meant. Only Object metrics look at it; the others take what is there.
    pub kind: TargetKind,
    /// Percent of the request.
    pub average_utilization_percent: Option<i32>,
    /// Thousandths per pod.
    pub average_value_milli: Option<i64>,
    /// Thousandths in all.
    pub value_milli: Option<i64>,
}

/// `target.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetKind {
    /// Percent of the request.
    #[default]
    Utilization,
    /// The whole.
    Value,
    /// The whole over the replicas.
    AverageValue,
}

impl Hpa {
    /// The bound below which it never goes by itself.
    pub fn min_replicas(&self) -> i32 {
        self.min_replicas.unwrap_or(1)
    }

    /// Fills in what the API server does: CPU at 80 % when no metric is given, and the behavior.
    #[must_use]
    pub fn with_defaults(mut self) -> Self {
        if self.metrics.is_empty() {
            self.metrics.push(MetricSpec {
                source: MetricSource::Resource {
                    resource: "cpu".to_owned(),
                },
                target: Target {
                    average_utilization_percent: Some(80),
                    ..Target::default()
                },
            });
        }
        self.min_replicas = self.min_replicas.or(Some(1));
        self.behavior = self.behavior.map(|behavior| behavior.with_defaults());
        self
    }

    /// Whether any metric can be read without pods, which scaling from zero needs.
    pub fn has_object_or_external_metrics(&self) -> bool {
        self.metrics.iter().any(|metric| {
            matches!(
                metric.source,
                MetricSource::Object { .. } | MetricSource::External { .. }
            )
        })
    }
}

impl MetricSource {
    /// The type as the API names it.
    pub fn kind(&self) -> &str {
        match self {
            Self::Resource { .. } => "Resource",
            Self::ContainerResource { .. } => "ContainerResource",
            Self::Pods { .. } => "Pods",
            Self::Object { .. } => "Object",
            Self::External { .. } => "External",
            Self::Unknown(kind) => kind,
        }
    }
}
