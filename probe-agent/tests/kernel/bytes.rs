//! Sent bytes, against the sender's own count.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Feature, Features, Kernel, Metric, Support, Totals};

use crate::cgroups::Cgroup;
use crate::process::Process;
use crate::{all_of, alone, open, options, totals, trees};

// What is received has its tests in `received`.

pub(crate) const LOOPBACKS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Runs `work` in a measured container. Returns our totals and what `work` returned.
fn measure(kernel: &mut Kernel, tree: Tree, work: impl FnOnce() -> u64) -> (Totals, u64) {
    let container = Cgroup::create(tree, "sender");
    let mut process = Process::spawn(&[&container], work);
    let slot = kernel
        .add(&[container.id()], &all_of(&[Metric::SentBytes]))
        .expect("it can be measured");
    let truth = process.run();
    let measured = totals(kernel, slot, Metric::SentBytes);
    kernel.remove(slot).expect("it can be removed");
    (measured, truth)
}

#[test]
fn tcp_payload_is_exact() {
    let _alone = alone();
    for (tree, address) in trees().into_iter().flat_map(|t| LOOPBACKS.map(|a| (t, a))) {
        let (measured, truth) = measure(&mut open(tree), tree, || send_tcp(address));
        assert!(truth > 1_000_000, "the premise: it has sent: {truth}");
        assert_eq!(measured.sum, truth, "{tree:?} {address}");
    }
}

#[test]
fn udp_payload_is_exact() {
    let _alone = alone();
    for (tree, address) in trees().into_iter().flat_map(|t| LOOPBACKS.map(|a| (t, a))) {
        let (measured, truth) = measure(&mut open(tree), tree, || send_udp(address, 20_000));
        assert_eq!(truth, 20_000 * 100, "the premise: it has sent");
        assert_eq!(
            (measured.sum, measured.count),
            (truth, 20_000),
            "{tree:?} {address}"
        );
        assert_eq!(measured.log2_buckets[6], 20_000, "floor(log2(100)) is 6");
    }
}

#[test]
fn unix_sockets_and_failed_sends_do_not_count() {
    let _alone = alone();
    let (measured, truth) = measure(&mut open(Tree::V2), Tree::V2, || {
        let Ok((mut one, mut other)) = UnixStream::pair() else {
            return 0;
        };
        let sent = one.write(&[7; 1000]).unwrap_or(0);
        let _same = other.read(&mut [0; 1000]);
        // Too large for a datagram: an error, and no bytes.
        let refused = UdpSocket::bind(any_port(LOOPBACKS[0])).is_ok_and(|socket| {
            socket
                .send_to(&[0; 70_000], any_port(LOOPBACKS[0]))
                .is_err()
        });
        sent as u64 + u64::from(refused)
    });
    assert_eq!(
        truth, 1_001,
        "the premise: the one has sent, the other was refused"
    );
    assert_eq!((measured.sum, measured.count), (0, 0));
}

#[test]
fn without_the_hook_bytes_on_the_wire_are_counted_and_called_degraded() {
    let _alone = alone();
    let mut options = options(Tree::V2);
    options.features = Features::all().without(Feature::PayloadLength);
    let mut kernel = Kernel::open(options).expect("the kernel side opens");
    let support = kernel.support().get(Metric::SentBytes).clone();
    assert!(
        matches!(&support, Support::Degraded(how) if how.contains("headers")),
        "{support}"
    );

    let (measured, truth) = measure(&mut kernel, Tree::V2, || send_udp(LOOPBACKS[0], 20_000));
    assert_eq!(truth, 20_000 * 100, "the premise: it has sent");
    // 20 bytes of IP header and 8 of UDP each.
    assert_eq!((measured.sum, measured.count), (20_000 * 128, 20_000));
}

pub(crate) fn any_port(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}

/// Sends over a connection to itself in pieces of many sizes; returns what `write` said.
fn send_tcp(address: IpAddr) -> u64 {
    let attempt = || -> std::io::Result<u64> {
        let listener = TcpListener::bind(any_port(address))?;
        let mut sender = TcpStream::connect(listener.local_addr()?)?;
        let (mut receiver, _) = listener.accept()?;
        let (data, mut sink) = ([1; 5_000], [0; 5_000]);
        let mut sent = 0;
        for size in 0..1_000 {
            let written = sender.write(&data[..1 + size * 4])?;
            receiver.read_exact(&mut sink[..written])?;
            sent += written as u64;
        }
        Ok(sent)
    };
    attempt().unwrap_or(0)
}

/// Sends datagrams of 100 bytes to itself; returns the bytes sent.
pub(crate) fn send_udp(address: IpAddr, datagrams: u64) -> u64 {
    let attempt = || -> std::io::Result<u64> {
        let socket = UdpSocket::bind(any_port(address))?;
        let to = socket.local_addr()?;
        (0..datagrams).try_fold(
            0,
            |sent, _| Ok(sent + socket.send_to(&[1; 100], to)? as u64),
        )
    };
    attempt().unwrap_or(0)
}
