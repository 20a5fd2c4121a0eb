//! Containers start and end at the pace of a busy cluster: a thousand a minute.

mod agent_support;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use agent_support::agent::Agent;
use agent_support::cgroups::Container;
use agent_support::eventually;
use agent_support::orders::{configuration, target};
use agent_support::scaler::Scaler;
use agent_support::sender::Sender;
use viperscale_proto::v1;
use viperscale_proto::v1::Metric;

/// Starts, and as many exits, in a minute; a third of a minute is driven.
const A_MINUTE: u32 = 1_000;
const STARTS: u32 = A_MINUTE / 3;

/// Short-lived containers at a time.
const AT_ONCE: usize = 20;

/// Memory that the agent may be found to have more of in the end: allocators keep some.
const GROWTH: u64 = 4 << 20;

const METRICS: [(Metric, f64); 4] = [
    (Metric::RunqLatency, 1.0),
    (Metric::UserPageFaults, 1.0),
    (Metric::SentBytes, 1.0),
    (Metric::ReceivedBytes, 1.0),
];

/// The one that lives on, and the short-lived ones.
fn all_of(revision: u64, live: &Container, short: &VecDeque<Container>) -> v1::Configuration {
    let containers = short.iter().chain([live]);
    let targets = containers.map(|container| target(container, &METRICS));
    configuration(revision, targets.collect())
}

/// Bytes that a report says the container has sent.
fn sent(report: &v1::Report, of: &Container) -> u64 {
    let found = report
        .containers
        .iter()
        .filter(|one| one.pod_uid == of.pod_uid);
    found
        .flat_map(|one| &one.metrics)
        .filter(|metric| metric.metric() == Metric::SentBytes)
        .map(|metric| metric.sum)
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_starts_and_exits_a_minute_leak_nothing_and_lose_nothing() {
    let (live, mut short) = (Container::create(), VecDeque::new());
    let mut scaler = Scaler::start(all_of(1, &live, &short)).await;
    let agent = Agent::run(&scaler.url(), &[]);
    scaler
        .report_where("it is measured", |report| !report.containers.is_empty())
        .await;
    let before = (agent.descriptors(), agent.maps(), agent.programs());
    let mut sender = Sender::start(&live, 1_800, 10, 0.01);

    let (mut total, mut most, mut resident) = (0, 0, 0);
    let pace = Duration::from_secs(60) / A_MINUTE;
    let begin = tokio::time::Instant::now();
    for start in 0..STARTS {
        let mut new = Container::create();
        // Some have a process that works; a real one takes longer to start than this lives.
        if start % 10 == 0 {
            new.spin();
        }
        short.push_back(new);
        if short.len() > AT_ONCE {
            short.pop_front();
        }
        scaler.configure(all_of(u64::from(start) + 2, &live, &short));
        // Reports come meanwhile; none of the live container's events may be missing from them.
        let next = begin + pace * (start + 1);
        while let Ok(report) = tokio::time::timeout_at(next, scaler.report()).await {
            total += sent(&report, &live);
            most = most.max(report.containers.len());
        }
        if start == STARTS / 3 {
            resident = agent.resident();
        }
        assert!(!sender.failed());
    }
    assert!(
        most > AT_ONCE / 2,
        "the premise: they were measured: {most}"
    );
    short.clear();
    scaler.configure(all_of(u64::from(STARTS) + 2, &live, &short));

    // Until the sender has ended and two reports say so.
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut quiet = 0;
    while quiet < 5 {
        assert!(Instant::now() < deadline);
        let report = scaler.report().await;
        let bytes = sent(&report, &live);
        total += bytes;
        quiet = if bytes == 0 { quiet + 1 } else { 0 };
    }
    assert_eq!(total, sender.bytes(), "not one event is lost");
    let report = scaler.report().await;
    assert_eq!((report.containers.len(), report.missing.len()), (1, 0));

    eventually("everything is as it was", || {
        let now = (agent.descriptors(), agent.maps(), agent.programs());
        (now == before).then_some(())
    });
    let grown = agent.resident().saturating_sub(resident);
    assert!(
        grown < GROWTH,
        "{grown} bytes more than after the first third"
    );
}
