//! `scaler run` as a process: what it says when it cannot start, and how it stops.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Cluster, eventually};
use kube::config::Kubeconfig;

fn scaler() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scaler"));
    command
        .arg("run")
        .env_clear()
        // The ports are taken first, and tests run beside each other.
        .env("VIPERSCALE_GRPC_ADDRESS", "127.0.0.1:0")
        .env("VIPERSCALE_ADMIN_ADDRESS", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[track_caller]
fn complaint(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    text.lines()
        .find(|line| line.starts_with("error: "))
        .expect(&text)
        .to_owned()
}

#[test]
fn a_missing_directory_of_policies_is_named() {
    let text = complaint(scaler().args(["--policies", "/nowhere"]));
    assert!(
        text.starts_with("error: --policies /nowhere: No such file or directory"),
        "{text}"
    );
}

#[test]
fn no_cluster_says_how_to_name_one() {
    let text = complaint(scaler().args(["--policies", "/tmp", "--kubeconfig", "/nowhere"]));
    assert!(text.starts_with("error: --kubeconfig /nowhere: "), "{text}");
    let text = complaint(
        scaler()
            .args(["--policies", "/tmp"])
            .env("HOME", "/nowhere"),
    );
    assert!(text.contains("--kubeconfig FILE"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_of_another_cluster_is_refused_at_once() {
    let (cluster, other) = (Cluster::start().await, Cluster::start().await);
    let read = |cluster: &Cluster| Kubeconfig::read_from(&cluster.kubeconfig).unwrap();
    let mut other_token = read(&cluster);
    other_token.auth_infos = read(&other).auth_infos;
    let mut other_ca = read(&cluster);
    other_ca.clusters[0]
        .cluster
        .as_mut()
        .unwrap()
        .certificate_authority_data = read(&other).clusters[0]
        .cluster
        .as_ref()
        .unwrap()
        .certificate_authority_data
        .clone();
    for (kubeconfig, expected) in [
        (other_token, "the token or certificate of the kubeconfig"),
        (other_ca, "signed by the CA of the kubeconfig"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        serde_json::to_writer(&file, &kubeconfig).unwrap();
        let mut command = scaler();
        command.args(["--policies", "/tmp", "--kubeconfig"]);
        command.arg(file.path());
        let started = Instant::now();
        let text = tokio::task::spawn_blocking(move || complaint(&mut command))
            .await
            .unwrap();
        assert!(text.contains(expected), "{text}");
        assert!(started.elapsed() < Duration::from_secs(10), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_is_named_with_its_option() {
    let cluster = Cluster::start().await;
    let busy = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let holder = TcpListener::bind(busy).unwrap();
    for option in ["--grpc-address", "--admin-address"] {
        let other = match option {
            "--grpc-address" => "--admin-address",
            _ => "--grpc-address",
        };
        let mut command = scaler();
        command.arg("--kubeconfig").arg(&cluster.kubeconfig);
        command
            .args(["--policies", "/tmp", other, "127.0.0.1:0", option])
            .arg(busy.to_string());
        let text = tokio::task::spawn_blocking(move || complaint(&mut command))
            .await
            .unwrap();
        assert!(
            text.starts_with(&format!("error: {option} {busy}: Address already in use")),
            "{text}"
        );
    }
    drop(holder);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_stops_it_in_order() {
    let cluster = Cluster::start().await;
    let policies = tempfile::tempdir().unwrap();
    let log = policies.path().join("scaler.log");
    let admin = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut command = scaler();
    command.arg("--policies").arg(policies.path());
    command.arg("--kubeconfig").arg(&cluster.kubeconfig);
    command.args(["--grpc-address", "127.0.0.1:0"]);
    command.env("VIPERSCALE_ADMIN_ADDRESS", admin.to_string());
    let mut process = command
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    eventually("it is ready", || async {
        let answer = reqwest::get(format!("http://{admin}/ready")).await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    let live = reqwest::get(format!("http://{admin}/live")).await.unwrap();
    assert!(live.status().is_success());
    let kill = Command::new("kill")
        .arg(process.id().to_string())
        .status()
        .unwrap();
    assert!(kill.success());
    let status = tokio::task::spawn_blocking(move || process.wait().unwrap())
        .await
        .unwrap();
    assert!(status.success(), "{status}");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("put ScalingPolicy files"), "{log}");
}

#[test]
fn policies_that_are_no_directory_are_named() {
    let text = complaint(scaler().args(["--policies", "/etc/hostname"]));
    let start = "error: --policies /etc/hostname: Not a directory (os error 20); name a directory";
    assert!(text.starts_with(start), "{text}");
}
