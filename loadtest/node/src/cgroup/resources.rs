//! Requests and limits of a pod, and the cgroup values they become (pure).
//!
//! The arithmetic is the kubelet's (`pkg/kubelet/cm/helpers_linux.go`): shares from requests,
//! quota over 100 ms from limits, a memory limit only when every container has one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::mounts::{Hierarchy, Version};
use crate::quantity::{self, InvalidQuantity};

/// CFS period: the kubelet's default, 100 ms.
const PERIOD_US: u64 = 100_000;
/// The kernel refuses quotas below 1 ms.
const MIN_QUOTA_US: u64 = 1_000;
/// What the kernel accepts for `cpu.shares`.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// Quality-of-service class of a pod: where its cgroup hangs, and who is squeezed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Qos {
    /// Every container has CPU and memory limits equal to its requests.
    Guaranteed,
    /// Anything in between.
    Burstable,
    /// No container asks for or is limited in anything.
    BestEffort,
}

impl Qos {
    /// The word in `status.qosClass`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }

    /// The class of a pod, by Kubernetes' rules.
    ///
    /// # Errors
    /// When a quantity of the spec cannot be read.
    pub(crate) fn of(spec: &PodSpec) -> Result<Self, InvalidQuantity> {
        let mut anything = false;
        let mut guaranteed = true;
        for container in all_containers(spec) {
            let demand = Demand::of(container.resources.as_ref())?;
            anything |= demand != Demand::default();
            guaranteed &= demand.milli_cpu_limit.is_some()
                && demand.memory_limit.is_some()
                && demand.milli_cpu_request == demand.milli_cpu_limit
                && demand.memory_request == demand.memory_limit;
        }
        Ok(match (anything, guaranteed) {
            (false, _) => Self::BestEffort,
            (true, true) => Self::Guaranteed,
            (true, false) => Self::Burstable,
        })
    }
}

/// What one container asks for; a limit without a request is also the request, as in Kubernetes.
/// Zero counts as absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Demand {
    milli_cpu_request: Option<u64>,
    milli_cpu_limit: Option<u64>,
    memory_request: Option<u64>,
    memory_limit: Option<u64>,
}

impl Demand {
    fn of(resources: Option<&ResourceRequirements>) -> Result<Self, InvalidQuantity> {
        let Some(resources) = resources else {
            return Ok(Self::default());
        };
        let read = |list: &Option<BTreeMap<String, Quantity>>,
                    name: &str,
                    parse: fn(&str) -> Result<u64, InvalidQuantity>| {
            let text = list.as_ref().and_then(|list| list.get(name));
            let value = text.map(|quantity| parse(&quantity.0)).transpose()?;
            Ok::<_, InvalidQuantity>(value.filter(|value| *value > 0))
        };
        let milli_cpu_limit = read(&resources.limits, "cpu", quantity::milli)?;
        let memory_limit = read(&resources.limits, "memory", quantity::whole)?;
        Ok(Self {
            milli_cpu_request: read(&resources.requests, "cpu", quantity::milli)?
                .or(milli_cpu_limit),
            milli_cpu_limit,
            memory_request: read(&resources.requests, "memory", quantity::whole)?.or(memory_limit),
            memory_limit,
        })
    }
}

/// Values of one cgroup; `None` leaves the kernel's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Resources {
    /// Relative CPU weight in v1 shares, 2 to 262144; 1024 stands for one CPU.
    pub cpu_shares: Option<u64>,
    /// CPU time per 100 ms, in microseconds.
    pub cpu_quota_us: Option<u64>,
    /// Memory limit in bytes.
    pub memory_bytes: Option<u64>,
}

impl Resources {
    /// Only a weight, worth `milli_cpu` thousandths of a CPU.
    pub(crate) fn weight(milli_cpu: u64) -> Self {
        Self {
            cpu_shares: Some(shares(milli_cpu)),
            ..Self::default()
        }
    }

