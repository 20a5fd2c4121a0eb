//! Policies that change while the scaler runs.

#![allow(clippy::unwrap_used)] // in a test it is an assertion

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::{Cluster, Running, eventually, policy};

#[tokio::test(flavor = "multi_thread")]
async fn edits_take_effect_and_mistakes_do_not() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let scaler = Running::start(&cluster, &[("web.yaml", policy("web", ""))]).await;
    scaler
        .decision("web", |view| view["mode"] == "Active")
        .await;

    // As editors do: another file is renamed over it.
    let temporary = scaler.policies.path().join(".web.yaml.tmp");
    fs::write(&temporary, policy("web", "mode: Paused")).unwrap();
    fs::rename(&temporary, scaler.policies.path().join("web.yaml")).unwrap();
    scaler
        .decision("web", |view| view["mode"] == "Paused")
        .await;

    scaler.write_policy("web.yaml", &policy("web", "mode: Sleeping"));
    eventually("the mistake is counted", || async {
        let metrics = scaler.get("/metrics").await.text().await.unwrap();
        metrics.contains("viperscale_policy_errors 1").then_some(())
    })
    .await;
    assert!(scaler.get("/ready").await.status().is_success());
    scaler
        .decision("web", |view| view["mode"] == "Paused")
        .await;

    scaler.write_policy("web.yaml", &policy("web", "mode: DryRun"));
    scaler
        .decision("web", |view| view["mode"] == "DryRun")
        .await;

    scaler.write_policy(
        "twin.yaml",
        &policy("web", "").replace("name: web, n", "name: twin, n"),
    );
    let refused = scaler
        .decision("web", |view| view["status"] == "Refused")
        .await;
    assert!(
        refused["statusReason"]
            .as_str()
            .unwrap()
            .contains("has another policy"),
        "{refused}"
    );
    fs::remove_file(scaler.policies.path().join("twin.yaml")).unwrap();
    scaler
        .decision("web", |view| view["status"] == "InForce")
        .await;

    fs::remove_file(scaler.policies.path().join("web.yaml")).unwrap();
    eventually("the policy is gone", || async {
        let all: serde_json::Value = scaler.get("/decisions").await.json().await.unwrap();
        all["policies"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_config_map_is_followed_through_its_symlinks() {
    let cluster = Cluster::start().await;
    cluster.create_deployment("web").await;
    let scaler = Running::start(&cluster, &[]).await;
    let mount = scaler.policies.path();
    let version = |name: &str, mode: &str| {
        fs::create_dir(mount.join(name)).unwrap();
        fs::write(mount.join(name).join("web.yaml"), policy("web", mode)).unwrap();
        symlink(name, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    version("..2026_1", "mode: Paused");
    symlink("..data/web.yaml", mount.join("web.yaml")).unwrap();
    scaler
        .decision("web", |view| view["mode"] == "Paused")
        .await;
    version("..2026_2", "mode: DryRun");
    fs::remove_dir_all(mount.join("..2026_1")).unwrap();
    scaler
        .decision("web", |view| view["mode"] == "DryRun")
        .await;
}
