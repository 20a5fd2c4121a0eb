//! The README's first command: the demo scales on real metrics, says so, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use viperscale_tests::{Traces, left_since, programs};

/// One after the other: a machine has room for one node of a name.
#[test]
fn the_demo_scales_tells_the_truth_and_can_be_cut_short() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let before = Traces::of(&dir);

    scales_and_tells_the_truth_in_json(&dir, &parent.path().join("summary.json"));
    assert_eq!(left_since(&dir, &before), Traces::default());

    cut_short_in_the_middle_of_the_load(&dir);
    assert_eq!(left_since(&dir, &before), Traces::default());
}

fn scales_and_tells_the_truth_in_json(dir: &Path, json: &Path) {
    let output = demo(dir)
        .arg("--json")
        .arg(json)
        .output()
        .expect("the demo starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");

    let file = std::fs::read(json).expect("a summary was written");
    let summary: serde_json::Value = serde_json::from_slice(&file).expect("it is JSON");
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
    let grown = summary["peak_replicas_by_deployment"]["recommendationservice"].as_u64();
    assert!(grown >= Some(2), "{summary}");
    assert!(
        summary["decisions"]
            .as_array()
            .is_some_and(|d| !d.is_empty()),
        "{summary}"
    );
    assert!(text.contains("recommendationservice"), "{text}");
}

fn cut_short_in_the_middle_of_the_load(dir: &Path) {
    let mut child = demo(dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the demo starts");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines = output.lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line.contains("load step")),
        "the load step was never announced"
    );
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("it still runs");
    // Read on, or the demo would wait for its reader.
    lines.for_each(drop);
    assert!(
        !child.wait().expect("it is our child").success(),
        "cut short is not a success"
    );
}

fn demo(dir: &Path) -> Command {
    let mut command = Command::new(&programs().loadtest);
    command
        .args([
            "demo",
            "--base-seconds",
            "10",
            "--step-seconds",
            "35",
            "--dir",
        ])
        .arg(dir)
        .stdin(Stdio::null());
    command
}
