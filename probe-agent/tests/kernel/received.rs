//! Received bytes, against the receiver's own count.
//!
//! Packets arrive in softirqs, on whichever task runs; what counts is the call that hands the payload
//! to a task.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Feature, Features, Kernel, Metric, Support};

use crate::board::Board;
use crate::bytes::{LOOPBACKS, any_port};
use crate::cgroups::Cgroup;
use crate::process::Process;
use crate::{all_of, alone, is_measured, open, options, totals, trees};

const BOTH: [Metric; 2] = [Metric::ReceivedBytes, Metric::SentBytes];

const DATAGRAMS: u64 = 20_000;

// A place on the board.
const PORT: usize = 0;

/// Sends as much as the receiver reads, in pieces of many sizes.
fn send_tcp(address: IpAddr, board: Board) -> io::Result<u64> {
    board.wait(PORT);
    let mut stream = TcpStream::connect(SocketAddr::new(address, board.get(PORT) as u16))?;
    let data = [1; 5_000];
    let mut sent = 0;
    for size in 0..1_000 {
        let piece = &data[..1 + size * 4];
        stream.write_all(piece)?;
        sent += piece.len() as u64;
    }
    Ok(sent)
}

fn receive_tcp(address: IpAddr, board: Board) -> io::Result<u64> {
    let listener = TcpListener::bind(any_port(address))?;
    board.set(PORT, u64::from(listener.local_addr()?.port()));
    let (mut stream, _) = listener.accept()?;
    let mut sink = [0; 7_000];
    let mut received = 0;
    loop {
        match stream.read(&mut sink)? {
            0 => return Ok(received),
            bytes => received += bytes as u64,
        }
    }
}

#[test]
fn tcp_payload_is_the_receivers_and_not_the_senders() {
    let _alone = alone();
    for (tree, address) in trees().into_iter().flat_map(|t| LOOPBACKS.map(|a| (t, a))) {
        let mut kernel = open(tree);
        if !is_measured(&kernel, Metric::ReceivedBytes) {
            continue;
        }
        let (receiver, sender) = (
            Cgroup::create(tree, "receiver"),
            Cgroup::create(tree, "sender"),
        );
        let [of_receiver, of_sender] = [&receiver, &sender].map(|one| {
            kernel
                .add(&[one.id()], &all_of(&BOTH))
                .expect("it can be measured")
        });
        let board = Board::new();
        let mut receiving =
            Process::spawn(&[&receiver], || receive_tcp(address, board).unwrap_or(0));
        let mut sending = Process::spawn(&[&sender], || send_tcp(address, board).unwrap_or(0));
        receiving.start();
        let sent = sending.run();
        let truth = receiving.result();
        assert!(truth > 1_000_000, "the premise: it has received: {truth}");
        assert_eq!(truth, sent, "the premise: all that was sent");
        let mut sum = |slot, metric| totals(&mut kernel, slot, metric).sum;
        assert_eq!(
            sum(of_receiver, Metric::ReceivedBytes),
            truth,
            "{tree:?} {address}"
        );
        assert_eq!(
            sum(of_sender, Metric::SentBytes),
            truth,
            "{tree:?} {address}"
        );
        assert_eq!(sum(of_receiver, Metric::SentBytes), 0);
        assert_eq!(sum(of_sender, Metric::ReceivedBytes), 0);
    }
}

/// Receives what it sends to itself; every tenth datagram is looked at before it is taken.
fn receive_udp(address: IpAddr) -> io::Result<u64> {
    let socket = UdpSocket::bind(any_port(address))?;
    let to = socket.local_addr()?;
    let mut sink = [0; 200];
    let mut received = 0;
    for number in 0..DATAGRAMS {
        socket.send_to(&[1; 100], to)?;
        if number % 10 == 0 {
            socket.peek(&mut sink)?;
        }
        received += socket.recv(&mut sink)? as u64;
    }
    Ok(received)
}

#[test]
fn udp_payload_is_exact_and_looking_is_not_receiving() {
    let _alone = alone();
    for (tree, address) in trees().into_iter().flat_map(|t| LOOPBACKS.map(|a| (t, a))) {
        let mut kernel = open(tree);
        if !is_measured(&kernel, Metric::ReceivedBytes) {
            continue;
        }
        let container = Cgroup::create(tree, "receiver");
        let slot = kernel
            .add(&[container.id()], &all_of(&[Metric::ReceivedBytes]))
            .expect("it can be measured");
        let truth = Process::spawn(&[&container], || receive_udp(address).unwrap_or(0)).run();
        assert_eq!(truth, DATAGRAMS * 100, "the premise: it has received");
        let measured = totals(&mut kernel, slot, Metric::ReceivedBytes);
        assert_eq!(
            (measured.sum, measured.count),
            (truth, DATAGRAMS),
            "{tree:?} {address}"
        );
        assert_eq!(measured.log2_buckets[6], DATAGRAMS, "floor(log2(100)) is 6");
    }
}

/// What brings no bytes of a network: a pipe between two processes of one machine, and a call that
/// finds nothing.
fn receive_nothing() -> io::Result<u64> {
    let (mut one, mut other) = UnixStream::pair()?;
    one.write_all(&[7; 1000])?;
    other.read_exact(&mut [0; 1000])?;
    let socket = UdpSocket::bind(any_port(LOOPBACKS[0]))?;
    let mut sink = [0; 100];
    // SAFETY: an open socket, and a buffer of the length that is said.
    let found = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            sink.as_mut_ptr().cast(),
            sink.len(),
            libc::MSG_DONTWAIT,
        )
    };
    Ok(if found < 0 { 1_001 } else { 0 })
}

#[test]
fn unix_sockets_and_failed_receives_do_not_count() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    if !is_measured(&kernel, Metric::ReceivedBytes) {
        return;
    }
    let container = Cgroup::create(Tree::V2, "local");
    let slot = kernel
        .add(&[container.id()], &all_of(&[Metric::ReceivedBytes]))
        .expect("it can be measured");
    let outcome = Process::spawn(&[&container], || receive_nothing().unwrap_or(0)).run();
    assert_eq!(
        outcome, 1_001,
        "the premise: the one came, the other failed"
    );
    let measured = totals(&mut kernel, slot, Metric::ReceivedBytes);
    assert_eq!((measured.sum, measured.count), (0, 0));
}

#[test]
fn without_the_hook_bytes_on_the_wire_are_counted_and_called_degraded() {
    let _alone = alone();
    let mut options = options(Tree::V2);
    options.features = Features::all().without(Feature::PayloadLength);
    let mut kernel = Kernel::open(options).expect("the kernel side opens");
    let support = kernel.support().get(Metric::ReceivedBytes).clone();
    assert!(
        matches!(&support, Support::Degraded(how) if how.contains("headers")),
        "{support}"
    );
    let container = Cgroup::create(Tree::V2, "receiver");
    let slot = kernel
        .add(&[container.id()], &all_of(&[Metric::ReceivedBytes]))
        .expect("it can be measured");
    let truth = Process::spawn(&[&container], || receive_udp(LOOPBACKS[0]).unwrap_or(0)).run();
    assert_eq!(truth, DATAGRAMS * 100, "the premise: it has received");
    let measured = totals(&mut kernel, slot, Metric::ReceivedBytes);
    // 20 bytes of IP header and 8 of UDP each.
    assert_eq!((measured.sum, measured.count), (DATAGRAMS * 128, DATAGRAMS));
}
