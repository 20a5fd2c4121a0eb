use super::super::{Container, DeletionCost};
use super::*;
use scaler_core::{PodPhase, Timestamp};

fn deployment(name: &str, uid: &str, version: &str) -> DeploymentRecord {
    DeploymentRecord {
        key: DeploymentKey::new("shop", name),
        uid: uid.into(),
        resource_version: version.into(),
        replicas: 1,
    }
}

fn replica_set(uid: &str, owner: &str) -> ReplicaSetRecord {
    ReplicaSetRecord {
        uid: uid.into(),
        owner: Some(owner.into()),
        revision: 0,
    }
}

fn pod(uid: &str, owner: &str, node: &str) -> PodRecord {
    PodRecord {
        uid: uid.into(),
        name: uid.into(),
        owner: Some(owner.into()),
        node: Some(node.into()),
        ready: true,
        started_at: None,
        terminating: false,
        phase: PodPhase::Running,
        containers: vec![Container {
            name: "server".into(),
            id: None,
            cpu_limit_cores: None,
        }],
        deletion_cost: DeletionCost::Unset,
    }
}

fn pod_uids(index: &Index, name: &str) -> Vec<String> {
    let Some(deployment) = index.deployment(&DeploymentKey::new("shop", name)) else {
        return Vec::new();
    };
    let mut uids: Vec<String> = index
        .pods_of(deployment)
        .map(|p| p.uid.to_string())
        .collect();
    uids.sort();
    uids
}

fn dirty(index: &mut Index) -> Vec<String> {
    let mut nodes: Vec<String> = index
        .take_dirty_nodes()
        .into_iter()
        .map(|n| n.to_string())
        .collect();
    nodes.sort();
    nodes
}

#[test]
fn links_form_in_any_order_of_arrival() {
    let mut index = Index::default();
    index.put_pod(pod("p1", "r1", "n1"));
    assert!(index.deployment_of(index.pod("p1").unwrap()).is_none());
    index.put_replica_set(replica_set("r1", "d1"));
    index.put_deployment(deployment("web", "d1", "1"));
    index.put_pod(pod("p2", "r2", "n2"));
    index.put_replica_set(replica_set("r2", "d1"));
    assert_eq!(
        pod_uids(&index, "web"),
        ["p1", "p2"],
        "pods of both ReplicaSets"
    );
    assert_eq!(
        &*index
            .deployment_of(index.pod("p2").unwrap())
            .unwrap()
            .key
            .name,
        "web"
    );
}

#[test]
fn a_late_owner_makes_the_nodes_of_its_pods_dirty() {
    let mut index = Index::default();
    index.put_pod(pod("p1", "r1", "n1"));
    assert_eq!(dirty(&mut index), ["n1"]);
    index.put_replica_set(replica_set("r1", "d1"));
    assert_eq!(dirty(&mut index), ["n1"]);
    index.put_deployment(deployment("web", "d1", "1"));
    assert_eq!(dirty(&mut index), ["n1"]);
    index.put_deployment(deployment("web", "d1", "2"));
    assert_eq!(
        dirty(&mut index),
        [] as [&str; 0],
        "a new replica count changes no target"
    );
    index.remove_deployment("d1");
    assert_eq!(dirty(&mut index), ["n1"]);
}

#[test]
fn readiness_alone_changes_no_target() {
    let mut index = Index::default();
    index.put_pod(pod("p1", "r1", "n1"));
    dirty(&mut index);
    index.put_pod(PodRecord {
        ready: false,
        terminating: true,
        ..pod("p1", "r1", "n1")
    });
    assert_eq!(dirty(&mut index), [] as [&str; 0]);
    let restarted = Container {
        name: "server".into(),
        id: Some("b".into()),
        cpu_limit_cores: None,
    };
    index.put_pod(PodRecord {
        containers: vec![restarted],
        ..pod("p1", "r1", "n1")
    });
    assert_eq!(dirty(&mut index), ["n1"]);
}

#[test]
fn old_news_of_a_deployment_does_not_undo_a_write() {
    let mut index = Index::default();
    index.put_deployment(DeploymentRecord {
        replicas: 5,
        ..deployment("web", "d1", "12")
    });
    assert!(
        !index.put_deployment(deployment("web", "d1", "9")),
        "9 is before 12"
    );
    assert_eq!(
        index
            .deployment(&DeploymentKey::new("shop", "web"))
            .unwrap()
            .replicas,
        5
    );
}

#[test]
fn a_recreated_deployment_replaces_the_old_one_and_its_late_deletion_is_harmless() {
    let mut index = Index::default();
    index.put_deployment(deployment("web", "d1", "1"));
    index.put_deployment(deployment("web", "d2", "5"));
    index.remove_deployment("d1");
    let found = index
        .deployment(&DeploymentKey::new("shop", "web"))
        .unwrap();
    assert_eq!(&*found.uid, "d2");
}

