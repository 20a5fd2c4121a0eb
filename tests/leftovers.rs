//! Whatever way a cluster ends, and whenever, nothing of it stays.

#![allow(clippy::unwrap_used, reason = "helpers of a test are the test")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use viperscale_tests::{
    Traces, cgroups, eventually, left_since, processes_of, programs, shop_processes,
};

/// How long a cluster may take to have all pods of the shop running.
const UP: Duration = Duration::from_secs(60);

/// How long it may take to disappear.
const DOWN: Duration = Duration::from_secs(20);

/// Roles of the shop, each with one pod.
const ROLES: usize = 11;

#[tokio::test]
async fn a_cluster_leaves_nothing_behind_however_it_ends() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let before = Traces::of(&dir);

    let mut asked = start(&dir, || shop_processes() >= ROLES).await;
    signal(&asked, Signal::SIGTERM);
    assert!(
        asked.wait().unwrap().success(),
        "an orderly end is no failure"
    );
    assert_eq!(left_since(&dir, &before), Traces::default());

    // In the middle of its start: the node is there, its pods are not.
    let mut early = start(&dir, || !cgroups().is_empty()).await;
    signal(&early, Signal::SIGINT);
    early.wait().unwrap();
    assert_eq!(left_since(&dir, &before), Traces::default());

    let mut killed = start(&dir, || shop_processes() >= ROLES).await;
    signal(&killed, Signal::SIGKILL);
    killed.wait().unwrap();
    eventually("an end of all processes after SIGKILL", DOWN, async || {
        processes_of(&dir).is_empty().then_some(())
    })
    .await;

    // The next start sweeps what the killed one could not.
    let mut next = start(&dir, || shop_processes() >= ROLES).await;
    signal(&next, Signal::SIGINT);
    next.wait().unwrap();
    assert_eq!(left_since(&dir, &before), Traces::default());
}

/// Starts a cluster with the shop and waits until `reached`.
async fn start(dir: &Path, reached: impl Fn() -> bool) -> Child {
    let mut child = Command::new(&programs().loadtest)
        .args(["cluster", "up", "--shop", "--dir"])
        .arg(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let running = Mutex::new(&mut child);
    eventually("that state of the cluster", UP, async || {
        let ended = running.lock().unwrap().try_wait().unwrap();
        assert!(ended.is_none(), "the cluster ended early: {ended:?}");
        reached().then_some(())
    })
    .await;
    child
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}
