//! DNS latency, against a server of ours with a known delay and the client's own clock.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::Metric;

use crate::board::Board;
use crate::bytes::LOOPBACKS;
use crate::cgroups::Cgroup;
use crate::network::Network;
use crate::process::Process;
use crate::{all_of, alone, assert_close, is_measured, open, totals};

/// How long the server takes for an answer.
const DELAY: Duration = Duration::from_millis(20);

const QUERIES: u16 = 40;

/// The server answers no query with this in its second byte of the id.
const IGNORED: u8 = 0xff;

/// And of those with this one, every second.
const REPEATED: u8 = 0xfe;

// Places on the board.
const SPENT_NS: usize = 0;

/// Answers queries on port 53 of the loopback devices of `network` while `work` runs.
fn with_server(network: &Network, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for address in LOOPBACKS {
            let socket = network.inside(|| UdpSocket::bind(SocketAddr::new(address, 53)));
            let socket = socket.expect("root may bind port 53 of a network of its own");
            socket
                .set_read_timeout(Some(Duration::from_millis(100)))
                .expect("a timeout");
            let over = &over;
            scope.spawn(move || answer(&socket, over));
        }
        work();
        over.store(true, Ordering::SeqCst);
    });
}

fn answer(socket: &UdpSocket, over: &AtomicBool) {
    let mut message = [0; 512];
    let mut repeated = 0_u32;
    while !over.load(Ordering::SeqCst) {
        let Ok((length, from)) = socket.recv_from(&mut message) else {
            continue;
        };
        repeated += u32::from(message[1] == REPEATED);
        if message[1] == IGNORED || (message[1] == REPEATED && repeated % 2 == 1) {
            continue;
        }
        std::thread::sleep(DELAY);
        // The header's first flag says that this is an answer.
        message[2] |= 0x80;
        socket
            .send_to(&message[..length], from)
            .expect("the client is there");
    }
}

/// A query for the address of `a.test`, RFC 1035.
fn query(id: u16) -> [u8; 24] {
    let mut message = *b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01";
    message[..2].copy_from_slice(&id.to_be_bytes());
    message
}

/// Asks one query after the other; returns how many were answered, and leaves the time that took on
/// the board.
fn ask(network: &Network, server: IpAddr, board: Board) -> io::Result<u64> {
    network.enter()?;
    let socket = UdpSocket::bind(SocketAddr::new(server, 0))?;
    socket.connect(SocketAddr::new(server, 53))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut answers = 0;
    let mut message = [0; 512];
    for id in 0..QUERIES {
        let since = Instant::now();
        // Ids differ in their first byte, so that none looks like one that the server ignores.
        socket.send(&query(id << 8))?;
        socket.recv(&mut message)?;
        board.add(SPENT_NS, since.elapsed().as_nanos() as u64);
        answers += 1;
    }
    Ok(answers)
}

/// Asks and hears nothing.
fn ask_in_vain(network: &Network, server: IpAddr) -> io::Result<u64> {
    network.enter()?;
    let socket = UdpSocket::bind(SocketAddr::new(server, 0))?;
    socket.connect(SocketAddr::new(server, 53))?;
    for id in 0..QUERIES {
        socket.send(&query((id << 8) | u16::from(IGNORED)))?;
    }
    Ok(u64::from(QUERIES))
}

