//! What a stream's reports are about: mostly the same containers, in the same order, second after second.

use std::sync::Arc;

use foldhash::HashSet;
use scaler_core::PodUid;
use viperscale_proto::v1 as wire;

use super::validate::Counts;
use crate::workloads::{DeploymentKey, Index};

/// Whose a sample is.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) pod: PodUid,
    pub(super) container: Arc<str>,
    /// The deployment that the pod belongs to.
    pub(super) deployment: DeploymentKey,
    /// In cores.
    pub(super) cpu_limit: Option<f64>,
}

/// The containers of a stream's last report. While nothing of the node's pods changes, and a report is about
/// the same, nobody needs to be looked up: with 150,000 of them a second that is most of what checking costs.
#[derive(Debug, Default)]
pub(super) struct Familiar {
    /// The node's last change that is in `targets`; `None` when nothing is.
    as_of: Option<u64>,
    /// No two are the same.
    targets: Vec<Target>,
}

impl Familiar {
    /// Who the samples of a report of `node` belong to. Those that are nobody's are taken out and counted,
    /// so that each of the rest has its target at the same place.
    pub(super) fn recognize(
        &mut self,
        node: &str,
        index: &Index,
        samples: &mut Vec<wire::ContainerSample>,
        counts: &mut Counts,
    ) -> &[Target] {
        let as_of = index.last_change_on(node);
        if as_of.is_none() || as_of != self.as_of || !self.is_about(samples) {
            self.as_of = as_of;
            self.look_up(node, index, samples, counts);
        }
        &self.targets
    }

    fn is_about(&self, samples: &[wire::ContainerSample]) -> bool {
        let same = |(target, sample): (&Target, &wire::ContainerSample)| {
            *target.pod.as_str() == *sample.pod_uid && *target.container == *sample.container_name
        };
        self.targets.len() == samples.len() && self.targets.iter().zip(samples).all(same)
    }

    fn look_up(
        &mut self,
        node: &str,
        index: &Index,
        samples: &mut Vec<wire::ContainerSample>,
        counts: &mut Counts,
    ) {
        let mut seen: HashSet<(PodUid, Arc<str>)> = HashSet::default();
        seen.reserve(samples.len());
        let mut targets = Vec::with_capacity(samples.len());
        samples.retain(|sample| {
            let Some(target) = target(node, index, sample, counts) else {
                return false;
            };
            if !seen.insert((target.pod.clone(), target.container.clone())) {
                counts.duplicate += 1;
                return false;
            }
            targets.push(target);
            true
        });
        self.targets = targets;
    }
}

/// `None` for a sample of what is not there, not on this node, or of no interest; counted.
fn target(
    node: &str,
    index: &Index,
    sample: &wire::ContainerSample,
    counts: &mut Counts,
) -> Option<Target> {
    let Some(pod) = index.pod(&sample.pod_uid) else {
        counts.unknown_pod += 1;
        return None;
    };
    if pod.node.as_deref() != Some(node) {
        counts.foreign_pod += 1;
        return None;
    }
    let container = pod
        .containers
        .iter()
        .find(|known| *known.name == *sample.container_name);
    let (Some(container), Some(deployment)) = (container, index.deployment_of(pod)) else {
        counts.not_a_target += 1;
        return None;
    };
    Some(Target {
        pod: PodUid::from(pod.uid.clone()),
        container: container.name.clone(),
        deployment: deployment.key.clone(),
        cpu_limit: container.cpu_limit_cores,
    })
}

#[cfg(test)]
#[path = "familiar_tests.rs"]
mod tests;
