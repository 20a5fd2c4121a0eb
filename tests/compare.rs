//! `loadtest compare`, the real one: cut short, killed, resumed, and a report at the end; and what it refuses.

#![allow(clippy::unwrap_used, reason = "helpers of a test are the test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use viperscale_tests::{Traces, eventually, left_since, processes_of, programs};

/// How long processes may take to disappear.
const DOWN: Duration = Duration::from_secs(20);

/// Few seconds of load, enough requests before the step for the check that both saw the same.
const SCENARIO: &str = "
name: tiny
description: As little as can be compared.
deployments:
  - name: recommendationservice
load:
  waitScale: 0.1
  step: rush
  phases:
    - {name: base, seconds: 4, users: 5}
    - {name: rush, seconds: 6, users: 25}
";

/// A comparison in a folder of its own.
struct Comparison {
    parent: tempfile::TempDir,
}

impl Comparison {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("tiny.yaml"), SCENARIO).unwrap();
        Self { parent }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.parent.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&programs().loadtest);
        command
            .arg("compare")
            .args(arguments)
            .arg("--out")
            .arg(self.path("out"))
            .arg("--dir")
            .arg(self.path("run"))
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        command
    }

    fn quick(&self) -> Command {
        self.command(&[self.path("tiny.yaml").to_str().unwrap(), "--quick"])
    }

    /// Starts it and returns once it says `line`.
    fn until(&self, line: &str) -> (Child, Vec<String>) {
        let mut child = self.quick().stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut heard = Vec::new();
        for said in said.map_while(Result::ok) {
            heard.push(said);
            if heard.last().unwrap().contains(line) {
                return (child, heard);
            }
        }
        let ended = child.wait().unwrap();
        panic!(
            "it ended ({ended}) and never said {line:?}:\n{}",
            heard.join("\n")
        );
    }

    /// Files of `folder` below the scenario's own.
    fn files(&self, folder: &str) -> Vec<String> {
        let folder = self.path("out/tiny-quick").join(folder);
        let mut files: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        files
    }
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// What a refusal says, without `error: `.
fn refusal(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.trim_start_matches("error: ").trim_end().to_owned()
}

