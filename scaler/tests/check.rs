//! `scaler check`, as a user runs it. The expected output is in `tests/check/*.expected`.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

use std::path::Path;
use std::process::{Command, Output};

/// Runs it where paths in messages are short.
fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scaler"))
        .arg("check")
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check"))
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn assert_golden(arguments: &[&str], expected: &str) {
    let output = check(arguments);
    assert_eq!(stdout(&output), expected, "{arguments:?}");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
}

#[test]
fn every_mistake_is_named_with_file_line_and_field() {
    assert_golden(&["broken.yaml"], include_str!("check/broken.expected"));
}

#[test]
fn two_policies_for_one_deployment_are_a_mistake() {
    assert_golden(
        &["one.yaml", "two.yaml"],
        include_str!("check/clash.expected"),
    );
}

#[test]
fn a_clash_is_named_even_when_other_documents_of_the_file_are_invalid() {
    assert_golden(
        &["one.yaml", "clash-and-mistake.yaml"],
        include_str!("check/clash-and-mistake.expected"),
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake() {
    assert_golden(
        &["missing.yaml"],
        "missing.yaml: cannot be read: No such file or directory (os error 2)\n",
    );
    let empty = tempfile::tempdir().unwrap();
    let path = empty.path().to_str().unwrap();
    let expected = format!("{path}: no policy files in it; expected *.yaml or *.yml\n");
    assert_golden(&[path], &expected);
}

#[test]
fn valid_policies_are_counted() {
    let output = check(&["one.yaml"]);
    assert_eq!(stdout(&output), "1 policy is valid\n");
    assert!(output.status.success());
    let directory = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let text = std::fs::read_to_string(format!(
            "{}/tests/check/{name}.yaml",
            env!("CARGO_MANIFEST_DIR")
        ));
        let text = text.unwrap().replace("name: web", &format!("name: {name}"));
        std::fs::write(directory.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let output = check(&[directory.path().to_str().unwrap()]);
    assert_eq!(stdout(&output), "2 policies are valid\n");
}

#[test]
fn programs_get_json() {
    let output = check(&["--json", "one.yaml", "missing.yaml"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["valid"], 1);
    assert_eq!(report["errors"][0]["file"], "missing.yaml");
    assert_eq!(output.status.code(), Some(1));
}
