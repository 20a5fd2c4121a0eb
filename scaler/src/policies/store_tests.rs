use super::*;

pub(super) fn policy_text(name: &str, deployment: &str, max: u32) -> String {
    format!(
        "apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {deployment}}}
  minReplicas: 1
  maxReplicas: {max}
  metrics:
    - {{name: runqLatency, statistic: p95, threshold: 2ms}}
"
    )
}

pub(super) fn file(name: &str, text: impl Into<String>) -> PolicyFile {
    PolicyFile {
        path: name.into(),
        text: Ok(text.into()),
    }
}

pub(super) fn update(store: &mut PolicyStore, files: Vec<PolicyFile>) -> PolicySet {
    store.update(Path::new("policies"), Ok(files))
}

pub(super) fn max_of(set: &PolicySet, deployment: &str) -> Option<u32> {
    let key = crate::workloads::DeploymentKey::new("shop", deployment);
    set.in_force.get(&key).map(|policy| policy.max_replicas)
}

#[test]
fn the_last_valid_version_stays_while_a_file_is_broken() {
    let mut store = PolicyStore::default();
    let good = update(&mut store, vec![file("a.yaml", policy_text("a", "web", 5))]);
    assert_eq!((max_of(&good, "web"), good.problems.len()), (Some(5), 0));

    let broken = update(&mut store, vec![file("a.yaml", policy_text("a", "web", 0))]);
    assert_eq!(max_of(&broken, "web"), Some(5), "the old version stays");
    assert_eq!(broken.problems[0].file, Path::new("a.yaml"));
    assert!(broken.problems[0].line.is_some());

    let mended = update(&mut store, vec![file("a.yaml", policy_text("a", "web", 7))]);
    assert_eq!(
        (max_of(&mended, "web"), mended.problems.len()),
        (Some(7), 0)
    );
}

#[test]
fn an_unreadable_file_keeps_its_policies_and_a_deleted_one_does_not() {
    let mut store = PolicyStore::default();
    update(&mut store, vec![file("a.yaml", policy_text("a", "web", 5))]);
    let unreadable = PolicyFile {
        path: "a.yaml".into(),
        text: Err(io::Error::from(io::ErrorKind::PermissionDenied)),
    };
    let set = update(&mut store, vec![unreadable]);
    assert_eq!(max_of(&set, "web"), Some(5));
    assert_eq!(
        set.problems[0].to_string(),
        "a.yaml: cannot be read: permission denied"
    );

    let set = update(&mut store, Vec::new());
    assert_eq!(set, PolicySet::default());
}

#[test]
fn a_directory_that_vanishes_keeps_everything() {
    let mut store = PolicyStore::default();
    update(&mut store, vec![file("a.yaml", policy_text("a", "web", 5))]);
    let gone = Err(io::Error::from(io::ErrorKind::NotFound));
    let set = store.update(Path::new("policies"), gone);
    assert_eq!(max_of(&set, "web"), Some(5));
    assert!(
        set.problems[0]
            .to_string()
            .starts_with("policies: cannot be listed: ")
    );
}

#[test]
fn two_policies_for_one_deployment_are_both_refused() {
    let mut store = PolicyStore::default();
    let files = || {
        vec![
            file("a.yaml", policy_text("a", "web", 5)),
            file("b.yaml", policy_text("b", "web", 6)),
            file("c.yaml", policy_text("c", "cart", 3)),
        ]
    };
    let set = update(&mut store, files());
    assert_eq!((max_of(&set, "web"), max_of(&set, "cart")), (None, Some(3)));
    assert_eq!(set.refused.len(), 2);
    assert_eq!(set.problems.len(), 2);
    assert!(
        set.problems[0].message.contains("b.yaml:"),
        "{}",
        set.problems[0]
    );
    assert!(
        set.problems[1].message.contains("a.yaml:"),
        "{}",
        set.problems[1]
    );

    let mut without_b = files();
    without_b.remove(1);
    let set = update(&mut store, without_b);
    assert_eq!(
        (max_of(&set, "web"), set.problems.len()),
        (Some(5), 0),
        "healed"
    );
}

#[test]
fn two_policies_of_one_name_are_both_refused() {
    let mut store = PolicyStore::default();
    let text = format!(
        "{}---\n{}",
        policy_text("a", "web", 5),
        policy_text("a", "cart", 5)
    );
    let set = update(&mut store, vec![file("a.yaml", text)]);
    assert!(set.in_force.is_empty());
    assert!(
        set.problems
            .iter()
            .all(|problem| problem.field == "metadata.name")
    );
}

#[test]
fn a_clash_is_named_together_with_the_other_mistakes_of_its_file() {
    let mut store = PolicyStore::default();
    let second = format!(
        "{}---\n{}",
        policy_text("b", "web", 6),
        policy_text("c", "cart", 0)
    );
    let files = vec![
        file("a.yaml", policy_text("a", "web", 5)),
        file("b.yaml", second),
    ];
    let set = update(&mut store, files);
    assert_eq!(
        (max_of(&set, "web"), max_of(&set, "cart"), set.refused.len()),
        (Some(5), None, 0),
        "what is valid stays in force"
    );
    let messages: Vec<String> = set.problems.iter().map(ToString::to_string).collect();
    assert_eq!(messages.len(), 2, "{messages:#?}");
    assert_eq!(
        messages[0],
        "b.yaml:1: spec.scaleTargetRef.name: deployment shop/web has another policy (shop/a at \
         a.yaml:1); expected one policy for each deployment"
    );
    assert!(messages[1].contains("spec.maxReplicas"), "{}", messages[1]);
}
