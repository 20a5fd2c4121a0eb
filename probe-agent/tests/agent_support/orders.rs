//! What a scaler tells agents to measure.

use std::time::Duration;

use viperscale_proto::v1;
use viperscale_proto::v1::Metric;

use super::cgroups::Container;

/// Time between two reports: shorter than usual, for the sake of the tests' time.
pub const INTERVAL: Duration = Duration::from_millis(200);

/// Has `metrics` of `container` measured, each at its rate.
pub fn target(container: &Container, metrics: &[(Metric, f64)]) -> v1::Target {
    let setting = |&(metric, sampling): &(Metric, f64)| v1::MetricSetting {
        metric: metric.into(),
        sampling,
    };
    v1::Target {
        pod_uid: container.pod_uid.clone(),
        container_name: "server".into(),
        container_id: container.id.clone(),
        metrics: metrics.iter().map(setting).collect(),
    }
}

/// The first leader's configuration.
pub fn configuration(revision: u64, targets: Vec<v1::Target>) -> v1::Configuration {
    v1::Configuration {
        revision,
        interval_ns: u64::try_from(INTERVAL.as_nanos()).expect("short"),
        targets,
        term: 1,
    }
}
