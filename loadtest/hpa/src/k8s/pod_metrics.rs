//! `PodMetrics` of `metrics.k8s.io/v1beta1` in.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::SignedDuration;
use serde::Deserialize;

use super::{EdgeError, milli, moment};
use crate::client::{RawContainerMetrics, RawPodMetrics};

/// A list of them, as far as the autoscaler reads it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PodMetricsList {
    /// One per pod that is measured.
    pub items: Vec<PodMetrics>,
}

/// Usage of one pod.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PodMetrics {
    /// Name, namespace and labels of the pod.
    pub metadata: ObjectMeta,
    /// End of the window.
    pub timestamp: Time,
    /// Length of the window, as Go writes durations: `15.083s`, `1m0s`.
    pub window: String,
    /// Usage of each container.
    pub containers: Vec<ContainerMetrics>,
}

/// Usage of one container.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ContainerMetrics {
    /// The container's name.
    pub name: String,
    /// By resource: `cpu` in cores, `memory` in bytes.
    pub usage: BTreeMap<String, ApiQuantity>,
}

impl TryFrom<&PodMetricsList> for Vec<RawPodMetrics> {
    type Error = EdgeError;

    fn try_from(list: &PodMetricsList) -> Result<Self, EdgeError> {
        list.items.iter().map(RawPodMetrics::try_from).collect()
    }
}

impl TryFrom<&PodMetrics> for RawPodMetrics {
    type Error = EdgeError;

    fn try_from(pod: &PodMetrics) -> Result<Self, EdgeError> {
        let name = pod.metadata.name.clone();
        let window: Option<SignedDuration> = pod.window.parse().ok();
        let window = window.and_then(|window| window.try_into().ok());
        let usage = |container: &ContainerMetrics| {
            let usage = container.usage.iter();
            let usage_milli =
                usage.map(|(resource, amount)| Ok((resource.clone(), milli(amount)?)));
            Ok(RawContainerMetrics {
                name: container.name.clone(),
                usage_milli: usage_milli.collect::<Result<_, EdgeError>>()?,
            })
        };
        Ok(Self {
            name: name.ok_or(EdgeError::Missing("metadata.name"))?,
            containers: pod
                .containers
                .iter()
                .map(usage)
                .collect::<Result<_, EdgeError>>()?,
            timestamp: moment(&pod.timestamp),
            window: window.ok_or_else(|| EdgeError::Unknown {
                field: "window",
                value: pod.window.clone(),
                known: "durations such as 15s",
            })?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time::Moment;

    fn read(window: &str) -> Result<Vec<RawPodMetrics>, EdgeError> {
        let list = serde_json::json!({"items": [{
            "metadata": {"name": "p", "namespace": "d"},
            "timestamp": "1970-01-01T00:00:20Z",
            "window": window,
            "containers": [{"name": "c", "usage": {"cpu": "123456789n", "memory": "2Ki"}}],
        }]});
        let list: PodMetricsList = serde_json::from_value(list).unwrap();
        Vec::try_from(&list)
    }

    #[test]
    fn usage_is_read_in_thousandths() {
        let pod = &read("15.083s").unwrap()[0];
        assert_eq!(pod.timestamp, Moment::from_secs(20));
        assert_eq!(pod.window, Duration::from_millis(15_083));
        let usage = &pod.containers[0].usage_milli;
        assert_eq!(
            usage["cpu"], 124,
            "fractions of a thousandth are rounded up"
        );
        assert_eq!(usage["memory"], 2_048_000);
    }

    #[test]
    fn windows_are_durations_as_go_writes_them() {
        for (text, millis) in [
            ("1m0s", 60_000),
            ("1h2m3.5s", 3_723_500),
            ("0s", 0),
            ("10ms", 10),
        ] {
            assert_eq!(
                read(text).unwrap()[0].window,
                Duration::from_millis(millis),
                "{text}"
            );
        }
        for bad in ["", "15", "-1s", "soon"] {
            assert!(
                matches!(
                    read(bad),
                    Err(EdgeError::Unknown {
                        field: "window",
                        ..
                    })
                ),
                "{bad}"
            );
        }
    }
}
