//! How a role starts, refuses, and stops.

mod support;

use std::io::Read as _;
use std::time::{Duration, Instant};

use demo_shop::Role;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{PATIENCE, Process, command};

fn ms(value: u64) -> String {
    value.to_string()
}

/// Runs to the end; returns success and what it said.
fn outcome(mut command: std::process::Command) -> (bool, String) {
    let output = command.output().expect("demo-shop starts");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_taken_port_is_said() {
    let first = Process::start(Role::Ad, &[]);
    let port = first.address.port().to_string();
    let (success, said) = outcome(command(Role::Ad, &[("PORT", port)]));
    assert!(!success);
    assert!(
        said.contains(&first.address.to_string()) && said.contains("stop the program"),
        "{said}"
    );
}

#[test]
fn a_missing_address_is_said() {
    let (success, said) = outcome(command(Role::Recommendation, &[]));
    assert!(!success);
    assert!(said.contains("PRODUCT_CATALOG_SERVICE_ADDR"), "{said}");
}

#[test]
fn a_full_role_refuses_at_once_and_stays_healthy() {
    let variables = [
        ("SHOP_CPU_US", ms(700_000)),
        ("SHOP_WORKERS", "1".into()),
        ("SHOP_MAX_IN_FLIGHT", "2".into()),
    ];
    let role = Process::start(Role::Ad, &variables);
    std::thread::scope(|scope| {
        let admitted: Vec<_> = (0..2).map(|_| scope.spawn(|| role.get("/ads"))).collect();
        let deadline = Instant::now() + PATIENCE;
        while role.stats().requests.get("GET /ads") != Some(&2) {
            assert!(Instant::now() < deadline, "never full");
        }
        assert_eq!(
            role.request("GET", "/ads", &[], "")
                .expect("an answer")
                .status,
            503
        );
        assert_eq!(role.get("/_healthz").status, 200);
        assert!(
            admitted.iter().all(|request| !request.is_finished()),
            "the refusal had to wait"
        );
        for request in admitted {
            assert_eq!(request.join().expect("no panic").status, 200);
        }
    });
    assert_eq!(role.stats().refused, 1);
}

#[test]
fn work_that_nobody_waits_for_is_skipped() {
    let variables = [("SHOP_CPU_US", ms(200_000)), ("SHOP_WORKERS", "1".into())];
    let role = Process::start(Role::Ad, &variables);
    let header = [(demo_shop::DEADLINE_HEADER, "100")];
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    role.request("GET", "/ads", &header, "")
                        .expect("an answer")
                        .status
                })
            })
            .collect();
        let statuses: Vec<_> = requests
            .into_iter()
            .map(|request| request.join().expect("no panic"))
            .collect();
        // Those that reach the only worker within 100 ms are done, the others wait too long.
        assert!(
            statuses.iter().filter(|status| **status == 504).count() >= 6,
            "{statuses:?}"
        );
    });
}

#[test]
fn a_request_in_flight_survives_sigterm() {
    let mut role = Process::start(Role::Ad, &[("SHOP_CPU_US", ms(500_000))]);
    let pid = Pid::from_raw(role.child.id().try_into().expect("a pid"));
    std::thread::scope(|scope| {
        let request = scope.spawn(|| role.get("/ads"));
        let deadline = Instant::now() + PATIENCE;
        while role.stats().requests.is_empty() {
            assert!(Instant::now() < deadline, "never admitted");
        }
        kill(pid, Signal::SIGTERM).expect("our own child");
        assert_eq!(request.join().expect("no panic").status, 200);
    });
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = role.child.try_wait().expect("our own child") {
            break status;
        }
        assert!(Instant::now() < deadline, "still there");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{status}");
    assert!(
        role.request("GET", "/ads", &[], "").is_none(),
        "still accepts"
    );
}

#[test]
fn an_unknown_role_lists_the_roles() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_demo-shop"))
        .arg("mailservice")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("demo-shop starts");
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut said)
        .expect("text");
    assert!(!child.wait().expect("an end").success());
    assert!(
        said.contains("mailservice") && said.contains("emailservice"),
        "{said}"
    );
}
