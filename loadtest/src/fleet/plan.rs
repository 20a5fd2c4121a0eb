//! Which pod of which deployment runs on which node. Pure; the API server's objects, the policies
//! and the agents are made from it by different processes, which therefore agree.

/// The namespace of everything.
pub(super) const NAMESPACE: &str = "fleet";
/// The one container of each pod.
pub(super) const CONTAINER: &str = "server";
/// Pods of a deployment unless told otherwise: 150,000 pods have 2,000 policies then.
const PODS_PER_DEPLOYMENT: u32 = 75;

/// The shape of a simulated cluster.
///
/// Pod `p` (from 0) runs on node `p % nodes` and belongs to deployment `p / pods_per_deployment`:
/// the pods of a deployment are on as many nodes as it has pods, whose reports arrive all through
/// the second. That is the worst case for a scaler that decides on news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) nodes: u32,
    pub(super) pods_per_node: u32,
    pub(super) deployments: u32,
}

impl Plan {
    /// `deployments` of `None` is one for each 75 pods, at least one.
    pub(super) fn new(nodes: u32, pods_per_node: u32, deployments: Option<u32>) -> Self {
        let pods = nodes * pods_per_node;
        Self {
            nodes,
            pods_per_node,
            deployments: deployments
                .unwrap_or(pods / PODS_PER_DEPLOYMENT)
                .clamp(1, pods),
        }
    }

    pub(super) fn pods(self) -> u32 {
        self.nodes * self.pods_per_node
    }

    /// The deployment of a pod.
    pub(super) fn deployment_of(self, pod: u32) -> u32 {
        // In 64 bits: pods times deployments does not fit into 32.
        let place = u64::from(pod) * u64::from(self.deployments) / u64::from(self.pods());
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// The pods of a deployment: those that [`Plan::deployment_of`] gives it.
    pub(super) fn pods_of(self, deployment: u32) -> std::ops::Range<u32> {
        let first = |deployment: u32| {
            let place = u64::from(deployment) * u64::from(self.pods());
            u32::try_from(place.div_ceil(u64::from(self.deployments))).unwrap_or(u32::MAX)
        };
        first(deployment)..first(deployment + 1)
    }

    /// The node of a pod.
    pub(super) fn node_of(self, pod: u32) -> u32 {
        pod % self.nodes
    }

    /// The pods of a node.
    pub(super) fn pods_on(self, node: u32) -> impl Iterator<Item = u32> {
        (0..self.pods_per_node).map(move |row| row * self.nodes + node)
    }
}

pub(super) fn node_name(node: u32) -> String {
    format!("node-{node}")
}

pub(super) fn deployment_name(deployment: u32) -> String {
    format!("app-{deployment}")
}

/// What [`deployment_name`] was made from.
pub(super) fn deployment_number(name: &str) -> Option<u32> {
    name.strip_prefix("app-")?.parse().ok()
}

pub(super) fn replica_set_name(deployment: u32) -> String {
    // As long as the hash that a real one ends in.
    format!("app-{deployment}-6d4b75cb6d")
}

pub(super) fn pod_name(plan: Plan, pod: u32) -> String {
    format!("{}-{pod:05}", replica_set_name(plan.deployment_of(pod)))
}

/// UIDs have the form of real ones, so that they take as much room.
pub(super) fn uid(kind: Kind, number: u32) -> String {
    format!("{:08x}-f1ee-4000-8000-{number:012x}", kind as u32)
}

/// Tells the UIDs of different kinds apart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Node = 1,
    Deployment = 2,
    ReplicaSet = 3,
    Pod = 4,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_pod_is_on_one_node_and_in_one_deployment(
            nodes in 1u32..40, per_node in 1u32..12, deployments in prop::option::of(1u32..60),
        ) {
            let plan = Plan::new(nodes, per_node, deployments);
            let mut on_nodes: Vec<u32> = (0..nodes).flat_map(|node| plan.pods_on(node)).collect();
            on_nodes.sort_unstable();
            prop_assert_eq!(&on_nodes, &(0..plan.pods()).collect::<Vec<_>>());
            let of_deployments: Vec<u32> =
                (0..plan.deployments).flat_map(|one| plan.pods_of(one)).collect();
            prop_assert_eq!(&of_deployments, &on_nodes);
            for pod in on_nodes {
                prop_assert!(plan.pods_of(plan.deployment_of(pod)).contains(&pod));
                prop_assert!(plan.pods_on(plan.node_of(pod)).any(|other| other == pod));
            }
        }
    }

    #[test]
    fn the_largest_cluster_has_two_thousand_policies_of_seventy_five_pods() {
        let plan = Plan::new(5_000, 30, None);
        assert_eq!((plan.pods(), plan.deployments), (150_000, 2_000));
        assert!((0..2_000).all(|one| plan.pods_of(one).len() == 75));
        assert_eq!(plan.pods_of(1_999), 149_925..150_000);
    }

    #[test]
    fn names_lead_back_to_their_deployment() {
        assert_eq!(deployment_number(&deployment_name(1_999)), Some(1_999));
        assert_eq!(deployment_number("web"), None);
        assert_eq!(uid(Kind::Pod, 255).len(), 36, "as a real UID");
    }
}
