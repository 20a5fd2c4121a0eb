use super::*;
use scaler_core::{Mode, PodCounts, Reason, policy};

fn policies(file: &str, deployments: &[&str]) -> Vec<Arc<ScalingPolicy>> {
    let text: Vec<String> = deployments
        .iter()
        .map(|name| {
            format!(
                "apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}
  minReplicas: 1
  maxReplicas: 5
  metrics: [{{name: runqLatency, statistic: p95, threshold: 2ms}}]
"
            )
        })
        .collect();
    policy::load(&text.join("---\n"), file)
        .unwrap()
        .into_iter()
        .map(Arc::new)
        .collect()
}

fn decision(desired: u32) -> Arc<Decision> {
    Arc::new(Decision {
        desired,
        current: 1,
        mode: Mode::Active,
        reason: Reason::AboveThreshold,
        message: "because".to_owned(),
        evidence: Vec::new(),
        limits: Vec::new(),
        conditions: Vec::new(),
        pods: PodCounts::default(),
    })
}

fn set(journal: &Journal, policies: &[Arc<ScalingPolicy>]) {
    journal.set_policies(
        policies
            .iter()
            .map(|policy| (policy.clone(), Status::InForce)),
    );
}

#[test]
fn the_newest_decision_is_shown_with_its_age() {
    let journal = Journal::default();
    let policies = policies("a.yaml", &["web", "cart"]);
    set(&journal, &policies);
    journal.decided(&policies[0], Timestamp::from_secs(10), decision(2));
    journal.decided(&policies[0], Timestamp::from_secs(11), decision(3));
    let shown = serde_json::to_value(journal.decisions(Timestamp::from_secs(13))).unwrap();
    let web = &shown["policies"][1];
    assert_eq!(web["deployment"], "web");
    assert_eq!(web["mode"], "Active");
    assert_eq!(web["status"], "InForce");
    assert_eq!(web["decision"]["desired"], 3);
    assert_eq!(web["age_seconds"], 2.0);
    let cart = &shown["policies"][0];
    assert!(cart["decision"].is_null() && cart["age_seconds"].is_null());
}

#[test]
fn a_policy_that_cannot_act_says_why() {
    let journal = Journal::default();
    let policies = policies("a.yaml", &["web"]);
    set(&journal, &policies);
    journal.set_status(
        &policies[0],
        Status::DeploymentNotFound("no such thing".to_owned()),
    );
    let shown = serde_json::to_value(journal.decisions(Timestamp::from_secs(1))).unwrap();
    assert_eq!(shown["policies"][0]["status"], "DeploymentNotFound");
    assert_eq!(shown["policies"][0]["statusReason"], "no such thing");
}

#[test]
fn the_history_of_changes_is_bounded() {
    let journal = Journal::default();
    let policies = policies("a.yaml", &["web"]);
    set(&journal, &policies);
    for n in 0..HISTORY as u32 + 5 {
        let change = Change {
            from: n,
            to: n + 1,
            decision: decision(n + 1),
        };
        journal.changed(&policies[0], Timestamp::from_secs(u64::from(n)), change);
    }
    let history = journal.history(Timestamp::from_secs(1000));
    let changes = &history.policies[0].changes;
    assert_eq!(
        (changes.len(), changes[0].change.from),
        (HISTORY, 5),
        "the oldest made room"
    );
    let last = journal
        .decisions(Timestamp::from_secs(1000))
        .policies
        .remove(0)
        .last_change;
    assert_eq!(last.unwrap().change.to, HISTORY as u32 + 5);
}

#[test]
fn what_is_known_follows_a_policy_that_moves_and_leaves_with_one_that_goes() {
    let journal = Journal::default();
    let before = policies("a.yaml", &["web"]);
    set(&journal, &before);
    journal.decided(&before[0], Timestamp::from_secs(10), decision(2));
    set(&journal, &policies("b.yaml", &["cart", "web"]));
    let views = journal.decisions(Timestamp::from_secs(10)).policies;
    assert_eq!(views.len(), 2);
    assert!(
        views[1].decision.is_some(),
        "still the same policy, in another file"
    );
    set(&journal, &[]);
    assert!(
        journal
            .decisions(Timestamp::from_secs(10))
            .policies
            .is_empty()
    );
}

#[test]
fn a_policy_is_explained_by_its_name_or_its_deployments() {
    let journal = Journal::default();
    let policies = policies("a.yaml", &["web", "cart"]);
    set(&journal, &policies);
    for second in 0..60 {
        // Every third decision is another one.
        let decided = decision(2 + second / 3);
        journal.decided(&policies[0], Timestamp::from_secs(second.into()), decided);
    }
    let told = journal
        .explain("shop", "web", Timestamp::from_secs(60))
        .unwrap();
    assert_eq!(told.turns.len(), TURNS, "bounded");
    let newest = told.turns.last().unwrap();
    assert_eq!((newest.decision.desired, newest.age_seconds), (21, 3.0));
    let known = journal
        .explain("shop", "wep", Timestamp::from_secs(60))
        .unwrap_err();
    assert_eq!(known, ["shop/cart", "shop/web"]);
    // What is written here is what `scaler explain` reads.
    let json = serde_json::to_string(&told).unwrap();
    let read: crate::explain::Explained = serde_json::from_str(&json).unwrap();
    assert_eq!(read.latest.unwrap().decision.desired, 21);
    assert_eq!((read.status.as_str(), read.max_replicas), ("InForce", 5));
}

#[test]
fn what_is_known_of_an_object_is_found_by_its_key() {
    let key = ObjectKey {
        namespace: "shop".into(),
        name: "web".into(),
    };
    let json = r#"{"apiVersion": "viperscale.dev/v1alpha1", "kind": "ScalingPolicy",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5,
                 "metrics": [{"name": "runqLatency", "threshold": "2ms"}]}}"#;
    let object = Arc::new(policy::load_object(json, &key.origin()).unwrap());
    let journal = Journal::default();
    set(&journal, &policies("web.yaml", &["web"]));
    assert!(
        journal.standpoint(&key).is_none(),
        "a file of that name is none"
    );
    set(&journal, std::slice::from_ref(&object));
    journal.decided(&object, Timestamp::from_secs(10), decision(2));
    journal.wrote(&object, Outcome::NotLeader);
    let standpoint = journal.standpoint(&key).unwrap();
    assert_eq!(standpoint.standing, Standing::InForce);
    assert_eq!(standpoint.write, Some(Outcome::NotLeader));
    assert_eq!(standpoint.decision.unwrap().0, Timestamp::from_secs(10));
    assert_eq!(standpoint.last_change, None);
}
