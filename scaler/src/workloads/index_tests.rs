use super::super::Container;
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
fn a_relist_forgets_what_is_gone() {
    let mut index = Index::default();
    index.put_replica_set(replica_set("r1", "d1"));
    index.put_deployment(deployment("web", "d1", "1"));
    for uid in ["p1", "p2"] {
        index.put_pod(pod(uid, "r1", "n1"));
    }
    index.retain_pods(&HashSet::from(["p2".into()]));
    assert_eq!(pod_uids(&index, "web"), ["p2"]);
    index.retain_pods(&HashSet::new());
    assert!(
        index.pods_of_owner.is_empty() && index.pods_on.is_empty(),
        "no empty sets stay"
    );
    index.retain_replica_sets(&HashSet::new());
    index.retain_deployments(&HashSet::new());
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