#[test]
fn a_late_answer_does_not_bring_a_deleted_deployment_back() {
    let key = DeploymentKey::new("shop", "web");
    let mut index = Index::default();
    index.put_deployment(deployment("web", "d1", "1"));
    index.wrote("d1", "4", 3, Timestamp::from_secs(1));
    assert_eq!(index.deployment(&key).unwrap().replicas, 3);
    index.put_deployment(DeploymentRecord {
        replicas: 5,
        ..deployment("web", "d1", "6")
    });
    index.wrote("d1", "5", 4, Timestamp::from_secs(1));
    assert_eq!(
        index.deployment(&key).unwrap().replicas,
        5,
        "an answer that the watch overtook"
    );
    index.remove_deployment("d1");
    index.wrote("d1", "8", 7, Timestamp::from_secs(1));
    assert!(index.deployment(&key).is_none());
    index.put_deployment(deployment("web", "d2", "9"));
    index.wrote("d1", "8", 7, Timestamp::from_secs(1));
    assert_eq!(&*index.deployment(&key).unwrap().uid, "d2");
}

#[test]
fn a_relist_forgets_what_is_gone() {
    let mut index = Index::default();
    index.put_replica_set(replica_set("r1", "d1"));
    index.put_deployment(deployment("web", "d1", "1"));
    for uid in ["p1", "p2"] {
        index.put_pod(pod(uid, "r1", "n1"));
    }
    index.retain_pods(&HashSet::from_iter(["p2".into()]));
    assert_eq!(pod_uids(&index, "web"), ["p2"]);
    index.retain_pods(&HashSet::default());
    assert!(
        index.pods_of_owner.is_empty() && index.pods_on.is_empty(),
        "no empty sets stay"
    );
    index.retain_replica_sets(&HashSet::default());
    index.retain_deployments(&HashSet::default());
    assert_eq!(index.sizes(), (0, 0, 0));
    assert!(index.replica_sets_of.is_empty() && index.deployment_uids.is_empty());
}

#[test]
fn a_pod_that_moves_dirties_both_nodes() {
    let mut index = Index::default();
    index.put_pod(pod("p1", "r1", "n1"));
    dirty(&mut index);
    index.put_pod(pod("p1", "r1", "n2"));
    assert_eq!(dirty(&mut index), ["n1", "n2"]);
    assert_eq!(index.pods_on("n1").count(), 0);
    assert_eq!(index.pods_on("n2").count(), 1);
}

#[test]
fn the_first_learned_start_stays() {
    let mut index = Index::default();
    index.put_pod(pod("p1", "r1", "n1"));
    for second in [5, 9] {
        let started_at = Some(Timestamp::from_secs(second));
        index.put_pod(PodRecord {
            started_at,
            ..pod("p1", "r1", "n1")
        });
    }
    assert_eq!(
        index.pod("p1").unwrap().started_at,
        Some(Timestamp::from_secs(5))
    );
}

#[test]
fn the_newest_replica_set_is_that_of_the_highest_revision() {
    let mut index = Index::default();
    index.put_deployment(deployment("web", "d1", "1"));
    let newest = |index: &Index| {
        let web = index
            .deployment(&DeploymentKey::new("shop", "web"))
            .unwrap();
        index.newest_replica_set(web).map(ToString::to_string)
    };
    let put = |index: &mut Index, uid: &str, revision| {
        index.put_replica_set(ReplicaSetRecord {
            revision,
            ..replica_set(uid, "d1")
        });
    };
    assert_eq!(newest(&index), None);
    put(&mut index, "r1", 0);
    assert_eq!(newest(&index), None, "nothing says so");
    put(&mut index, "r1", 1);
    put(&mut index, "r2", 2);
    assert_eq!(newest(&index).as_deref(), Some("r2"));
    put(&mut index, "r1", 3);
    assert_eq!(newest(&index).as_deref(), Some("r1"), "rolled back");
    put(&mut index, "r2", 3);
    assert_eq!(newest(&index), None, "two claim it");
}

#[test]
fn labels_do_not_make_a_pod_a_deployments() {
    let mut index = Index::default();
    index.put_deployment(deployment("web", "d1", "1"));
    index.put_deployment(deployment("web-canary", "d2", "1"));
    index.put_replica_set(replica_set("r1", "d1"));
    index.put_replica_set(replica_set("r2", "d2"));
    index.put_pod(pod("mine", "r1", "n1"));
    index.put_pod(pod("the-canarys", "r2", "n1"));
    index.put_pod(pod("a-jobs", "j1", "n1"));
    index.put_pod(PodRecord {
        owner: None,
        ..pod("by-hand", "r1", "n1")
    });
    assert_eq!(pod_uids(&index, "web"), ["mine"]);
}

#[test]
fn marked_pods_are_known_until_they_are_unmarked_or_gone() {
    let mut index = Index::default();
    let marked = |uid| PodRecord {
        deletion_cost: DeletionCost::Ours,
        ..pod(uid, "r1", "n1")
    };
    index.put_pod(marked("p1"));
    index.put_pod(marked("p2"));
    assert_eq!(index.marked_pods().count(), 2);
    index.put_pod(pod("p1", "r1", "n1"));
    index.remove_pod("p2");
    assert_eq!(index.marked_pods().count(), 0);
}
