//! What is measured changes while everything runs: at once, without harm to what stays, and without
//! an event lost or counted twice.

mod agent_support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use agent_support::agent::Agent;
use agent_support::cgroups::Container;
use agent_support::eventually;
use agent_support::orders::{INTERVAL, configuration, target};
use agent_support::scaler::Scaler;
use agent_support::sender::Sender;
use viperscale_proto::v1;
use viperscale_proto::v1::Metric;

/// What passing a message on and calling the kernel may take on a busy machine, beside the interval.
const SLACK: Duration = Duration::from_millis(400);

/// The rate of a sample; a rate of 1 goes without saying.
fn rate(sample: &v1::MetricSample) -> f64 {
    match sample.sampling {
        0.0 => 1.0,
        rate => rate,
    }
}

/// What a report says of a metric of one container.
fn sample(report: &v1::Report, container: &Container, metric: Metric) -> Option<v1::MetricSample> {
    let of = report
        .containers
        .iter()
        .find(|one| one.pod_uid == container.pod_uid)?;
    let found = of.metrics.iter().find(|one| one.metric() == metric);
    found.cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_the_kernel_within_an_interval_and_detaches_nothing_that_others_use() {
    let (one, other) = (Container::create(), Container::create());
    let waits = [(Metric::RunqLatency, 1.0)];
    let more = [(Metric::RunqLatency, 1.0), (Metric::KernelPageFaults, 0.5)];
    let first = configuration(1, vec![target(&one, &waits), target(&other, &waits)]);
    let mut scaler = Scaler::start(first).await;
    let agent = Agent::run(&scaler.url(), &[]);
    scaler
        .report_where("both are measured", |report| report.containers.len() == 2)
        .await;
    let before = agent.programs();
    assert!(!before.is_empty());

    // More for one of them: one program more, and those that were there are the same ones.
    let asked = Instant::now();
    scaler.configure(configuration(
        2,
        vec![target(&one, &more), target(&other, &waits)],
    ));
    let during = eventually("another program", || {
        let now = agent.programs();
        (now.len() > before.len()).then_some(now)
    });
    let took = asked.elapsed();
    assert!(took < INTERVAL + SLACK, "it took {took:?}");
    assert!(before.is_subset(&during), "{before:?} and then {during:?}");
    let report = scaler
        .report_where("revision 2", |report| report.configuration_revision == 2)
        .await;
    let new = sample(&report, &one, Metric::KernelPageFaults).expect("it is measured");
    assert_eq!(new.sampling, 0.5);
    assert!(sample(&report, &other, Metric::KernelPageFaults).is_none());

    // Less for the other: what the one needs stays as it is.
    scaler.configure(configuration(3, vec![target(&one, &more)]));
    scaler
        .report_where("revision 3", |report| report.configuration_revision == 3)
        .await;
    assert_eq!(agent.programs(), during);

    // Back: only what nobody needs is gone.
    let asked = Instant::now();
    scaler.configure(configuration(4, vec![target(&one, &waits)]));
    eventually("one program fewer", || {
        (agent.programs() == before).then_some(())
    });
    let took = asked.elapsed();
    assert!(took < INTERVAL + SLACK, "it took {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_lost_or_counted_twice_while_everything_else_changes() {
    let (sending, other) = (Container::create(), Container::create());
    let sent = (Metric::SentBytes, 1.0);
    // What comes and goes beside it, also in another container and at other rates.
    let beside: [&[(Metric, f64)]; 4] = [
        &[],
        &[(Metric::RunqLatency, 0.1), (Metric::ReceivedBytes, 1.0)],
        &[(Metric::UserPageFaults, 0.5)],
        &[(Metric::RunqLatency, 1.0), (Metric::OnCpuTime, 1.0)],
    ];
    let plan = |revision: u64| {
        let at = revision as usize;
        let metrics = [&[sent][..], beside[at % 4]].concat();
        let mut targets = vec![target(&sending, &metrics)];
        if at.is_multiple_of(3) {
            targets.push(target(&other, &[(Metric::SentBytes, 0.25)]));
        }
        configuration(revision, targets)
    };
    let mut scaler = Scaler::start(plan(1)).await;
    let _agent = Agent::run(&scaler.url(), &[]);
    scaler
        .report_where("it is measured", |report| !report.containers.is_empty())
        .await;
    let mut sender = Sender::start(&sending, 300, 100, 0.01);
    let (mut total, mut revision, mut seen) = (0, 1, BTreeSet::new());
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut quiet = 0;
    while quiet < 5 {
        assert!(Instant::now() < deadline && !sender.failed());
        let report = scaler.report().await;
        let bytes = sample(&report, &sending, Metric::SentBytes).expect("in every report");
        assert_eq!(rate(&bytes), 1.0);
        total += bytes.sum;
        quiet = if bytes.sum == 0 && total > 0 {
            quiet + 1
        } else {
            0
        };
        seen.insert(report.configuration_revision);
        revision += 1;
        scaler.configure(plan(revision));
    }
    assert!(seen.len() >= 10, "the premise: it changed often: {seen:?}");
    assert_eq!(total, sender.bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn estimates_stay_unbiased_while_their_rate_changes() {
    let container = Container::create();
    const RATES: [f64; 3] = [0.5, 1.0, 0.2];
    let plan = |revision: u64| {
        let rate = RATES[revision as usize % 3];
        configuration(
            revision,
            vec![target(&container, &[(Metric::SentBytes, rate)])],
        )
    };
    let mut scaler = Scaler::start(plan(1)).await;
    let _agent = Agent::run(&scaler.url(), &[]);
    scaler
        .report_where("it is measured", |report| !report.containers.is_empty())
        .await;
    let mut sender = Sender::start(&container, 300, 100, 0.01);
    let (mut total, mut revision, mut quiet, mut variance) = (0, 1, 0, 0.0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while quiet < 5 {
        assert!(Instant::now() < deadline && !sender.failed());
        let report = scaler.report().await;
        let bytes = sample(&report, &container, Metric::SentBytes).expect("in every report");
        // The kernel compares with a number of 32 bits.
        let (asked, rate) = (
            RATES[report.configuration_revision as usize % 3],
            rate(&bytes),
        );
        assert!((rate - asked).abs() < 1e-9, "{bytes:?}");
        total += bytes.count;
        // Of what one interval has recorded: (1 - p) / p times the events.
        variance += (1.0 - rate) / rate * bytes.count as f64;
        if rate == 1.0 {
            assert_eq!(bytes.relative_error, 0.0);
        } else if bytes.count > 0 {
            assert!(
                bytes.relative_error > 0.0 && bytes.relative_error < 1.0,
                "{bytes:?}"
            );
        }
        quiet = if bytes.count == 0 && total > 0 {
            quiet + 1
        } else {
            0
        };
        revision += 1;
        scaler.configure(plan(revision));
    }
    let (truth, deviation) = (sender.bytes() / 100, f64::sqrt(variance));
    let off = total.abs_diff(truth) as f64;
    println!("estimate {total}, truth {truth}, deviation {deviation:.0}");
    assert!(
        off < 5.0 * deviation,
        "{total} instead of {truth}: {off} off, {deviation} expected"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sampled_is_refused_with_the_reason() {
    let container = Container::create();
    let wanted = target(&container, &[(Metric::OnCpuTime, 0.5)]);
    let mut scaler = Scaler::start(configuration(1, vec![wanted])).await;
    let agent = Agent::run(&scaler.url(), &[]);
    let report = scaler
        .report_where("it is refused", |report| !report.missing.is_empty())
        .await;
    let reason = &report.missing[0].reason;
    assert!(reason.contains("cannot be sampled"), "{reason}");
    assert!(agent.programs().is_empty());
}
