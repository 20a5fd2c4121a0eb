use super::*;

fn object(status: serde_json::Value, generation: i64) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "viperscale.dev/v1alpha1", "kind": "ScalingPolicy",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "generation": generation,
                     "managedFields": [], "labels": {"a": "b"}},
        "spec": {"maxReplicas": 3},
        "status": status,
    }))
    .unwrap()
}

#[test]
fn a_status_of_ours_is_no_change() {
    let object = |status| object(status, 1);
    let key = key_of(&object(json!({}))).unwrap();
    let mut objects = BTreeMap::new();
    let first = read(&key, object(json!(null)), None);
    assert!(put(&mut objects, key.clone(), first));
    let written = json!({"observedGeneration": 1, "conditions": [], "metrics": []});
    let again = read(&key, object(written.clone()), objects.get(&key));
    assert!(!put(&mut objects, key.clone(), again));

    let seen = objects[&key].status.latest();
    assert_eq!(seen.map(|status| status.observed_generation), Some(1));

    // Another process sees it first with that status.
    let elsewhere = read(&key, object(written), None).status.latest();
    assert_eq!(elsewhere.map(|status| status.observed_generation), Some(1));
}

#[test]
fn there_is_a_most_of_objects() {
    let mut objects = BTreeMap::new();
    let key = |n: usize| ObjectKey {
        namespace: "shop".into(),
        name: n.to_string().into(),
    };
    let raw = read(&key(0), object(json!(null), 1), None);
    for n in 0..MAX_OBJECTS {
        assert!(put(&mut objects, key(n), raw.clone()));
    }
    assert!(!put(&mut objects, key(MAX_OBJECTS), raw.clone()));
    let newer = RawObject {
        generation: 2,
        ..raw
    };
    assert!(put(&mut objects, key(7), newer), "known ones go on");
}

#[test]
fn the_core_reads_what_is_kept() {
    let object = object(json!(null), 1);
    let key = key_of(&object).unwrap();
    let raw = read(&key, object, None);
    let errors = scaler_core::policy::load_object(&raw.json, &key.origin()).unwrap_err();
    let texts: Vec<String> = errors
        .iter()
        .map(|e| format!("{}: {}", e.field, e.message))
        .collect();
    assert_eq!(
        texts,
        [
            "spec: field `scaleTargetRef` is missing: expected the deployment",
            "spec: field `metrics` is missing: expected at least one metric",
        ]
    );
}
