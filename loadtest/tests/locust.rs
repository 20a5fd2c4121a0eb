//! Locust from the package index, for real, against a demo shop on loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser as _;
use demo_shop::{Arguments, Role, Settings};
use loadtest::locust::{Event, LoadPlan, Locust, LocustError, Stage};
use tokio::net::TcpListener;

/// Plays `roles` inside this process, with next to no work; the address of a role that is left out refuses.
async fn shop(roles: &[Role]) -> SocketAddr {
    let mut listeners = BTreeMap::new();
    for role in Role::ALL {
        listeners.insert(
            role,
            TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
        );
    }
    let addresses: BTreeMap<_, _> = listeners
        .iter()
        .map(|(role, listener)| {
            (
                role.address_variable(),
                listener.local_addr().expect("bound"),
            )
        })
        .collect();
    for (role, listener) in listeners {
        if !roles.contains(&role) {
            continue;
        }
        // A busy machine must not make ads late here: this test counts failures.
        let line = [
            "demo-shop",
            role.name(),
            "--work-scale",
            "0.01",
            "--call-timeout-ms",
            "20000",
        ];
        let settings = Settings::with_lookup(Arguments::parse_from(line), |variable| {
            addresses.get(variable).map(SocketAddr::to_string)
        })
        .expect("valid settings");
        tokio::spawn(async move {
            demo_shop::serve(listener, &settings, std::future::pending()).await;
        });
    }
    addresses[Role::Frontend.address_variable()]
}

fn plan(frontend: SocketAddr, stages: &[(u32, u32)]) -> LoadPlan {
    LoadPlan {
        host: format!("http://{frontend}"),
        stages: stages
            .iter()
            .map(|&(users, seconds)| Stage {
                users,
                seconds,
                spawn_rate: 50.0,
            })
            .collect(),
        seed: 7,
        wait_scale: 0.05,
        page_timeout: Duration::from_secs(10),
        start_spread: Duration::from_millis(500),
        csv: true,
    }
}

async fn locust() -> Locust {
    Locust::ensure(&|step| eprintln!("{step}"))
        .await
        .expect("Locust installs")
}

/// Longer than any plan here and Locust's own start, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_driven_to_its_end_and_its_step_is_told() {
    let frontend = shop(&Role::ALL).await;
    let out = tempfile::tempdir().unwrap();
    let begun = SystemTime::now();
    let mut run = locust()
        .await
        .start(&plan(frontend, &[(2, 3), (12, 4)]), out.path())
        .unwrap();
    let mut events = Vec::new();
    while let Some(event) = tokio::time::timeout(PATIENCE, run.next_event())
        .await
        .unwrap()
    {
        events.push(event);
    }
    let totals = run.stop().await.unwrap();

    assert!(totals.complete, "{totals:?}");
    assert_eq!((totals.failures, totals.skipped), (0, 0), "{totals:?}");
    let own = totals.own_statistics.expect("told at the end");
    assert_eq!(
        (own.requests, own.failures),
        (totals.requests, 0),
        "{totals:?}"
    );
    for route in [
        "GET /",
        "GET /product/{id}",
        "GET /cart",
        "POST /cart",
        "POST /setCurrency",
    ] {
        assert!(
            totals.routes.contains_key(route),
            "{route} is missing: {totals:?}"
        );
    }
    let stages: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Stage { at, index, users } => Some((*at, *index, *users)),
            _ => None,
        })
        .collect();
    let [(first_at, 0, 2), (step_at, 1, 12)] = stages[..] else {
        panic!("{stages:?}")
    };
    assert!(begun < first_at && first_at < step_at && step_at < SystemTime::now());
    // The step is told where it happened: few requests end before it, many after.
    let ended_before = events
        .iter()
        .filter(|event| matches!(event, Event::Request(request) if request.at < step_at))
        .count() as u64;
    assert!(
        ended_before * 3 < totals.requests,
        "{ended_before} of {}",
        totals.requests
    );
    assert!(
        matches!(events.last(), Some(Event::End { complete: true, .. })),
        "{:?}",
        events.last()
    );
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Users { users: 12, .. }))
    );

    // The file holds what was handed over.
    let record = std::fs::read_to_string(out.path().join("locust-events.jsonl")).unwrap();
    let recorded: Vec<_> = record
        .lines()
        .map(|line| Event::parse(line).unwrap())
        .collect();
    assert_eq!(recorded, events);
    let history = std::fs::read_to_string(out.path().join("locust_stats_history.csv")).unwrap();
    assert!(history.contains("GET,/cart"), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_dead_service_fail_and_no_others() {
    let roles: Vec<_> = Role::ALL
        .into_iter()
        .filter(|role| *role != Role::Recommendation)
        .collect();
    let frontend = shop(&roles).await;
    let out = tempfile::tempdir().unwrap();
    let run = locust()
        .await
        .start(&plan(frontend, &[(8, 3600)]), out.path())
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while run
        .totals()
        .routes
        .get("GET /product/{id}")
        .is_none_or(|route| route.requests < 10)
    {
        assert!(Instant::now() < deadline, "{:?}", run.totals());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pid = run.pid().unwrap();
    let totals = run.stop().await.unwrap();

    assert!(!totals.complete);
    assert_eq!(
        totals.routes["GET /product/{id}"].failures,
        totals.routes["GET /product/{id}"].requests
    );
    assert_eq!(totals.routes["GET /"].failures, 0, "{totals:?}");
    assert!(
        !std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "Locust is still there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locust_that_dies_is_an_error_with_its_log() {
    let out = tempfile::tempdir().unwrap();
    let mut plan = plan(SocketAddr::from(([127, 0, 0, 1], 9)), &[(1, 60)]);
    // Passes our own check and not Locust's reading of the stages.
    plan.host = "http://".into();
    let mut run = locust().await.start(&plan, out.path()).unwrap();
    let pid = nix::unistd::Pid::from_raw(run.pid().unwrap().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    while tokio::time::timeout(PATIENCE, run.next_event())
        .await
        .unwrap()
        .is_some()
    {}
    let error = run.stop().await.unwrap_err();
    assert!(matches!(error, LocustError::Failed { .. }), "{error}");
    assert!(error.to_string().contains("locust.log"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_install_at_once_share_one_installation() {
    let cache = tempfile::tempdir().unwrap();
    let steps = Mutex::new(Vec::new());
    let tell = |step: &str| steps.lock().unwrap().push(step.to_owned());
    let (one, other) = tokio::join!(
        Locust::ensure_in(cache.path(), &tell),
        Locust::ensure_in(cache.path(), &tell),
    );
    assert_eq!(one.unwrap().python(), other.unwrap().python());
    let count = |part: &str| {
        steps
            .lock()
            .unwrap()
            .iter()
            .filter(|step| step.contains(part))
            .count()
    };
    assert_eq!(
        count("making a Python environment") + count("unpacking"),
        2,
        "{steps:?}"
    );
    assert_eq!(count("waiting for another process"), 1, "{steps:?}");

    // An installation without its mark is what a killed process leaves: it is made anew.
    let installed = std::fs::read_dir(cache.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    std::fs::remove_file(installed.join("complete")).unwrap();
    std::fs::write(installed.join("half"), "").unwrap();
    Locust::ensure_in(cache.path(), &tell).await.unwrap();
    assert!(!installed.join("half").exists());
    assert_eq!(count("unpacking"), 2, "{steps:?}");
}