    /// The cgroup of one container.
    ///
    /// # Errors
    /// When a quantity cannot be read.
    pub(crate) fn of_container(container: &Container) -> Result<Self, InvalidQuantity> {
        let demand = Demand::of(container.resources.as_ref())?;
        Ok(Self {
            cpu_shares: Some(shares(demand.milli_cpu_request.unwrap_or(0))),
            cpu_quota_us: demand.milli_cpu_limit.map(quota_us),
            memory_bytes: demand.memory_limit,
        })
    }

    /// The cgroup around all containers of a pod: their sum, and a limit only where all have one.
    /// Init containers run alone, so the largest of them counts instead when it exceeds the sum.
    ///
    /// # Errors
    /// When a quantity cannot be read.
    pub(crate) fn of_pod(spec: &PodSpec) -> Result<Self, InvalidQuantity> {
        let milli_cpu_limit = aggregate(spec, |demand| demand.milli_cpu_limit)?;
        Ok(Self {
            cpu_shares: Some(shares(milli_cpu_request(spec)?)),
            cpu_quota_us: milli_cpu_limit.map(quota_us),
            memory_bytes: aggregate(spec, |demand| demand.memory_limit)?,
        })
    }

    /// Files to write in a cgroup of `hierarchy`, in an order the kernel accepts.
    pub(crate) fn writes(&self, hierarchy: &Hierarchy) -> Vec<(&'static str, String)> {
        let mut writes = Vec::new();
        if hierarchy.has("cpu") {
            match hierarchy.version {
                Version::V1 => {
                    writes.extend(
                        self.cpu_shares
                            .map(|shares| ("cpu.shares", shares.to_string())),
                    );
                    if let Some(quota) = self.cpu_quota_us {
                        writes.push(("cpu.cfs_period_us", PERIOD_US.to_string()));
                        writes.push(("cpu.cfs_quota_us", quota.to_string()));
                    }
                }
                Version::V2 => {
                    writes.extend(
                        self.cpu_shares
                            .map(|shares| ("cpu.weight", weight(shares).to_string())),
                    );
                    writes.extend(
                        self.cpu_quota_us
                            .map(|quota| ("cpu.max", format!("{quota} {PERIOD_US}"))),
                    );
                }
            }
        }
        if let Some(bytes) = self.memory_bytes.filter(|_| hierarchy.has("memory")) {
            // The swap limit equals the memory limit: a pod over its limit is killed, not swapped.
            match hierarchy.version {
                Version::V1 => {
                    writes.push(("memory.limit_in_bytes", bytes.to_string()));
                    writes.push(("memory.memsw.limit_in_bytes", bytes.to_string()));
                }
                Version::V2 => {
                    writes.push(("memory.max", bytes.to_string()));
                    writes.push(("memory.swap.max", "0".to_owned()));
                }
            }
        }
        writes
    }
}

/// CPU that the pod's containers request together, in thousandths.
///
/// # Errors
/// When a quantity cannot be read.
pub(crate) fn milli_cpu_request(spec: &PodSpec) -> Result<u64, InvalidQuantity> {
    let request = |demand: Demand| Some(demand.milli_cpu_request.unwrap_or(0));
    Ok(aggregate(spec, request)?.unwrap_or(0))
}

fn all_containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
}

/// The larger of the containers' sum and each init container; `None` when any container has none.
fn aggregate(
    spec: &PodSpec,
    value: impl Fn(Demand) -> Option<u64>,
) -> Result<Option<u64>, InvalidQuantity> {
    let mut sum = Some(0u64);
    for container in &spec.containers {
        let one = value(Demand::of(container.resources.as_ref())?);
        sum = sum.zip(one).map(|(sum, one)| sum.saturating_add(one));
    }
    for container in spec.init_containers.iter().flatten() {
        let one = value(Demand::of(container.resources.as_ref())?);
        sum = sum.zip(one).map(|(sum, one)| sum.max(one));
    }
    Ok(sum)
}