#[test]
fn answers_take_what_the_server_and_the_client_say() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    if !is_measured(&kernel, Metric::DnsLatency) {
        return;
    }
    for server in LOOPBACKS {
        let (network, board, other_board) = (Network::create(), Board::new(), Board::new());
        let (client, neighbour) = (
            Cgroup::create(Tree::V2, "resolver"),
            Cgroup::create(Tree::V2, "neighbour"),
        );
        let slot = kernel
            .add(&[client.id()], &all_of(&[Metric::DnsLatency]))
            .expect("it can be measured");
        let mut asking = Process::spawn(&[&client], || ask(&network, server, board).unwrap_or(0));
        let mut other = Process::spawn(&[&neighbour], || {
            ask(&network, server, other_board).unwrap_or(0)
        });
        with_server(&network, || {
            other.start();
            assert_eq!(asking.run(), u64::from(QUERIES), "the premise");
            assert_eq!(other.result(), u64::from(QUERIES), "the premise");
        });
        let (measured, truth) = (
            totals(&mut kernel, slot, Metric::DnsLatency),
            board.get(SPENT_NS),
        );
        assert_eq!(measured.count, u64::from(QUERIES), "{server}");
        let least = DELAY.as_nanos() as u64 * u64::from(QUERIES);
        assert!(
            (least..=truth).contains(&measured.sum),
            "{server}: {} ns; the server took {least}, the client waited {truth}",
            measured.sum
        );
        assert_close("DNS latency", measured.sum, truth, 10.0);
        let in_buckets: u64 = measured.log2_buckets.iter().sum();
        assert_eq!(in_buckets, measured.count);
        let faster: u64 = measured.log2_buckets[..DELAY.as_nanos().ilog2() as usize]
            .iter()
            .sum();
        assert_eq!(faster, 0, "no answer comes before the server's delay");
        kernel.remove(slot).expect("it can be removed");
    }
}

#[test]
fn a_query_without_an_answer_has_no_latency() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    if !is_measured(&kernel, Metric::DnsLatency) {
        return;
    }
    let (network, client) = (Network::create(), Cgroup::create(Tree::V2, "unheard"));
    let slot = kernel
        .add(&[client.id()], &all_of(&[Metric::DnsLatency]))
        .expect("it can be measured");
    let mut asking = Process::spawn(&[&client], || {
        ask_in_vain(&network, LOOPBACKS[0]).unwrap_or(0)
    });
    with_server(&network, || {
        assert_eq!(asking.run(), u64::from(QUERIES), "the premise");
        let measured = totals(&mut kernel, slot, Metric::DnsLatency);
        assert_eq!((measured.count, measured.sum), (0, 0));
    });
}

/// How long a client waits before it asks again.
const PATIENCE: Duration = Duration::from_millis(60);

const RETRIES: u16 = 5;

/// Asks each query twice, because the first time nobody answers.
fn ask_twice(network: &Network, server: IpAddr, board: Board) -> io::Result<u64> {
    network.enter()?;
    let socket = UdpSocket::bind(SocketAddr::new(server, 0))?;
    socket.connect(SocketAddr::new(server, 53))?;
    let mut answers = 0;
    for id in 0..RETRIES {
        let message = query((id << 8) | u16::from(REPEATED));
        let since = Instant::now();
        socket.send(&message)?;
        std::thread::sleep(PATIENCE);
        socket.send(&message)?;
        socket.recv(&mut [0; 512])?;
        board.add(SPENT_NS, since.elapsed().as_nanos() as u64);
        answers += 1;
    }
    Ok(answers)
}

#[test]
fn a_query_that_is_sent_again_took_as_long_as_its_sender_waited() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    if !is_measured(&kernel, Metric::DnsLatency) {
        return;
    }
    let (network, board) = (Network::create(), Board::new());
    let client = Cgroup::create(Tree::V2, "patient");
    let slot = kernel
        .add(&[client.id()], &all_of(&[Metric::DnsLatency]))
        .expect("it can be measured");
    let mut asking = Process::spawn(&[&client], || {
        ask_twice(&network, LOOPBACKS[0], board).unwrap_or(0)
    });
    with_server(&network, || {
        assert_eq!(asking.run(), u64::from(RETRIES), "the premise");
    });
    let measured = totals(&mut kernel, slot, Metric::DnsLatency);
    assert_eq!(measured.count, u64::from(RETRIES), "one answer each");
    assert_close(
        "DNS latency of retries",
        measured.sum,
        board.get(SPENT_NS),
        10.0,
    );
}
