use scaler_core::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::nodes::Nodes;
use super::*;
use crate::clock::Clock;
use crate::controller::NodeReport;
use crate::policies::PolicySet;
use crate::workloads::Workloads;

const INTERVAL: Duration = Duration::from_secs(1);

/// A leader whose queue has room for so many reports, and the queue.
fn leader(queue: usize) -> (Arc<Shared>, mpsc::Receiver<NodeReport>) {
    let (reports, received) = mpsc::channel(queue);
    let (_, policies) = watch::channel(PolicySet::default());
    let (_, role) = watch::channel(Role::Leader { term: 1, reports });
    let shared = Shared {
        clock: Clock::start(),
        interval: INTERVAL,
        identity: None,
        workloads: Arc::new(Workloads::default()),
        policies,
        nodes: Nodes::default(),
        role,
        stop: CancellationToken::new(),
    };
    (Arc::new(shared), received)
}

fn open(shared: &Arc<Shared>, node: &str) -> (Session, Registration) {
    let hello = wire::Hello {
        node_name: node.to_owned(),
        cpus: 4,
        ..wire::Hello::default()
    };
    let registration = nodes::register(shared, node.into()).unwrap();
    (Session::new(shared, &hello), registration)
}

/// The interval `number` of those that an agent has, the last of which is `newest`.
fn report(number: u64, newest: u64) -> wire::Report {
    let interval_ns = u64::try_from(INTERVAL.as_nanos()).unwrap();
    wire::Report {
        interval_ns,
        interval_number: number,
        age_ns: interval_ns * (newest - number),
        ..wire::Report::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_gets_all_that_agents_send_again() {
    const NODES: usize = 40;
    const KEPT: u64 = 10;
    let (shared, mut received) = leader(NODES / 2);
    let agents: Vec<_> = (0..NODES)
        .map(|node| {
            let shared = shared.clone();
            tokio::spawn(async move {
                let (mut session, registration) = open(&shared, &format!("n{node}"));
                for number in 1..=KEPT {
                    let taken = session.take(&shared, &registration, report(number, KEPT));
                    assert_eq!(taken.await, Ok("accepted"), "{number} of n{node}");
                }
            })
        })
        .collect();
    // Four times as fast as the reports of all nodes come in the long run.
    let mut ages = std::collections::BTreeMap::<_, Vec<_>>::new();
    for _ in 0..NODES * KEPT as usize {
        sleep(INTERVAL / NODES as u32 / 4).await;
        let report = tokio::time::timeout(INTERVAL, received.recv()).await;
        let report = report.expect("some were lost").unwrap();
        ages.entry(report.node).or_default().push(report.age);
    }
    for agent in agents {
        agent.await.unwrap();
    }
    assert_eq!(ages.len(), NODES);
    for (node, ages) in ages {
        assert!(ages.is_sorted_by(|a, b| a > b), "in order: {node} {ages:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_found_no_room_is_as_if_it_had_not_come() {
    let (shared, mut received) = leader(1);
    let (mut session, registration) = open(&shared, "n1");
    let mut take = async |number| {
        session
            .take(&shared, &registration, report(number, 9))
            .await
    };
    assert_eq!(take(1).await, Ok("accepted"));
    let began = shared.clock.now();
    assert_eq!(take(2).await, Ok("dropped"));
    let waited = shared.clock.now().since(began);
    assert!(waited < INTERVAL, "newer ones wait behind it: {waited:?}");
    for (number, fate) in [(3, "accepted"), (2, "accepted"), (2, "repeated")] {
        received.try_recv().unwrap();
        assert_eq!(take(number).await, Ok(fate), "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_room_delays_no_end() {
    let (shared, received) = leader(1);
    let (mut session, registration) = open(&shared, "n1");
    let first = session.take(&shared, &registration, report(1, 9)).await;
    assert_eq!(first, Ok("accepted"));
    let began: Timestamp = shared.clock.now();
    let (fate, _newer) = tokio::join!(session.take(&shared, &registration, report(2, 9)), async {
        open(&shared, "n1")
    });
    assert_eq!(fate, Ok("stopped"), "a newer stream replaces this one");
    let (mut session, registration) = open(&shared, "n1");
    let (fate, ()) = tokio::join!(session.take(&shared, &registration, report(3, 9)), async {
        drop(received)
    });
    assert_eq!(fate, Ok("stopped"), "the term is over");
    assert_eq!(shared.clock.now(), began);
}
