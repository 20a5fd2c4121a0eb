//! The metrics client: raw API answers shaped into one sample per pod.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Moment;

/// A pod's sample of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodSample {
    /// Thousandths of the unit.
    pub value_milli: i64,
    /// End of the time it was measured over.
    pub timestamp: Moment,
    /// Length of the time it was measured over.
    pub window: Duration,
}

/// Samples by pod name.
pub type PodSamples = BTreeMap<String, PodSample>;

/// What a metrics query came back with.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// Resource, ContainerResource and Pods metrics: one sample per pod.
    Pods(PodSamples),
    /// Object metrics: one value, in thousandths.
    Object(i64),
    /// External metrics: one value per series, in thousandths.
    External(Vec<i64>),
}

/// A pod's answer of `metrics.k8s.io`.
#[derive(Debug, Clone, PartialEq)]
pub struct RawPodMetrics {
    /// The pod's name.
    pub name: String,
    /// Usage of each container.
    pub containers: Vec<RawContainerMetrics>,
    /// End of the window.
    pub timestamp: Moment,
    /// Length of the window.
    pub window: Duration,
}

/// A container's usage.
#[derive(Debug, Clone, PartialEq)]
pub struct RawContainerMetrics {
    /// The container's name.
    pub name: String,
    /// Thousandths, by resource.
    pub usage_milli: BTreeMap<String, i64>,
}

/// A value of `custom.metrics.k8s.io`.
#[derive(Debug, Clone, PartialEq)]
pub struct RawPodValue {
    /// The pod's name.
    pub name: String,
    /// Thousandths.
    pub value_milli: i64,
    /// When it was measured.
    pub timestamp: Moment,
    /// Over how long; absent: [`DEFAULT_WINDOW`].
    pub window: Option<Duration>,
}

/// The window assumed of a custom metric that names none.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// An API that answered, with nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no metrics returned from {0} metrics API")]
pub struct EmptyAnswer(&'static str);

/// Samples and the moment the answer as a whole is said to be from: its first item's.
pub type Shaped<T> = Result<(T, Moment), EmptyAnswer>;

/// Resource usage per pod: of `container`, or summed over all of them.
///
/// A pod is left out when a container's value is missing, or the wanted container is not reported;
/// it then counts as a pod without metrics.
pub fn resource_samples(
    raw: &[RawPodMetrics],
    resource: &str,
    container: Option<&str>,
) -> Shaped<PodSamples> {
    let first = raw.first().ok_or(EmptyAnswer("resource"))?;
    let samples = raw
        .iter()
        .filter_map(|pod| {
            let value_milli = match container {
                Some(name) => {
                    let container = pod.containers.iter().find(|c| c.name == name)?;
                    *container.usage_milli.get(resource)?
                }
                None if pod.containers.is_empty() => return None,
                None => pod.containers.iter().try_fold(0i64, |sum, container| {
                    Some(sum.saturating_add(*container.usage_milli.get(resource)?))
                })?,
            };
            let sample = PodSample {
                value_milli,
                timestamp: pod.timestamp,
                window: pod.window,
            };
            Some((pod.name.clone(), sample))
        })
        .collect();
    Ok((samples, first.timestamp))
}

/// Custom metrics per pod.
pub fn pod_samples(raw: &[RawPodValue]) -> Shaped<PodSamples> {
    let first = raw.first().ok_or(EmptyAnswer("custom"))?;
    let samples = raw
        .iter()
        .map(|pod| {
            let window = pod.window.unwrap_or(DEFAULT_WINDOW);
            let (value_milli, timestamp) = (pod.value_milli, pod.timestamp);
            (
                pod.name.clone(),
                PodSample {
                    value_milli,
                    timestamp,
                    window,
                },
            )
        })
        .collect();
    Ok((samples, first.timestamp))
}

/// External metrics, one value per series: `(value in thousandths, measured at)`.
pub fn external_values(raw: &[(i64, Moment)]) -> Shaped<Vec<i64>> {
    let &(_, timestamp) = raw.first().ok_or(EmptyAnswer("external"))?;
    Ok((raw.iter().map(|&(value, _)| value).collect(), timestamp))
}
