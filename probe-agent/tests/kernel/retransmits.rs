//! TCP segments sent again and dropped, against the sockets' own counters and the network's.
//!
//! Sender and receiver are two containers in a network of their own. The receiver goes deaf for a
//! while: it drops whatever comes, so the sender sends again, by the same kernel timers as on a bad
//! line. Timers fire in softirqs, on whichever task runs: a third container spins on every CPU and
//! must not be charged for any of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Metric, Reading};

use crate::board::Board;
use crate::cgroups::Cgroup;
use crate::network::Network;
use crate::process::{Process, spin};
use crate::sockets::{deafen, drops, retransmits, undeafen};
use crate::{all_of, alone, is_measured, open, read};

const ADDRESS: &str = "127.0.0.1:4242";

/// How long the receiver is deaf: some rounds of a timer that begins at 200 ms and doubles.
const DEAF: Duration = Duration::from_millis(1_700);

const METRICS: [Metric; 2] = [Metric::TcpRetransmits, Metric::TcpDrops];

// Places on the board.
const LISTENING: usize = 0;
const DEAF_NOW: usize = 1;
const SENT: usize = 2;
const DROPPED: usize = 3;

fn receive(network: &Network, board: Board) -> std::io::Result<u64> {
    network.enter()?;
    let listener = TcpListener::bind(ADDRESS)?;
    board.set(LISTENING, 1);
    let (mut stream, _) = listener.accept()?;
    let before = drops(stream.as_fd())?;
    deafen(stream.as_fd())?;
    board.set(DEAF_NOW, 1);
    board.wait(SENT);
    std::thread::sleep(DEAF);
    undeafen(stream.as_fd())?;
    let mut bytes = [0; 1000];
    stream.read_exact(&mut bytes)?;
    // From here on nothing is lost, so that the sender's counter stands still.
    board.set(DROPPED, drops(stream.as_fd())? - before);
    stream.write_all(&[1])?;
    Ok(bytes.len() as u64)
}

fn send(network: &Network, board: Board) -> std::io::Result<u64> {
    network.enter()?;
    board.wait(LISTENING);
    let mut stream = TcpStream::connect(ADDRESS)?;
    board.wait(DEAF_NOW);
    stream.write_all(&[7; 1000])?;
    board.set(SENT, 1);
    stream.read_exact(&mut [0])?;
    retransmits(stream.as_fd())
}

#[test]
fn segments_sent_again_are_the_senders_and_dropped_ones_the_receivers() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    if !METRICS.iter().all(|metric| is_measured(&kernel, *metric)) {
        return;
    }
    let (network, board) = (Network::create(), Board::new());
    let containers = ["sender", "receiver", "bystander"].map(|name| Cgroup::create(Tree::V2, name));
    let [sender, receiver, bystander] = &containers;
    let slots = [sender, receiver, bystander].map(|container| {
        kernel
            .add(&[container.id()], &all_of(&METRICS))
            .expect("it can be measured")
    });
    let mut spinners: Vec<Process> = (0..2)
        .map(|_| Process::spawn(&[bystander], || spin(2_500)))
        .collect();
    let mut receiving = Process::spawn(&[receiver], || receive(&network, board).unwrap_or(0));
    let mut sending = Process::spawn(&[sender], || send(&network, board).unwrap_or(0));
    spinners.iter_mut().for_each(Process::start);
    receiving.start();
    let again = sending.run();
    assert_eq!(receiving.result(), 1000, "the premise: all of it came");
    let dropped = board.get(DROPPED);
    assert!(again >= 3, "the premise: segments were lost: {again}");
    assert_eq!(
        network.counter("Tcp", "RetransSegs"),
        again,
        "the premise: nobody else is in this network"
    );
    assert_eq!(
        dropped, again,
        "the premise: the first one was dropped, and of those sent again all but the last"
    );

    let readings: Vec<Reading> = slots.map(|slot| read(&mut kernel, slot)).into();
    let count = |who: usize, metric: Metric| readings[who].metrics[&metric].count;
    assert_eq!(count(0, Metric::TcpRetransmits), again);
    assert_eq!(count(1, Metric::TcpDrops), dropped);
    for (who, metric) in [
        (0, Metric::TcpDrops),
        (1, Metric::TcpRetransmits),
        (2, Metric::TcpDrops),
        (2, Metric::TcpRetransmits),
    ] {
        assert_eq!(count(who, metric), 0, "{metric:?} of container {who}");
    }
    for metric in METRICS {
        let totals = &readings[usize::from(metric == Metric::TcpDrops)].metrics[&metric];
        assert_eq!(totals.sum, totals.count, "events have no values");
    }
}

/// Sends datagrams to itself and hears none of them; returns how many the socket dropped.
fn drop_datagrams() -> std::io::Result<u64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let to = socket.local_addr()?;
    deafen(socket.as_fd())?;
    for _ in 0..DATAGRAMS {
        socket.send_to(&[7; 100], to)?;
    }
    drops(socket.as_fd())
}

const DATAGRAMS: u64 = 100;

#[test]
fn what_other_protocols_drop_does_not_count() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    if !is_measured(&kernel, Metric::TcpDrops) {
        return;
    }
    let container = Cgroup::create(Tree::V2, "deaf");
    let slot = kernel
        .add(&[container.id()], &all_of(&[Metric::TcpDrops]))
        .expect("it can be measured");
    let dropped = Process::spawn(&[&container], || drop_datagrams().unwrap_or(0)).run();
    assert_eq!(dropped, DATAGRAMS, "the premise: all were dropped");
    assert_eq!(read(&mut kernel, slot).metrics[&Metric::TcpDrops].count, 0);
}
