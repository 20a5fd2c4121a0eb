//! `check`, `top`, the admin address, and what is said when something is wrong.

mod agent_support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use agent_support::agent::{Agent, command, finish};
use agent_support::cgroups::Container;
use agent_support::scaler::Scaler;
use agent_support::{eventually, require_root};
use serde_json::Value;
use viperscale_proto::v1;

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The output of a command line that must fail.
fn refusal(command: &mut Command) -> String {
    let output = finish(command);
    assert!(!output.status.success(), "{}", stderr(&output));
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        stderr(&output)
    )
}

fn run(options: &[&str]) -> Command {
    let mut command = command();
    command.args(["run", "--node-name", "n"]).args(options);
    command
}

#[test]
fn check_finds_this_machine_fit() {
    require_root();
    let output = finish(command().args(["check", "--json"]));
    assert!(output.status.success(), "{}", stderr(&output));
    let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(findings["ok"], true, "{findings}");
    assert_eq!(findings["metrics"].as_array().map(Vec::len), Some(15));

    let output = finish(command().arg("check"));
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(
        table.contains("runqLatency") && table.contains("kernel"),
        "{table}"
    );
}

#[test]
fn top_shows_a_named_cgroup_and_a_found_container() {
    let mut container = Container::create();
    container.spin();
    let path = container.path.display().to_string();
    let once = ["top", "--once", "--json", "--interval", "500ms"];
    for options in [vec!["--cgroup", path.as_str()], vec![]] {
        let output = finish(command().args(once).args(&options));
        assert!(output.status.success(), "{}", stderr(&output));
        let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let rows = line["containers"].as_array().expect("rows");
        let row = rows
            .iter()
            .find(|row| {
                row["cgroup"]
                    .as_str()
                    .is_some_and(|shown| shown.ends_with(&path))
            })
            .unwrap_or_else(|| panic!("{options:?}: {line}"));
        assert!(row["on_cpu_percent"].as_f64() > Some(5.0), "{row}");
        assert_eq!(row["command"], "sh");
    }

    let output =
        finish(command().args(["top", "--once", "--interval", "200ms", "--cgroup", &path]));
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(
        table.contains("WAIT p95") && !table.contains('\u{1b}'),
        "plain without a terminal: {table}"
    );
}

#[test]
fn top_measures_what_it_is_told_to_of_each_container() {
    let (mut one, mut other) = (Container::create(), Container::create());
    one.spin();
    other.spin();
    let own = format!("{}:kernelPageFaults=0.5,runqLatency", other.id);
    let output = finish(command().args([
        "top",
        "--once",
        "--json",
        "--interval",
        "500ms",
        "--metrics",
        "onCpuTime,sentBytes",
        "--metrics-of",
        &own,
    ]));
    assert!(output.status.success(), "{}", stderr(&output));
    let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let metrics = |of: &Container| -> Vec<String> {
        let rows = line["containers"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["container"] == of.id.as_str());
        let row = row.unwrap_or_else(|| panic!("{} is not in {line}", of.id));
        let metrics = row["metrics"].as_object().expect("metrics");
        metrics.keys().cloned().collect()
    };
    assert_eq!(metrics(&one), ["onCpuTime", "sentBytes"]);
    assert_eq!(metrics(&other), ["kernelPageFaults", "runqLatency"]);

    for bad in ["onCpuTime=0.5", "sentbytes"] {
        let message = refusal(command().args(["top", "--once", "--metrics", bad]));
        assert!(
            message.contains(bad.split('=').next().expect("a name")),
            "{message}"
        );
    }
}

