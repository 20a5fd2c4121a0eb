//! Policies that are objects, beside files.

use super::tests::{file, max_of, policy_text, update};
use super::*;
use crate::policies::SeenStatus;

fn objects(of: &[(&str, i64, &str, u32)]) -> Objects {
    let mut objects = Objects {
        known: true,
        ..Objects::default()
    };
    for (name, generation, deployment, max) in of {
        let json = serde_json::json!({
            "apiVersion": "viperscale.dev/v1alpha1", "kind": "ScalingPolicy",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": deployment},
                     "maxReplicas": max, "metrics": [{"name": "runqLatency", "threshold": "2ms"}]},
        });
        let raw = RawObject {
            uid: format!("uid of {name}"),
            generation: *generation,
            json: json.to_string(),
            status: SeenStatus::default(),
        };
        objects.by_key.insert(key(name), raw);
    }
    objects
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        namespace: "shop".into(),
        name: name.into(),
    }
}

#[test]
fn files_and_objects_are_mixed() {
    let mut store = PolicyStore::default();
    update(&mut store, vec![file("a.yaml", policy_text("a", "web", 5))]);
    let set = store.update_objects(&objects(&[("b", 1, "cart", 7)]));
    assert_eq!(
        (max_of(&set, "web"), max_of(&set, "cart")),
        (Some(5), Some(7))
    );
    assert_eq!(set.objects[&key("b")].standing, Standing::InForce);
    let uids: Vec<Option<&str>> = (set.in_force.values())
        .map(|policy| set.object_of(policy).map(|object| &*object.uid))
        .collect();
    assert_eq!(
        uids,
        [Some("uid of b"), None],
        "cart is an object's, web a file's"
    );
    let set = update(&mut store, Vec::new());
    assert_eq!((max_of(&set, "web"), max_of(&set, "cart")), (None, Some(7)));
    let set = store.update_objects(&objects(&[]));
    assert_eq!(set, PolicySet::default());
}

#[test]
fn a_file_and_an_object_for_one_deployment_are_both_refused_visibly() {
    let mut store = PolicyStore::default();
    update(&mut store, vec![file("a.yaml", policy_text("a", "web", 5))]);
    let set = store.update_objects(&objects(&[("b", 1, "web", 7)]));
    assert_eq!(max_of(&set, "web"), None);
    let problems: Vec<String> = set.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "ScalingPolicy shop/b: spec.scaleTargetRef.name: deployment shop/web has another policy \
             (shop/a at a.yaml:1), so neither is in force; expected one policy for each deployment",
            "a.yaml:1: spec.scaleTargetRef.name: deployment shop/web has another policy (shop/b at \
             ScalingPolicy shop/b), so neither is in force; expected one policy for each deployment",
        ]
    );
    assert_eq!(
        set.objects[&key("b")].standing,
        Standing::Conflict {
            reason: "AnotherPolicy".to_owned(),
            message:
                "deployment shop/web has another policy (shop/a at a.yaml:1), so neither is in \
                      force; expected one policy for each deployment"
                    .to_owned(),
        }
    );
    let healed = update(&mut store, Vec::new());
    assert_eq!(max_of(&healed, "web"), Some(7));
    assert_eq!(healed.objects[&key("b")].standing, Standing::InForce);
}

#[test]
fn the_last_valid_generation_of_an_object_stays() {
    let mut store = PolicyStore::default();
    store.update_objects(&objects(&[("b", 1, "web", 7)]));
    let set = store.update_objects(&objects(&[("b", 2, "web", 0)]));
    assert_eq!(max_of(&set, "web"), Some(7));
    let object = &set.objects[&key("b")];
    assert_eq!(object.generation, 2);
    assert_eq!(
        object.standing,
        Standing::Invalid {
            problem: "spec.maxReplicas: expected a whole number from 1 to 150000, found `0`"
                .to_owned(),
            in_force: Some(1),
        }
    );
    // Another object of that name is another policy, and has no version that was ever valid.
    let mut other = objects(&[("b", 1, "web", 0)]);
    for raw in other.by_key.values_mut() {
        raw.uid = "other".to_owned();
    }
    let set = store.update_objects(&other);
    assert_eq!(max_of(&set, "web"), None);
    assert!(matches!(
        set.objects[&key("b")].standing,
        Standing::Invalid { in_force: None, .. }
    ));
}

/// What the schema lets in because no rule can say it at a bearable cost.
#[test]
fn an_object_says_what_no_schema_can_say() {
    for (metrics, expected) in [
        (
            serde_json::json!([{"name": "runqLatency", "threshold": "0ms"}]),
            "spec.metrics[0].threshold: expected a quantity above 0, found `0ms`",
        ),
        (
            serde_json::json!([
                {"name": "runqLatency", "threshold": "2ms"},
                {"name": "runqLatency", "threshold": "3ms"},
            ]),
            "spec.metrics[1]: runqLatency p95 is listed twice for the same container",
        ),
        (
            serde_json::json!([
                {"name": "runqLatency", "threshold": "2ms"},
                {"name": "runqLatency", "statistic": "p99", "threshold": "9ms", "sampling": 0.5},
            ]),
            "spec.metrics[1]: expected sampling 1 as in the entry above for runqLatency, found 0.5",
        ),
    ] {
        let mut objects = objects(&[("b", 1, "web", 7)]);
        for raw in objects.by_key.values_mut() {
            let mut json: serde_json::Value = serde_json::from_str(&raw.json).unwrap();
            json["spec"]["metrics"] = metrics.clone();
            raw.json = json.to_string();
        }
        let set = PolicyStore::default().update_objects(&objects);
        assert_eq!(
            set.objects[&key("b")].standing,
            Standing::Invalid {
                problem: expected.to_owned(),
                in_force: None,
            }
        );
    }
}

#[test]
fn two_objects_for_one_deployment_are_both_refused() {
    let mut store = PolicyStore::default();
    let set = store.update_objects(&objects(&[("a", 1, "web", 5), ("b", 1, "web", 7)]));
    assert_eq!(max_of(&set, "web"), None);
    for (name, other) in [("a", "b"), ("b", "a")] {
        assert_eq!(
            set.objects[&key(name)].standing,
            Standing::Conflict {
                reason: "AnotherPolicy".to_owned(),
                message: format!(
                    "deployment shop/web has another policy (shop/{other} at ScalingPolicy \
                     shop/{other}), so neither is in force; expected one policy for each deployment"
                ),
            }
        );
    }
}

#[test]
fn a_file_and_an_object_of_one_name_are_both_refused() {
    let mut store = PolicyStore::default();
    update(&mut store, vec![file("a.yaml", policy_text("a", "web", 5))]);
    let set = store.update_objects(&objects(&[("a", 1, "cart", 7)]));
    assert!(set.in_force.is_empty());
    assert_eq!(set.problems.len(), 2);
    let Standing::Conflict { message, .. } = &set.objects[&key("a")].standing else {
        panic!("not refused");
    };
    assert_eq!(
        message,
        "another policy is called shop/a too (a.yaml:1), so neither is in force; expected different \
         names"
    );
}
