//! The README's first command: the demo scales on real metrics, says so, and cleans up.

use std::process::{Command, Stdio};

use viperscale_tests::programs;

#[test]
fn the_demo_scales_and_tells_the_truth_in_json() {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("summary.json");
    let output = Command::new(&programs().loadtest)
        .args([
            "demo",
            "--base-seconds",
            "10",
            "--step-seconds",
            "35",
            "--dir",
        ])
        .arg(dir.path().join("run"))
        .arg("--json")
        .arg(&json)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");

    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let number = |key: &str| {
        summary[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key}: {summary}"))
    };
    // Only what must hold on a slow and busy machine; how fast it is stands in the README.
    assert!(number("first_patch_seconds") > 0.0, "{summary}");
    assert!(number("peak_replicas") >= 2.0, "{summary}");
    assert!(
        number("total_requests") > number("failed_requests"),
        "{summary}"
    );
    assert_eq!(
        summary["first_patch_deployment"], "recommendationservice",
        "{summary}"
    );
    assert!(
        !summary["decisions"].as_array().unwrap().is_empty(),
        "{summary}"
    );
    assert!(text.contains("recommendationservice"), "{text}");
}
