//! `--record`, `scaler replay` and `scaler explain`, over real gRPC and HTTP and the real binary.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use common::{Cluster, Running, eventually, policy};
use scaler::config::RecordConfig;
use serde_json::{Value, json};

fn scaler(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_scaler"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A scaler that records while a pod waits, until it has scaled up; then stopped. Returns what
/// `/decisions/NAMESPACE/NAME` and `scaler explain` said meanwhile.
async fn recorded(directory: &Path) -> (Value, Output) {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let pod = cluster.create_pod("web", "web-a", "n1").await;
    let policies = [("web.yaml", policy("web", ""))];
    let record = RecordConfig {
        directory: directory.to_owned(),
        max_bytes: 8 << 20,
    };
    let running = Running::start_with(&cluster, &policies, |config| {
        config.record = Some(record);
    })
    .await;
    let mut agent = running.connect("n1").await;
    agent.configuration_of(1).await;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    for _report in 0..100 {
        tick.tick().await;
        agent.report_waiting(&pod).await;
        if cluster.replicas("web").await == 4 {
            break;
        }
    }
    let told = eventually("the change in the journal", || async {
        let told: Value = running
            .get("/decisions/default/web")
            .await
            .json()
            .await
            .ok()?;
        let changes = told["changes"].as_array()?.len();
        (changes > 0).then_some(told)
    })
    .await;
    let address = running.scaler.admin_address.to_string();
    let explained = tokio::task::spawn_blocking(move || {
        scaler(&["explain", "default/web", "--address", &address])
    })
    .await
    .unwrap();
    // The decision after the write sees its effect, and a second block is begun before the end.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    running.stop.cancel();
    running.scaler.finished().await.unwrap();
    (told, explained)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_explained_and_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let recording = directory.path().join("recording");
    let (told, explained) = recorded(&recording).await;
    assert_eq!(told["changes"][0]["from"], json!(1));
    let explained_text = text(&explained.stdout);
    assert!(explained.status.success(), "{}", text(&explained.stderr));
    assert!(explained_text.contains("1 -> 4"), "{explained_text}");

    let path = recording.to_str().unwrap();
    let replayed = scaler(&["replay", path, "--json"]);
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let report: Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert!(report["decisions"].as_u64().unwrap() > 0);
    assert_eq!(report["decisions"], report["reproduced"]);
    assert_eq!(report["deployments"][0]["recorded"]["peak"], json!(4));

    let from_file = scaler(&["explain", "default/web", "--recording", path, "--json"]);
    assert!(from_file.status.success(), "{}", text(&from_file.stderr));
    let from_file: Value = serde_json::from_slice(&from_file.stdout).unwrap();
    assert_eq!(from_file["changes"][0]["to"], json!(4));

    // Another policy, that may not grow so far.
    let other = directory.path().join("other.yaml");
    fs::write(
        &other,
        policy("web", "").replace("maxReplicas: 4", "maxReplicas: 2"),
    )
    .unwrap();
    let plot = directory.path().join("plot.svg");
    let arguments = [
        "replay",
        path,
        "--policy",
        other.to_str().unwrap(),
        "--plot",
        plot.to_str().unwrap(),
    ];
    let compared = scaler(&arguments);
    let shown = text(&compared.stdout);
    assert!(
        compared.status.success(),
        "{shown}{}",
        text(&compared.stderr)
    );
    assert!(
        shown.contains("The recorded load does not react"),
        "{shown}"
    );
    assert!(shown.contains("would have been"), "{shown}");
    assert!(fs::read_to_string(&plot).unwrap().starts_with("<svg"));

    // A crash in the middle of a block.
    let segment = recording.join("0000000001.vsr");
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 5]).unwrap();
    let damaged = scaler(&["replay", path]);
    assert!(
        damaged.status.success(),
        "{}{}",
        text(&damaged.stdout),
        text(&damaged.stderr)
    );
    let warning = text(&damaged.stderr);
    assert!(
        warning.contains("the last block is cut short after"),
        "{warning}"
    );
}

#[test]
fn mistakes_are_told_with_what_was_expected() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["explain", "web"], "expected NAMESPACE/NAME"),
        (
            &["explain", "a/b", "--address", "127.0.0.1:1"],
            "127.0.0.1:1 does not answer",
        ),
        (&["replay", path], "no recording in it"),
        (&["replay", "/nowhere"], "/nowhere: No such file"),
        (
            &["replay", path, "--plot", "x.png"],
            "expected a name that ends in .svg or .html",
        ),
    ];
    for (arguments, expected) in cases {
        let output = scaler(arguments);
        let problem = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{problem}");
        assert!(problem.contains(expected), "{problem}");
    }
}
