//! What to measure, checked.

use std::path::PathBuf;
use std::time::Duration;

use viperscale_proto::v1;

use crate::cgroup::ContainerId;
use crate::kernel::{Metric, SamplingRate, Settings};

mod wishes;

pub use wishes::Wishes;

/// The interval when the scaler names none.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// The shortest interval: what happened in less is no sample to a scaler, and measuring that often
/// would be all that the agent does.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// The longest interval that is accepted; beyond it a scaler's unit is wrong.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(3_600);

/// What to measure from now on; it replaces the previous plan whole.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scaler's revision of this configuration; 0 without a scaler.
    pub revision: u64,
    /// Time between two reports.
    pub interval: Duration,
    /// Which containers.
    pub selection: Selection,
}

/// Which containers to measure.
#[derive(Clone, Debug)]
pub enum Selection {
    /// What the scaler asked for.
    Targets(Vec<Target>),
    /// Every container of a pod on this node.
    EveryContainer(Wishes),
    /// These cgroups with everything below them, whatever their names: paths relative to the mount
    /// of the tree that names containers.
    Cgroups(Vec<PathBuf>, Wishes),
}

/// One container that the scaler wants measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// `metadata.uid` of its pod, passed back unread.
    pub pod_uid: String,
    /// Its name in the pod, passed back unread.
    pub container_name: String,
    /// Its id, by which it is found here; or what is wrong with the id.
    pub container: Result<ContainerId, String>,
    /// What to measure of it.
    pub settings: Settings,
    /// Settings that were passed over, each with the reason.
    pub rejected: Vec<String>,
}

impl Selection {
    /// Nothing at all: no program stays attached.
    pub const NOTHING: Self = Self::Targets(Vec::new());

    /// Whether there is nothing to measure.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Targets(targets) => targets.is_empty(),
            Self::Cgroups(paths, _) => paths.is_empty(),
            Self::EveryContainer(_) => false,
        }
    }
}

impl Plan {
    /// Reads a configuration. One bad target or setting does not spoil the others: it is carried
    /// along with what is wrong with it, and reported as missing.
    pub fn from_configuration(message: v1::Configuration, default_interval: Duration) -> Self {
        let interval = match message.interval_ns {
            0 => default_interval,
            ns => Duration::from_nanos(ns).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL),
        };
        let targets = message.targets.into_iter().map(Target::from).collect();
        Self {
            revision: message.revision,
            interval,
            selection: Selection::Targets(targets),
        }
    }
}

impl From<v1::Target> for Target {
    fn from(message: v1::Target) -> Self {
        let container = ContainerId::parse(&message.container_id).ok_or_else(|| {
            format!(
                "the container id {:?} is not 64 lower-case hexadecimal digits; the scaler must \
                 send it without its scheme (containerd://)",
                message.container_id
            )
        });
        let (mut settings, mut rejected) = (Settings::default(), Vec::new());
        for setting in message.metrics {
            if let Err(why) = add_setting(&mut settings, setting) {
                rejected.push(why);
            }
        }
        Self {
            pod_uid: message.pod_uid,
            container_name: message.container_name,
            container,
            settings,
            rejected,
        }
    }
}

fn add_setting(settings: &mut Settings, setting: v1::MetricSetting) -> Result<(), String> {
    let metric = Metric::try_from(setting.metric).map_err(|_| {
        format!(
            "metric {} is unknown to this agent; upgrade it",
            setting.metric
        )
    })?;
    let rate = SamplingRate::try_new(setting.sampling)
        .map_err(|error| format!("{}: {error}", crate::metric_name(metric)))?;
    settings
        .set(metric, rate)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

    fn target(container_id: &str, metrics: &[(i32, f64)]) -> Target {
        let metrics = metrics
            .iter()
            .map(|&(metric, sampling)| v1::MetricSetting { metric, sampling })
            .collect();
        let message = v1::Target {
            container_id: container_id.into(),
            metrics,
            ..v1::Target::default()
        };
        message.into()
    }

    #[test]
    fn a_good_target_is_kept_whole() {
        let target = target(ID, &[(Metric::RunqLatency.into(), 0.5)]);
        assert_eq!(target.container.expect("an id").as_str(), ID);
        let rate = target.settings.get(Metric::RunqLatency).expect("set");
        assert!((rate.probability() - 0.5).abs() < 1e-6);
        assert!(target.rejected.is_empty());
    }

    #[test]
    fn bad_parts_are_named_and_the_rest_is_kept() {
        let target = target(
            "containerd://c0ffee",
            &[
                (Metric::SentBytes.into(), 1.0),
                (Metric::RunqLatency.into(), 0.0),
                (Metric::OnCpuTime.into(), 0.5),
                (Metric::Unspecified.into(), 1.0),
                (999, 1.0),
            ],
        );
        assert!(
            target
                .container
                .expect_err("a scheme")
                .contains("without its scheme")
        );
        assert_eq!(target.settings.iter().count(), 1);
        assert_eq!(target.rejected.len(), 4, "{:?}", target.rejected);
    }

    #[test]
    fn intervals_have_a_default_and_limits() {
        let plan = |interval_ns| {
            let message = v1::Configuration {
                interval_ns,
                ..v1::Configuration::default()
            };
            Plan::from_configuration(message, DEFAULT_INTERVAL).interval
        };
        assert_eq!(plan(0), DEFAULT_INTERVAL);
        assert_eq!(plan(250_000_000), Duration::from_millis(250));
        assert_eq!(plan(u64::MAX), LONGEST_INTERVAL);
        assert_eq!(plan(1), SHORTEST_INTERVAL, "not a loop without a pause");
    }

    proptest! {
        #[test]
        fn no_configuration_panics(
            id in any::<String>(),
            metrics in prop::collection::vec((any::<i32>(), any::<f64>()), 0..20),
        ) {
            let target = target(&id, &metrics);
            prop_assert!(target.settings.iter().count() + target.rejected.len() <= metrics.len());
        }
    }
}