#[test]
fn top_says_what_to_do_about_a_wrong_cgroup() {
    require_root();
    let message = refusal(command().args(["top", "--once", "--cgroup", "/no/such/cgroup"]));
    assert!(
        message.contains("/no/such/cgroup") && message.contains("/proc/PID/cgroup"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_address_tells_how_the_agent_is() {
    require_root();
    // Freed for the agent: nothing else takes loopback ports of this address meanwhile.
    let free = TcpListener::bind("127.0.0.9:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://{}", nobody.local_addr().expect("an address"));
    let agent = Agent::run(&silent, &["--admin-address", &free.to_string()]);
    eventually("alive", || {
        get(free, "/live").filter(|answer| answer.contains("200 OK"))
    });
    let answer = get(free, "/ready").expect("an answer");
    assert!(
        answer.contains("503") && answer.contains("no scaler"),
        "{answer}"
    );
    drop(agent);

    let scaler = Scaler::start(v1::Configuration {
        revision: 3,
        ..Default::default()
    })
    .await;
    let _agent = Agent::run(
        &scaler.url(),
        &["--admin-address", &free.to_string(), "--interval", "100ms"],
    );
    eventually("ready", || {
        get(free, "/ready").filter(|answer| answer.contains("200 OK"))
    });
    let metrics = eventually("reports are counted", || {
        get(free, "/metrics")
            .filter(|text| text.contains("viperscale_agent_configuration_revision 3"))
            .filter(|text| !text.contains("viperscale_agent_reports_sent_total 0"))
    });
    for name in [
        "attached_programs 0",
        "stream_connected 1",
        "reports_dropped_total 0",
        "metric_support{",
    ] {
        assert!(
            metrics.contains(&format!("viperscale_agent_{name}")),
            "{name}: {metrics}"
        );
    }
}

#[test]
fn a_busy_admin_port_is_named() {
    require_root();
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = busy.local_addr().expect("an address").to_string();
    let message = refusal(&mut run(&[
        "--scaler",
        "http://127.0.0.1:1",
        "--admin-address",
        &address,
    ]));
    assert!(
        message.contains(&address) && message.contains("--admin-address"),
        "{message}"
    );
}

#[test]
fn a_bad_scaler_address_says_what_is_expected() {
    let message = refusal(&mut run(&["--scaler", "scaler.svc"]));
    assert!(message.contains("http://HOST:PORT"), "{message}");
}

#[test]
fn no_cgroups_says_what_to_mount() {
    for mut command in [
        run(&[
            "--scaler",
            "http://127.0.0.1:1",
            "--admin-address",
            "127.0.0.1:0",
            "--cgroup-root",
            "/nowhere",
        ]),
        {
            let mut check = command();
            check.args(["check", "--cgroup-root", "/nowhere"]);
            check
        },
    ] {
        let message = refusal(&mut command);
        assert!(
            message.contains("/nowhere") && message.contains("mount"),
            "{message}"
        );
    }
}

#[test]
fn no_privileges_says_which_capabilities() {
    require_root();
    // Where the tests were built may be closed to others.
    let directory = tempfile::Builder::new()
        .permissions(public())
        .tempdir()
        .expect("a directory");
    let copy = directory.path().join("probe-agent");
    std::fs::copy(env!("CARGO_BIN_EXE_probe-agent"), &copy).expect("a copy");
    for arguments in [
        &["check"][..],
        &["top", "--once"],
        &[
            "run",
            "--node-name",
            "n",
            "--scaler",
            "http://127.0.0.1:1",
            "--admin-address",
            "127.0.0.1:0",
        ],
    ] {
        let message = refusal(Command::new(&copy).args(arguments).uid(65_534).gid(65_534));
        assert!(
            message.contains("CAP_BPF") && message.contains("CAP_PERFMON"),
            "{message}"
        );
    }
}

#[test]
fn a_kernel_without_btf_is_named() {
    require_root();
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    let binary = env!("CARGO_BIN_EXE_probe-agent");
    let message =
        refusal(Command::new("unshare").args(["-m", "sh", "-c", hide, "sh", binary, "check"]));
    assert!(message.contains("CONFIG_DEBUG_INFO_BTF"), "{message}");
}

fn public() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}

/// The whole answer to a GET, or `None` while nobody listens.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