/// One after the other: a machine has room for one node of a name.
#[tokio::test]
async fn a_comparison_goes_on_after_any_end_and_leaves_a_report_and_nothing_else() {
    let comparison = Comparison::new();
    let run_dir = comparison.path("run");
    let before = Traces::of(&run_dir);

    // Asked to stop in the first trial: nothing stays but the folder.
    let (mut asked, _) = comparison.until("waiting for the shop");
    kill(Pid::from_raw(asked.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(asked.wait().unwrap().code(), Some(130));
    assert_eq!(left_since(&run_dir, &before), Traces::default());

    // Killed in the load of the second trial.
    let (mut killed, heard) = comparison.until("Viperscale: base");
    assert!(
        heard.iter().any(|line| line.ends_with("HPA: done")),
        "{heard:?}"
    );
    killed.kill().unwrap();
    killed.wait().unwrap();
    eventually("an end of all processes after SIGKILL", DOWN, async || {
        processes_of(&run_dir).is_empty().then_some(())
    })
    .await;
    let first = fs::read(comparison.path("out/tiny-quick/trial-1-hpa/requests.jsonl")).unwrap();

    // The same command makes what is missing, and only that.
    let output = comparison.quick().output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        !said.contains("HPA: waiting"),
        "the first trial was made again:\n{said}"
    );
    assert!(
        said.contains("Failed requests") && said.contains("report.html"),
        "{said}"
    );
    assert_eq!(left_since(&run_dir, &before), Traces::default());
    let kept = fs::read(comparison.path("out/tiny-quick/trial-1-hpa/requests.jsonl")).unwrap();
    assert_eq!(first, kept);
    check_files(&comparison);

    // With everything there it only writes the report anew; and nothing else may use its folder.
    fs::remove_file(comparison.path("out/tiny-quick/report.html")).unwrap();
    let output = comparison.quick().output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(comparison.path("out/tiny-quick/report.html").exists());
    let changed = SCENARIO.replace("users: 25", "users: 26");
    fs::write(comparison.path("tiny.yaml"), changed).unwrap();
    let out = comparison.path("out");
    let expected = format!(
        "--out {0} holds another comparison of tiny-quick: scenario.load.phases[1].users was 25 and is 26. Choose \
         another folder, or remove {0}/tiny-quick",
        out.display()
    );
    assert_eq!(refusal(comparison.quick()), expected);
}

fn check_files(comparison: &Comparison) {
    let report = comparison.files("");
    for file in [
        "comparison.json",
        "report.html",
        "replicas.png",
        "inputs.json",
    ] {
        assert!(report.iter().any(|name| name == file), "{file}: {report:?}");
    }
    assert!(
        report.iter().any(|name| name.ends_with(".csv")),
        "{report:?}"
    );
    for trial in ["trial-1-hpa", "trial-1-viperscale"] {
        let raw = comparison.files(trial);
        for file in [
            "requests.jsonl",
            "replicas.jsonl",
            "cpu.jsonl",
            "decisions.jsonl",
            "trial.json",
        ] {
            assert!(raw.iter().any(|name| name == file), "{file}: {raw:?}");
        }
        let locust = comparison.files(&format!("{trial}/locust"));
        assert!(
            locust.iter().any(|name| name == "locust_stats_history.csv"),
            "{locust:?}"
        );
        check_numbers(&comparison.path("out/tiny-quick").join(trial));
    }
}

/// What was noted must be what happened: load, its step, CPU time of the pods.
fn check_numbers(trial: &Path) {
    let metadata: serde_json::Value =
        serde_json::from_slice(&fs::read(trial.join("trial.json")).unwrap()).unwrap();
    let step = metadata["step_at_seconds"].as_f64().unwrap();
    assert!((3.5..6.0).contains(&step), "{metadata}");
    assert_eq!(metadata["seed"], 1, "{metadata}");
    assert!(
        metadata["metrics_phase"]["next_poll_seconds"].is_number(),
        "{metadata}"
    );
    let lines = |file: &str| -> Vec<serde_json::Value> {
        let text = fs::read_to_string(trial.join(file)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let requests = lines("requests.jsonl");
    let early = requests
        .iter()
        .filter(|r| r["at"].as_f64().unwrap() < step)
        .count();
    assert!(
        early > 10 && requests.len() > 2 * early,
        "{early} of {}",
        requests.len()
    );
    let cpu = lines("cpu.jsonl");
    let used = cpu
        .iter()
        .rev()
        .find(|line| line["deployment"] == "recommendationservice");
    let used = used.unwrap()["cpu_seconds"].as_f64().unwrap();
    assert!((0.1..30.0).contains(&used), "{used}");
}

#[test]
fn senseless_input_is_refused_before_anything_starts() {
    let comparison = Comparison::new();
    let scenario = comparison.path("tiny.yaml");
    let scenario = scenario.to_str().unwrap();

    let unknown = refusal(comparison.command(&["no-such"]));
    assert!(
        unknown.starts_with("no-such is neither a file nor a built-in scenario (bottleneck, "),
        "{unknown}"
    );
    let none = refusal(comparison.command(&[scenario, "--trials", "0"]));
    assert!(
        none.contains("no trials, no comparison; give 1 to 1000"),
        "{none}"
    );

    fs::write(scenario, SCENARIO.replace("waitScale", "waitFactor")).unwrap();
    let field = refusal(comparison.command(&[scenario]));
    assert!(
        field.starts_with(&format!("{scenario}:7: load: unknown field `waitFactor`")),
        "{field}"
    );
    fs::write(scenario, SCENARIO).unwrap();

    let mut no_python = comparison.command(&[scenario]);
    no_python.env("VIPERSCALE_PYTHON", "/no/python");
    let no_python = refusal(no_python);
    assert!(
        no_python.starts_with("Locust needs Python 3, and there is no \"/no/python\""),
        "{no_python}"
    );

    assert_eq!(
        refusal(comparison.command(&[scenario, "--trials", "2", "--report-only"])),
        format!(
            "no report without all trials, and {} lacks 4 of tiny: run the same command without --report-only",
            comparison.path("out").display()
        )
    );
    fs::create_dir(comparison.path("out")).unwrap();
    fs::write(comparison.path("out/thesis.tex"), "years of work").unwrap();
    assert_eq!(
        refusal(comparison.command(&[scenario])),
        format!(
            "--out {} is not empty and holds no comparison: choose another folder",
            comparison.path("out").display()
        )
    );
    assert!(!comparison.path("run").exists(), "a run was begun");
}

#[test]
fn a_cluster_that_does_not_answer_is_named() {
    let comparison = Comparison::new();
    let kubeconfig = comparison.path("kubeconfig");
    // Port 9 of loopback refuses.
    let text = "
apiVersion: v1
kind: Config
clusters: [{name: far, cluster: {server: 'http://127.0.0.1:9'}}]
users: [{name: me, user: {}}]
contexts: [{name: far, context: {cluster: far, user: me}}]
current-context: far
";
    fs::write(&kubeconfig, text).unwrap();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let scenario = comparison.path("tiny.yaml");
    let scenario = scenario.to_str().unwrap();
    let silent = refusal(comparison.command(&[scenario, "--kubeconfig", kubeconfig]));
    let expected = format!(
        "cannot reach the cluster http://127.0.0.1:9/ of --kubeconfig {kubeconfig}: check that it runs and that the \
         address is right"
    );
    assert!(silent.starts_with(&expected), "{silent}");
    let context =
        refusal(comparison.command(&[scenario, "--kubeconfig", kubeconfig, "--context", "near"]));
    assert_eq!(
        context,
        format!("--context near: {kubeconfig} has only far")
    );
    assert!(!comparison.path("out").exists());
}
