//! What should have a slot in the kernel, given a selection and what lives here. Pure.

use std::path::{Path, PathBuf};

use viperscale_proto::v1;

use super::Label;
use crate::containers::{Container, Inventory, ScanError};
use crate::kernel::{Settings, SupportTable};
use crate::plan::{Target, Wishes};

/// One container to measure.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) label: Label,
    pub(super) settings: Settings,
    /// Sorted, so that equal sets compare equal.
    pub(super) cgroups: Vec<u64>,
}

/// What can be measured of a selection, and what cannot and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) wanted: Vec<Wanted>,
    pub(super) missing: Vec<v1::MissingTarget>,
}

/// The scaler's targets that live here.
pub(super) fn targets(targets: &[Target], inventory: &Inventory, support: &SupportTable) -> Wish {
    let mut wish = Wish::default();
    for target in targets {
        match find(target, inventory, support) {
            Ok(container) => wish.wanted.push(Wanted {
                label: Label {
                    pod_uid: target.pod_uid.clone(),
                    container: target.container_name.clone(),
                    path: container.path.clone(),
                },
                settings: target.settings.clone(),
                cgroups: sorted(&container.cgroups),
            }),
            Err(reason) => wish.missing.push(v1::MissingTarget {
                pod_uid: target.pod_uid.clone(),
                container_name: target.container_name.clone(),
                reason,
            }),
        }
    }
    wish
}

fn find<'inventory>(
    target: &Target,
    inventory: &'inventory Inventory,
    support: &SupportTable,
) -> Result<&'inventory Container, String> {
    let id = target.container.as_ref().map_err(Clone::clone)?;
    let mut asked = target.settings.iter().map(|(metric, _)| metric).peekable();
    if asked.peek().is_none() {
        return Err(match target.rejected.as_slice() {
            [] => "no metric was asked for".to_owned(),
            rejected => rejected.join("; "),
        });
    }
    let refusals: Vec<String> = asked
        .map(|metric| (metric, support.get(metric)))
        .take_while(|(_, support)| !support.is_measured())
        .map(|(metric, support)| format!("{}: {support}", crate::metric_name(metric)))
        .collect();
    if refusals.len() == target.settings.iter().count() {
        return Err(refusals.join("; "));
    }
    inventory.containers.get(id).ok_or_else(|| {
        format!(
            "no cgroup of container {} is on this node: not started yet, or ended",
            id.short()
        )
    })
}

/// Every container that was found.
pub(super) fn every_container(inventory: &Inventory, wishes: &Wishes) -> Wish {
    let wanted = inventory.containers.iter().map(|(id, container)| Wanted {
        label: Label {
            pod_uid: container.pod.to_string(),
            container: id.to_string(),
            path: container.path.clone(),
        },
        settings: wishes.of(id.as_str(), &container.path).clone(),
        cgroups: sorted(&container.cgroups),
    });
    Wish {
        wanted: wanted.collect(),
        missing: Vec::new(),
    }
}

/// Named cgroups, each with everything below it as `ids_of` finds it.
pub(super) fn cgroups(
    paths: &[PathBuf],
    wishes: &Wishes,
    ids_of: impl Fn(&Path) -> Result<Vec<u64>, ScanError>,
) -> Wish {
    let mut wish = Wish::default();
    for path in paths {
        let label = Label {
            path: path.display().to_string(),
            ..Label::default()
        };
        match ids_of(path) {
            Ok(ids) => wish.wanted.push(Wanted {
                settings: wishes.of("", &label.path).clone(),
                label,
                cgroups: sorted(&ids),
            }),
            Err(error) => wish.missing.push(v1::MissingTarget {
                container_name: label.path,
                reason: error.to_string(),
                ..v1::MissingTarget::default()
            }),
        }
    }
    wish
}

fn sorted(ids: &[u64]) -> Vec<u64> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::{ContainerId, PodUid};
    use crate::kernel::Metric;

    const UID: &str = "2f6a9b1c-3d4e-4f50-8a6b-7c8d9e0f1a2b";
    const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

    fn inventory() -> Inventory {
        let container = Container {
            pod: PodUid::parse(UID).expect("a UID"),
            path: format!("/kubepods/pod{UID}/{ID}"),
            cgroups: vec![9, 7, 8],
        };
        let id = ContainerId::parse(ID).expect("an id");
        Inventory {
            containers: [(id, container)].into(),
            ..Inventory::default()
        }
    }

    fn target(container_id: &str, metric: Metric) -> Target {
        Target::from(v1::Target {
            pod_uid: "the API's UID".into(),
            container_name: "server".into(),
            container_id: container_id.into(),
            metrics: vec![v1::MetricSetting {
                metric: metric.into(),
                sampling: 1.0,
            }],
        })
    }

    fn reason(target: Target) -> String {
        // Nothing is supported in the default table.
        let mut wish = targets(&[target], &inventory(), &SupportTable::default());
        assert!(wish.wanted.is_empty());
        wish.missing.remove(0).reason
    }

    #[test]
    fn every_silence_has_its_reason() {
        assert!(reason(target("nonsense", Metric::RunqLatency)).contains("nonsense"));
        assert!(reason(target(ID, Metric::TlbFlushes)).contains("tlbFlushes"));
        let mut empty = target(ID, Metric::RunqLatency);
        empty.settings = Settings::default();
        assert_eq!(reason(empty), "no metric was asked for");
    }

    #[test]
    fn every_container_is_known_by_its_ids() {
        let wish = every_container(&inventory(), &Wishes::default());
        assert_eq!(wish.wanted[0].label.pod_uid, UID);
        assert_eq!(wish.wanted[0].label.container, ID);
        assert_eq!(wish.wanted[0].cgroups, [7, 8, 9]);
    }

    #[test]
    fn a_cgroup_that_is_not_there_is_missing() {
        let wish = cgroups(&[PathBuf::from("/nowhere")], &Wishes::default(), |path| {
            crate::containers::cgroup_id(path).map(|id| vec![id])
        });
        assert!(wish.missing[0].reason.contains("/nowhere"));
    }
}
