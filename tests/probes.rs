//! `loadtest bench probes` as a user runs it: every part, as short as it goes, and nothing left behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use viperscale_tests::{Traces, eventually, left_since, programs};

/// One measurement would see the programs of another, and take them for its own leftovers.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn every_part_is_measured_and_nothing_is_left() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let (json, picture) = (
        parent.path().join("probes.json"),
        parent.path().join("overhead.png"),
    );
    let before = Traces::of(&dir);
    let output = Command::new(&programs().loadtest)
        .args(["bench", "probes", "--rounds", "1", "--round-ms", "50"])
        .args(["--shop-rounds", "1", "--shop-seconds", "5", "--users", "4"])
        .args([
            "--replicas",
            "1",
            "--containers",
            "10",
            "--agent-seconds",
            "5",
        ])
        .arg("--dir")
        .arg(&dir)
        .arg("--json")
        .arg(&json)
        .arg("--picture")
        .arg(&picture)
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert_eq!(left_since(&dir, &before), Traces::default());
    check(&read(&json), &text);
    let png = std::fs::read(picture).expect("a picture was written");
    assert!(png.starts_with(b"\x89PNG"));
}

fn read(file: &Path) -> Value {
    let file = std::fs::read(file).expect("a result was written");
    serde_json::from_slice(&file).expect("it is JSON")
}

/// Only what must hold on a slow and busy machine; how little it is stands in the README.
fn check(report: &Value, text: &str) {
    let number = |value: &Value| {
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{value} is no number: {report}"))
    };
    assert!(number(&report["floor_ns_per_run"]) > 0.0);
    assert!(number(&report["scheduler_ns_per_switch"]) > 0.0);
    let events = report["events"].as_array().expect("events");
    assert_eq!(events.len(), 7, "{report}");
    for event in events {
        let measured = event["monitored_ns"].is_number();
        assert!(measured != event["missing"].is_string(), "{event}");
    }
    let states = report["shop"]["states"].as_array().expect("states");
    let names: Vec<&str> = states
        .iter()
        .filter_map(|one| one["state"].as_str())
        .collect();
    assert_eq!(names[..3], ["none", "core", "all"]);
    for state in states {
        assert!(number(&state["p50_ms"]["median"]) > 0.0, "{state}");
        assert!(
            number(&state["shop_cpu_ms_per_page"]["median"]) > 0.0,
            "{state}"
        );
    }
    assert_eq!(report["shop"]["overheads"][1]["state"], "all");
    assert_eq!(number(&report["agent"]["containers"]), 10.0);
    assert!(number(&report["agent"]["report_bytes"]) > 0.0);
    for part in ["ns per event", "the demo shop", "probe-agent"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn a_picture_without_the_shop_is_refused_before_anything_runs() {
    let output = Command::new(&programs().loadtest)
        .args(["bench", "probes", "--parts", "events", "--picture", "p.png"])
        .output()
        .expect("the program starts");
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("`shop` in --parts"), "{errors}");
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_anything_runs() {
    for option in ["--json", "--picture"] {
        let output = Command::new(&programs().loadtest)
            .args(["bench", "probes", "--parts", "events", "--rounds", "1"])
            .args([option, "/proc/result"])
            .output()
            .expect("the program starts");
        assert!(!output.status.success());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("no file can be written there"), "{errors}");
    }
}

/// A long measurement of events, seen while another tool runs for it.
struct Halfway {
    run: Child,
    tools: BTreeSet<PathBuf>,
}

impl Halfway {
    async fn start() -> Self {
        let run = Command::new(&programs().loadtest)
            .args(["bench", "probes", "--parts", "events", "--rounds", "1000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let children = format!("/proc/{0}/task/{0}/children", run.id());
        let tools = eventually("a tool at work", Duration::from_secs(60), async || {
            let pids = fs::read_to_string(&children).ok()?;
            let tools = pids
                .split_whitespace()
                .map(|pid| Path::new("/proc").join(pid));
            Some(tools.collect::<BTreeSet<_>>()).filter(|tools| !tools.is_empty())
        })
        .await;
        let halfway = Self { run, tools };
        assert!(
            !halfway.cgroups().is_empty(),
            "the premise: it has a cgroup"
        );
        halfway
    }

    /// Ends it, and waits until nothing that it started is left.
    async fn end(&mut self, signal: Signal) {
        let pid = Pid::from_raw(self.run.id().cast_signed());
        kill(pid, signal).expect("it runs");
        let status = self.run.wait().expect("it is our child");
        assert!(!status.success(), "the premise: it had not ended by itself");
        eventually("the tools' end", Duration::from_secs(5), async || {
            self.tools.iter().all(|tool| !tool.exists()).then_some(())
        })
        .await;
    }

    /// Cgroups that are named after it.
    fn cgroups(&self) -> Vec<PathBuf> {
        let name = format!("viperscale-bench-{}", self.run.id());
        let root = Path::new("/sys/fs/cgroup");
        let trees = fs::read_dir(root).expect("cgroups are mounted").flatten();
        let mounts = trees.map(|entry| entry.path()).chain([root.to_owned()]);
        mounts
            .map(|mount| mount.join(&name))
            .filter(|cgroup| cgroup.exists())
            .collect()
    }
}

#[tokio::test]
async fn a_measurement_of_events_that_is_stopped_leaves_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut halfway = Halfway::start().await;
    halfway.end(Signal::SIGINT).await;
    assert_eq!(halfway.cgroups(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_a_killed_measurement_of_events_leaves_goes_with_the_next() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut killed = Halfway::start().await;
    killed.end(Signal::SIGKILL).await;
    let mut next = Halfway::start().await;
    assert_eq!(killed.cgroups(), Vec::<PathBuf>::new());
    next.end(Signal::SIGTERM).await;
    assert_eq!(next.cgroups(), Vec::<PathBuf>::new());
}
