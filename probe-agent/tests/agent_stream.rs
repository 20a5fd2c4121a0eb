//! The agent against a scaler: what it says, what it measures, and how it survives the scaler's
//! absence.

mod agent_support;

use std::time::Duration;

use agent_support::agent::{Agent, loaded_programs};
use agent_support::cgroups::{Container, schedstat};
use agent_support::orders::{INTERVAL, configuration, target};
use agent_support::scaler::Scaler;
use agent_support::{eventually, require_root};
use nix::sys::signal::Signal;
use viperscale_proto::v1;
use viperscale_proto::v1::Metric;

const METRICS: [(Metric, f64); 2] = [(Metric::RunqLatency, 1.0), (Metric::UserPageFaults, 1.0)];

fn scheduling(report: &v1::Report) -> v1::Scheduling {
    report
        .containers
        .first()
        .and_then(|sample| sample.scheduling)
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_introduces_itself() {
    require_root();
    let mut scaler = Scaler::start(configuration(1, vec![])).await;
    let agent = Agent::run(&scaler.url(), &[]);
    let hello = scaler.hello().await;

    assert_eq!(hello.node_name, "node-under-test");
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    assert_eq!(hello.kernel_release, release.trim());
    assert!(!hello.boot_id.is_empty() && !hello.agent_version.is_empty() && hello.cpus > 0);
    assert_eq!(hello.metrics.len(), 15, "all metrics are spoken about");
    for metric in &hello.metrics {
        let measured = metric.support() != v1::Support::Unsupported;
        let required = [
            Metric::RunqLatency,
            Metric::UserPageFaults,
            Metric::SentBytes,
        ]
        .contains(&metric.metric());
        assert!(measured || !required, "{metric:?}");
        assert_eq!(
            metric.detail.is_empty(),
            metric.support() == v1::Support::Supported,
            "{metric:?}"
        );
    }

    // Nothing to measure: reports come all the same, and nothing is attached.
    let report = scaler.report().await;
    assert_eq!((report.sequence, report.configuration_revision), (1, 1));
    assert!(report.node.expect("the node").cpus > 0);
    assert!(report.containers.is_empty());
    assert!(agent.programs().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_container_is_measured_as_the_kernel_itself_measures_it() {
    let mut container = Container::create();
    let pid = container.spin();
    let mut scaler = Scaler::start(configuration(7, vec![target(&container, &METRICS)])).await;
    let _agent = Agent::run(&scaler.url(), &[]);

    // Between two reports, the truth is what schedstat grew by.
    let first = scaler
        .report_where("the container ran", |report| {
            scheduling(report).on_cpu_ns > 0
        })
        .await;
    let before = schedstat(pid);
    let (mut on_cpu, mut reported) = (0, 0);
    let mut sequence = first.sequence;
    for _ in 0..15 {
        let report = scaler.report().await;
        sequence += 1;
        assert_eq!(
            (report.sequence, report.configuration_revision),
            (sequence, 7)
        );
        assert_eq!(report.containers.len(), 1);
        let sample = &report.containers[0];
        assert_eq!(
            (sample.pod_uid.as_str(), sample.container_name.as_str()),
            (container.pod_uid.as_str(), "server")
        );
        let names: Vec<Metric> = sample
            .metrics
            .iter()
            .map(v1::MetricSample::metric)
            .collect();
        assert_eq!(names, [Metric::RunqLatency, Metric::UserPageFaults]);
        on_cpu += scheduling(&report).on_cpu_ns;
        reported += report.interval_ns;
    }
    let after = schedstat(pid);
    let truth = (after.0 - before.0) as f64;
    let error = (on_cpu as f64 - truth).abs() / truth;
    assert!(
        error < 0.15,
        "{on_cpu} ns on CPU reported, {truth} ns counted by the kernel"
    );
    let mean = Duration::from_nanos(reported / 15);
    assert!(
        mean.abs_diff(INTERVAL) < INTERVAL / 4,
        "one report per {mean:?} instead of {INTERVAL:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_reported() {
    let mut container = Container::create();
    container.limit(10);
    container.spin();
    let mut scaler = Scaler::start(configuration(1, vec![target(&container, &METRICS)])).await;
    let _agent = Agent::run(&scaler.url(), &[]);
    let report = scaler
        .report_where("the container was throttled", |report| {
            scheduling(report).throttled_ns > 0
        })
        .await;
    let scheduling = scheduling(&report);
    assert!(
        scheduling.throttled_periods > 0 && scheduling.quota_periods > 0,
        "{scheduling:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_container_is_found_at_once_and_silence_has_a_reason_until_then() {
    let mut container = Container::planned();
    let mut scaler = Scaler::start(configuration(1, vec![target(&container, &METRICS)])).await;
    let _agent = Agent::run(&scaler.url(), &[]);
    let report = scaler
        .report_where("it is missing", |report| !report.missing.is_empty())
        .await;
    assert_eq!(report.missing[0].pod_uid, container.pod_uid);
    assert!(
        report.missing[0].reason.contains("on this node"),
        "{:?}",
        report.missing
    );

    // Directly after a regular scan, the next of which is ten seconds away.
    container.make();
    let made = std::time::Instant::now();
    container.spin();
    scaler
        .report_where("it runs", |report| scheduling(report).on_cpu_ns > 0)
        .await;
    assert!(
        made.elapsed() < Duration::from_secs(5),
        "found by luck, after {:?}",
        made.elapsed()
    );

    drop(container);
    scaler
        .report_where("it is gone", |report| report.containers.is_empty())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_attached_without_targets() {
    let container = Container::create();
    let mut scaler = Scaler::start(configuration(1, vec![target(&container, &METRICS)])).await;
    let agent = Agent::run(&scaler.url(), &[]);
    scaler
        .report_where("it is measured", |report| !report.containers.is_empty())
        .await;
    assert!(!agent.programs().is_empty());

    scaler.configure(configuration(2, vec![]));
    scaler
        .report_where("revision 2", |report| report.configuration_revision == 2)
        .await;
    assert!(agent.programs().is_empty(), "{:?}", agent.programs());
    let report = scaler.report().await;
    assert!(report.containers.is_empty() && report.missing.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_scaler_costs_only_what_the_queue_cannot_hold() {
    let container = Container::create();
    let wanted = configuration(1, vec![target(&container, &METRICS)]);
    let mut scaler = Scaler::start(wanted.clone()).await;
    let address = scaler.address;
    let agent = Agent::run(&scaler.url(), &["--queue", "2"]);
    scaler
        .report_where("it is measured", |report| !report.containers.is_empty())
        .await;
    scaler.stop().await;
    let refused = std::net::TcpStream::connect(address);
    assert!(refused.is_err(), "the scaler is gone");
    // Longer than the queue of two holds.
    tokio::time::sleep(8 * INTERVAL).await;
    assert!(
        !agent.programs().is_empty(),
        "measuring goes on through an outage"
    );

    let mut scaler = Scaler::start_at(address, wanted).await;
    scaler.hello().await;
    let first = scaler.report().await;
    assert_eq!(first.sequence, 1, "numbers start anew with the stream");
    assert!(
        first.dropped_reports >= 3,
        "{} dropped",
        first.dropped_reports
    );
    assert_eq!(first.configuration_revision, 1);
    let held = Duration::from_nanos(first.age_ns);
    assert!(
        held > Duration::ZERO && held < 4 * INTERVAL,
        "the oldest kept is {held:?} old"
    );
    let later = scaler
        .report_where("fresh again", |report| report.sequence == 5)
        .await;
    assert!(
        Duration::from_nanos(later.age_ns) < INTERVAL / 2,
        "{:?}",
        later.age_ns
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_detached_when_no_scaler_is_seen_for_long() {
    let container = Container::create();
    let wanted = configuration(1, vec![target(&container, &METRICS)]);
    let mut scaler = Scaler::start(wanted.clone()).await;
    let address = scaler.address;
    let agent = Agent::run(&scaler.url(), &["--grace", "500ms"]);
    scaler
        .report_where("it is measured", |report| !report.containers.is_empty())
        .await;
    scaler.stop().await;
    eventually("detached", || agent.programs().is_empty().then_some(()));

    let mut scaler = Scaler::start_at(address, wanted).await;
    scaler.hello().await;
    eventually("attached again", || {
        (!agent.programs().is_empty()).then_some(())
    });
    // What was measured before the outage comes first, and says that it is old.
    scaler
        .report_where("it is measured again", |report| {
            !report.containers.is_empty() && Duration::from_nanos(report.age_ns) < INTERVAL / 2
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_the_agent_in_any_way_leaves_no_program() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let container = Container::create();
        let mut scaler = Scaler::start(configuration(1, vec![target(&container, &METRICS)])).await;
        let agent = Agent::run(&scaler.url(), &[]);
        scaler
            .report_where("it is measured", |report| !report.containers.is_empty())
            .await;
        let programs = agent.programs();
        assert!(!programs.is_empty() && programs.is_subset(&loaded_programs()));

        agent.signal(signal);
        let status = agent.wait();
        assert_eq!(
            status.success(),
            signal != Signal::SIGKILL,
            "{signal}: {status}"
        );
        eventually("the programs are unloaded", || {
            programs.is_disjoint(&loaded_programs()).then_some(())
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_gets_the_last_reports_over_the_stream_it_has() {
    let container = Container::create();
    let mut first = Scaler::start(configuration(1, vec![target(&container, &METRICS)])).await;
    let mut second = Scaler::start_standby().await;
    let both = format!("{},{}", first.url(), second.url());
    let _agent = Agent::run(&both, &[]);
    second.hello().await;
    let mut newest = 0;
    while newest < 6 {
        newest = first.report().await.interval_number;
    }

    let wanted = configuration(2, vec![target(&container, &METRICS)]);
    second.configure(v1::Configuration { term: 2, ..wanted });
    let again = second.report().await;
    assert!(again.interval_number <= newest, "{again:?} after {newest}");
    assert!(again.age_ns > 0);
    let mut number = again.interval_number;
    while number <= newest {
        let next = second.report().await.interval_number;
        assert_eq!(next, number + 1, "in order, without a gap");
        number = next;
    }

    // A leader that has not noticed is not followed any more.
    let stale = configuration(3, vec![]);
    first.configure(v1::Configuration { term: 1, ..stale });
    let later = second
        .report_where("it goes on", |report| report.interval_number > number + 3)
        .await;
    assert_eq!(later.containers.len(), 1);

    // When the new one goes, its streams say so, and the old one may lead again.
    second.stop().await;
    first.configure(v1::Configuration {
        term: 3,
        ..configuration(4, vec![target(&container, &METRICS)])
    });
    first
        .report_where("it is followed again", |report| {
            report.interval_number > later.interval_number
        })
        .await;
}
