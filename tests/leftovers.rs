//! Whatever way a cluster ends, nothing of it stays: no process, no cgroup.

#![allow(clippy::unwrap_used, reason = "helpers of a test are the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use viperscale_tests::{eventually, programs};

/// How long a cluster may take to have all pods of the shop running.
const UP: Duration = Duration::from_secs(60);

/// How long it may take to disappear.
const DOWN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_cluster_leaves_nothing_behind_however_it_ends() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");

    let mut asked = start(&dir).await;
    signal(&asked, Signal::SIGTERM);
    assert!(
        asked.wait().unwrap().success(),
        "an orderly end is no failure"
    );
    assert_eq!(processes_below(&dir), Vec::<String>::new());
    assert_eq!(cgroups(), Vec::<PathBuf>::new());

    let mut killed = start(&dir).await;
    signal(&killed, Signal::SIGKILL);
    killed.wait().unwrap();
    eventually("an end of all processes after SIGKILL", DOWN, async || {
        processes_below(&dir).is_empty().then_some(())
    })
    .await;

    // The next start sweeps what the killed one could not.
    let mut next = start(&dir).await;
    signal(&next, Signal::SIGINT);
    next.wait().unwrap();
    assert_eq!(processes_below(&dir), Vec::<String>::new());
    assert_eq!(cgroups(), Vec::<PathBuf>::new());
}

/// Starts a cluster with the shop and waits until its pods run.
async fn start(dir: &Path) -> Child {
    let mut child = Command::new(&programs().loadtest)
        .args(["cluster", "up", "--shop", "--dir"])
        .arg(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let running = std::sync::Mutex::new(&mut child);
    eventually("a running shop", UP, async || {
        let ended = running.lock().unwrap().try_wait().unwrap();
        assert!(ended.is_none(), "the cluster ended early: {ended:?}");
        (shop_processes() >= 11).then_some(())
    })
    .await;
    child
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

/// Command lines of live processes.
fn command_lines() -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let read = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace('\0', " ");
    entries.filter_map(read).map(text).collect()
}

/// Processes that belong to the cluster in `dir`: its own, and its pods.
fn processes_below(dir: &Path) -> Vec<String> {
    let dir = dir.to_string_lossy();
    let shop = programs().demo_shop.to_string_lossy();
    let ours = |line: &String| line.contains(&*dir) || line.starts_with(&*shop);
    command_lines().into_iter().filter(ours).collect()
}

fn shop_processes() -> usize {
    let shop = programs().demo_shop.to_string_lossy().into_owned();
    command_lines()
        .iter()
        .filter(|line| line.starts_with(&shop))
        .count()
}

/// The node's cgroup trees in every hierarchy.
fn cgroups() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let hierarchies = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let path = fields.next()?;
        fields
            .next()?
            .starts_with("cgroup")
            .then(|| PathBuf::from(path))
    });
    let tree = |mount: PathBuf| mount.join(format!("viperscale-{}", loadtest::local::NODE_NAME));
    hierarchies.map(tree).filter(|path| path.exists()).collect()
}
