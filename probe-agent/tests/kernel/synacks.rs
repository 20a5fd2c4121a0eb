//! SYN/ACKs sent again, against the network's counters.
//!
//! A client's socket is deaf from the start, so the listener's SYN/ACKs are never answered and the
//! kernel sends them again. The client sends its SYN again meanwhile, too. The network counts both
//! kinds together, and the client's socket its own: the difference are the listener's.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::Metric;

use crate::board::Board;
use crate::cgroups::Cgroup;
use crate::network::Network;
use crate::process::Process;
use crate::sockets::{deafen, patience, retransmits};
use crate::{all_of, alone, is_measured, open, totals};

const PORT: u16 = 4242;

/// A connection attempt lasts so long: some rounds of timers that begin at one second.
const ATTEMPT_MS: u32 = 3_600;

const METRICS: [Metric; 2] = [Metric::TcpSynackRetransmits, Metric::TcpRetransmits];

// Places on the board.
const LISTENING: usize = 0;
const OVER: usize = 1;

fn listen(network: &Network, board: Board) -> io::Result<u64> {
    network.enter()?;
    let listener = TcpListener::bind(("127.0.0.1", PORT))?;
    board.set(LISTENING, 1);
    board.wait(OVER);
    // Ends the half-open connection with its timer: nothing is sent from here on.
    drop(listener);
    Ok(1)
}

/// Returns how often the SYN was sent again.
fn knock(network: &Network, board: Board) -> io::Result<u64> {
    network.enter()?;
    board.wait(LISTENING);
    // SAFETY: a system call that makes a new socket.
    let made = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(made) };
    deafen(socket.as_fd())?;
    patience(socket.as_fd(), ATTEMPT_MS)?;
    let to = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: PORT.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(std::net::Ipv4Addr::LOCALHOST).to_be(),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: an open socket, and an address of the length that is said.
    let connected = unsafe {
        libc::connect(
            socket.as_raw_fd(),
            (&raw const to).cast(),
            size_of::<libc::sockaddr_in>() as libc::socklen_t,
        )
    };
    if connected == 0 {
        return Err(io::Error::other("a deaf socket has heard the answer"));
    }
    let again = retransmits(socket.as_fd())?;
    drop(socket);
    Ok(again)
}

#[test]
fn synacks_sent_again_are_the_listeners() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    if !METRICS.iter().all(|metric| is_measured(&kernel, *metric)) {
        return;
    }
    let (network, board) = (Network::create(), Board::new());
    let (server, client) = (
        Cgroup::create(Tree::V2, "listener"),
        Cgroup::create(Tree::V2, "client"),
    );
    let [of_server, of_client] = [&server, &client].map(|container| {
        kernel
            .add(&[container.id()], &all_of(&METRICS))
            .expect("it can be measured")
    });
    let mut listening = Process::spawn(&[&server], || listen(&network, board).unwrap_or(0));
    let mut knocking = Process::spawn(&[&client], || knock(&network, board).unwrap_or(0));
    listening.start();
    let syns = knocking.run();
    board.set(OVER, 1);
    assert_eq!(listening.result(), 1, "the premise: it has listened");
    let both = network.counter("Tcp", "RetransSegs");
    assert!(
        syns >= 1 && both > syns + 1,
        "the premise: {syns} SYNs of {both} segments"
    );

    let mut count = |slot, metric| totals(&mut kernel, slot, metric).count;
    assert_eq!(count(of_server, Metric::TcpSynackRetransmits), both - syns);
    assert_eq!(count(of_client, Metric::TcpSynackRetransmits), 0);
    assert_eq!(
        count(of_client, Metric::TcpRetransmits),
        syns,
        "a SYN is a segment as any other"
    );
    assert_eq!(count(of_server, Metric::TcpRetransmits), 0);
}