fn shares(milli_cpu: u64) -> u64 {
    (milli_cpu.saturating_mul(1024) / 1000).clamp(*SHARES.start(), *SHARES.end())
}

fn quota_us(milli_cpu: u64) -> u64 {
    (milli_cpu.saturating_mul(PERIOD_US) / 1000).max(MIN_QUOTA_US)
}

/// v1 shares 2..=262144 mapped linearly onto v2 weights 1..=10000 (KEP-2254).
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(*SHARES.start(), *SHARES.end()) - 2) * 9_999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn spec(value: serde_json::Value) -> PodSpec {
        serde_json::from_value(value).unwrap()
    }

    fn hierarchy(version: Version) -> Hierarchy {
        Hierarchy {
            mount: "/sys/fs/cgroup".into(),
            version,
            controllers: BTreeSet::from(["cpu".to_owned(), "memory".to_owned()]),
        }
    }

    #[test]
    fn classes_follow_kubernetes_rules() {
        let limits = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        let partial = json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}});
        for (containers, expected) in [
            (json!([{"name": "a"}]), Qos::BestEffort),
            (
                json!([{"name": "a", "resources": {"requests": {"cpu": "0"}}}]),
                Qos::BestEffort,
            ),
            (json!([{"name": "a", "resources": limits}]), Qos::Guaranteed),
            (
                json!([{"name": "a", "resources": limits}, {"name": "b"}]),
                Qos::Burstable,
            ),
            (json!([{"name": "a", "resources": partial}]), Qos::Burstable),
        ] {
            let spec = spec(json!({"containers": containers}));
            assert_eq!(Qos::of(&spec), Ok(expected), "{spec:?}");
        }
    }

    #[test]
    fn pod_limits_need_every_container_and_count_the_largest_init_container() {
        let one = json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "64Mi"}});
        let big = json!({"limits": {"cpu": "900m", "memory": "32Mi"}});
        let mut value = json!({
            "containers": [{"name": "a", "resources": one}, {"name": "b", "resources": one}],
            "initContainers": [{"name": "i", "resources": big}],
        });
        let resources = Resources::of_pod(&spec(value.clone())).unwrap();
        assert_eq!(resources.cpu_quota_us, Some(90_000));
        assert_eq!(resources.memory_bytes, Some(128 << 20));
        assert_eq!(resources.cpu_shares, Some(921));

        value["containers"][1]["resources"] = json!({});
        let resources = Resources::of_pod(&spec(value)).unwrap();
        assert_eq!(
            (resources.cpu_quota_us, resources.memory_bytes),
            (None, None)
        );
    }

    #[test]
    fn writes_the_files_of_each_version() {
        let resources = Resources {
            cpu_shares: Some(102),
            cpu_quota_us: Some(20_000),
            memory_bytes: Some(1 << 20),
        };
        let names = |version| {
            resources
                .writes(&hierarchy(version))
                .into_iter()
                .map(|(file, value)| format!("{file}={value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(Version::V1),
            [
                "cpu.shares=102",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=20000",
                "memory.limit_in_bytes=1048576",
                "memory.memsw.limit_in_bytes=1048576",
            ]
        );
        assert_eq!(
            names(Version::V2),
            [
                "cpu.weight=4",
                "cpu.max=20000 100000",
                "memory.max=1048576",
                "memory.swap.max=0"
            ]
        );
    }

    #[test]
    fn a_hierarchy_without_controllers_gets_no_values() {
        let bare = Hierarchy {
            controllers: BTreeSet::new(),
            ..hierarchy(Version::V2)
        };
        assert!(Resources::weight(1000).writes(&bare).is_empty());
    }

    proptest! {
        #[test]
        fn values_stay_inside_what_the_kernel_accepts(milli in any::<u64>()) {
            prop_assert!(SHARES.contains(&shares(milli)));
            prop_assert!(quota_us(milli) >= MIN_QUOTA_US);
            prop_assert!((1..=10_000).contains(&weight(shares(milli))));
        }
    }
}
