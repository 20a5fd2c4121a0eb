//! Containers that come and go: nothing is left of them, and nothing is lost of those that stay.

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use aya::maps::{HashMap, Map, MapData, loaded_maps};
use ebpf_common::{SlotRef, names};
use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, KernelError, Metric};

use crate::board::Board;
use crate::bytes::{LOOPBACKS, any_port, send_udp};
use crate::cgroups::Cgroup;
use crate::process::Process;
use crate::{all_of, alone, open, options, totals};

/// Starts and exits of an hour's minute, here in a row: the kernel side has no clock.
const CONTAINERS: u64 = 1_000;

const DATAGRAMS: u64 = 10;

// Places on the board.
const OVER: usize = 0;
const SENT: usize = 1;

/// Cgroup ids that the kernel's own table holds, read past our library: by the ids of the maps that
/// this process holds.
fn table() -> Vec<u64> {
    let held: Vec<u32> = fs::read_dir("/proc/self/fdinfo")
        .expect("procfs")
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .filter_map(|info| {
            info.lines()
                .find_map(|line| line.strip_prefix("map_id:")?.trim().parse().ok())
        })
        .collect();
    let found = loaded_maps()
        .flatten()
        .find(|map| map.name_as_str() == Some(names::CGROUPS) && held.contains(&map.id()))
        .expect("the table of cgroups is held");
    let data = MapData::from_id(found.id()).expect("it is still there");
    let table: HashMap<MapData, u64, SlotRef> =
        HashMap::try_from(Map::HashMap(data)).expect("it is a hash table");
    table.keys().flatten().collect()
}

/// Sends until told to stop; returns the bytes.
fn keep_sending(board: Board) -> std::io::Result<u64> {
    let socket = UdpSocket::bind(any_port(LOOPBACKS[0]))?;
    let to = socket.local_addr()?;
    let mut sent = 0;
    while board.get(OVER) == 0 {
        sent += socket.send_to(&[1; 100], to)? as u64;
        board.set(SENT, sent);
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(sent)
}

#[test]
fn a_thousand_containers_leave_nothing_and_cost_the_others_nothing() {
    let _alone = alone();
    let live = Cgroup::create(Tree::V2, "live");
    let mut options = options(Tree::V2);
    // Far fewer slots than containers, so that each is used over and over.
    options.max_containers = 4;
    let mut kernel = Kernel::open(options).expect("the kernel side opens");
    let settings = all_of(&[Metric::SentBytes, Metric::OnCpuTime]);
    let stays = kernel
        .add(&[live.id()], &settings)
        .expect("it can be measured");
    let board = Board::new();
    let mut sender = Process::spawn(&[&live], || keep_sending(board).unwrap_or(0));
    sender.start();
    let mut seen = 0;
    for number in 0..CONTAINERS {
        let outer = Cgroup::create(Tree::V2, &format!("short-{}", number % 7));
        let inner = outer.child("inside");
        let slot = kernel
            .add(&[outer.id(), inner.id()], &settings)
            .expect("there is a slot");
        // Every tenth works, in the cgroup inside as a nested runtime's would.
        if number % 10 == 0 {
            let sent = Process::spawn(&[&inner], || send_udp(LOOPBACKS[0], DATAGRAMS)).run();
            let own = totals(&mut kernel, slot, Metric::SentBytes);
            assert_eq!(own.sum, sent, "container {number}, and none before it");
        }
        kernel.remove(slot).expect("it can be removed");
        drop((inner, outer));
        let now = totals(&mut kernel, stays, Metric::SentBytes).sum;
        assert!(now >= seen, "totals never shrink");
        seen = now;
    }
    board.set(OVER, 1);
    let truth = sender.result();
    assert!(truth > 0, "the premise: it has sent");
    let measured = totals(&mut kernel, stays, Metric::SentBytes);
    assert_eq!(measured.sum, truth, "not one event of it is lost");
    assert_eq!(table(), [live.id()], "only its own cgroup is left");
    assert_eq!(kernel.refused_full(), 0);
}

#[test]
fn an_id_that_comes_back_is_another_container() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "again");
    let mut kernel = open(Tree::V2);
    let settings = all_of(&[Metric::SentBytes]);
    let add = |kernel: &mut Kernel| {
        let added = kernel.add(&[container.id()], &settings);
        added.expect("it can be measured")
    };
    let first = add(&mut kernel);
    assert!(Process::spawn(&[&container], || send_udp(LOOPBACKS[0], DATAGRAMS)).run() > 0);
    assert!(totals(&mut kernel, first, Metric::SentBytes).sum > 0);
    kernel.remove(first).expect("it can be removed");
    let second = add(&mut kernel);
    assert_eq!(totals(&mut kernel, second, Metric::SentBytes).sum, 0);
    assert!(
        matches!(
            kernel.configure(first, &settings),
            Err(KernelError::UnknownSlot)
        ),
        "who left is not who came"
    );
}

#[test]
fn more_containers_than_slots_are_counted_and_the_others_measured() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "early");
    let late = Cgroup::create(Tree::V2, "late");
    let mut options = options(Tree::V2);
    options.max_containers = 1;
    let mut kernel = Kernel::open(options).expect("the kernel side opens");
    let settings = all_of(&[Metric::SentBytes]);
    let slot = kernel
        .add(&[container.id()], &settings)
        .expect("there is a slot");
    for refused in 1..=5 {
        let error = kernel.add(&[late.id()], &settings).expect_err("no slot");
        assert!(matches!(error, KernelError::Full { limit: 1 }), "{error}");
        assert!(error.to_string().contains("max-containers"), "{error}");
        assert_eq!(kernel.refused_full(), refused);
    }
    let sent = Process::spawn(&[&container], || send_udp(LOOPBACKS[0], DATAGRAMS)).run();
    let others = Process::spawn(&[&late], || send_udp(LOOPBACKS[0], DATAGRAMS)).run();
    assert_eq!(sent, others, "the premise");
    assert_eq!(totals(&mut kernel, slot, Metric::SentBytes).sum, sent);
    assert_eq!(table(), [container.id()], "a refusal leaves nothing");
}
