//! What is attached when, who counts and who does not, and what is said when nothing can be.

use std::net::{IpAddr, Ipv4Addr};

use aya::programs::loaded_programs;
use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, KernelError, Metric, Support};

use crate::bytes::send_udp;
use crate::cgroups::Cgroup;
use crate::process::{Process, spin};
use crate::{all_of, alone, eventually, open, options, read, totals};

/// The metrics of the policies, and what their rules need besides.
const CORE: [Metric; 4] = [
    Metric::OnCpuTime,
    Metric::RunqLatency,
    Metric::UserPageFaults,
    Metric::SentBytes,
];

/// Spins, faults and sends.
fn everything() -> u64 {
    let fresh = vec![1_u8; 4 << 20];
    spin(100) + u64::from(fresh[4096]) + send_udp(IpAddr::V4(Ipv4Addr::LOCALHOST), 100)
}

/// What the kernel lists, other processes' programs included.
fn loaded() -> Vec<u32> {
    loaded_programs()
        .flatten()
        .map(|program| program.id())
        .collect()
}

/// Programs that this process holds. Nothing of ours is pinned, so there are no others of ours.
fn held() -> usize {
    let files = std::fs::read_dir("/proc/self/fd")
        .expect("procfs")
        .flatten();
    let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().contains("bpf-prog"))
        .count()
}

#[test]
fn only_what_some_container_needs_is_loaded() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    assert_eq!(held(), 0, "trying the programs leaves none loaded");

    let faults = kernel
        .add(&[1], &all_of(&[Metric::KernelPageFaults]))
        .expect("measured");
    assert_eq!(kernel.attached(), ["page_fault_kernel"]);
    let both = [Metric::RunqLatency, Metric::SentBytes];
    let other = kernel.add(&[2], &all_of(&both)).expect("measured");
    assert_eq!(
        kernel.attached(),
        ["sched_switch", "page_fault_kernel", "sock_send_length"]
    );
    let ours: Vec<u32> = kernel.programs().into_iter().map(|(_, id)| id).collect();
    assert_eq!(ours.len(), 4, "three hooks and the flush program");
    assert!(ours.iter().all(|id| loaded().contains(id)));
    assert_eq!(held(), 4);

    kernel
        .configure(other, &all_of(&[Metric::SentBytes]))
        .expect("configured");
    assert_eq!(kernel.attached(), ["page_fault_kernel", "sock_send_length"]);
    assert_eq!(held(), 2);
    kernel.remove(faults).expect("removed");
    assert_eq!(kernel.attached(), ["sock_send_length"]);
    assert_eq!(held(), 1);
    kernel.remove(other).expect("removed");
    assert!(kernel.attached().is_empty());
    assert_eq!(held(), 0);
    eventually("no program stays loaded", || {
        !ours.iter().any(|id| loaded().contains(id))
    });
    assert!(matches!(
        kernel.remove(other),
        Err(KernelError::UnknownSlot)
    ));
}

#[test]
fn a_container_that_is_not_measured_contributes_nothing() {
    let _alone = alone();
    let measured = Cgroup::create(Tree::V2, "measured");
    let neighbour = Cgroup::create(Tree::V2, "neighbour");
    let inside = measured.child("inside");
    let mut kernel = open(Tree::V2);
    let slot = kernel
        .add(&[measured.id()], &all_of(&CORE))
        .expect("measured");
    assert!(Process::spawn(&[&neighbour], everything).run() > 0);
    // A cgroup of the container that was not named is not the container's either.
    assert!(Process::spawn(&[&inside], everything).run() > 0);
    for metric in CORE {
        assert_eq!(totals(&mut kernel, slot, metric).count, 0, "{metric:?}");
    }

    kernel
        .set_cgroups(slot, &[measured.id(), inside.id()])
        .expect("set");
    assert!(Process::spawn(&[&inside], everything).run() > 0);
    for metric in CORE {
        assert!(totals(&mut kernel, slot, metric).count > 0, "{metric:?}");
    }
}

#[test]
fn a_metric_that_is_not_asked_for_is_not_counted() {
    let _alone = alone();
    let (one, two) = (
        Cgroup::create(Tree::V2, "one"),
        Cgroup::create(Tree::V2, "two"),
    );
    let mut kernel = open(Tree::V2);
    let slot = kernel
        .add(&[one.id()], &all_of(&[Metric::SentBytes]))
        .expect("measured");
    kernel.add(&[two.id()], &all_of(&CORE)).expect("measured");
    assert!(Process::spawn(&[&one], everything).run() > 0);
    let reading = read(&mut kernel, slot);
    assert_eq!(
        reading.metrics.keys().collect::<Vec<_>>(),
        [&Metric::SentBytes]
    );
    assert_eq!(reading.scheduling, None);

    // Nor does it turn up later.
    kernel.configure(slot, &all_of(&CORE)).expect("configured");
    assert_eq!(totals(&mut kernel, slot, Metric::UserPageFaults).sum, 0);
    assert_eq!(totals(&mut kernel, slot, Metric::RunqLatency).sum, 0);
    assert_eq!(totals(&mut kernel, slot, Metric::SentBytes).sum, 100 * 100);
}

#[test]
fn tables_are_bounded_and_say_so() {
    let _alone = alone();
    let mut options = options(Tree::V2);
    options.max_containers = 2;
    let mut kernel = Kernel::open(options).expect("opens");
    let settings = all_of(&[Metric::UserPageFaults]);
    let first = kernel.add(&[1], &settings).expect("room");
    kernel.add(&[2], &settings).expect("room");
    assert!(matches!(
        kernel.add(&[3], &settings),
        Err(KernelError::Full { limit: 2 })
    ));
    let many: Vec<u64> = (10..100).collect();
    assert!(matches!(
        kernel.set_cgroups(first, &many),
        Err(KernelError::TooManyCgroups { limit: 16 })
    ));
    assert_eq!(kernel.refused_full(), 2);
    kernel.remove(first).expect("removed");
    assert!(kernel.add(&[3], &settings).is_ok(), "there is room again");
}

#[test]
fn every_metric_is_accounted_for() {
    let _alone = alone();
    let kernel = open(Tree::V2);
    let table: Vec<_> = kernel.support().iter().collect();
    assert_eq!(table.len(), 15);
    for (metric, support) in table {
        assert!(
            !support.detail().contains("not implemented"),
            "{metric:?}: {support}"
        );
        assert_eq!(
            support.detail().is_empty(),
            support == &Support::Supported,
            "what is not as documented says how or why: {metric:?}: {support}"
        );
        if CORE.contains(&metric) {
            assert_eq!(support, &Support::Supported, "{metric:?}");
        } else {
            assert!(
                !support.detail().contains("not tried"),
                "{metric:?}: {support}"
            );
        }
    }
}

#[test]
fn without_privileges_it_says_which_are_needed() {
    let _alone = alone();
    let outcome = std::thread::spawn(|| {
        // SAFETY: changes the ids of this thread alone (libc's wrapper would change all of them).
        let dropped = unsafe { libc::syscall(libc::SYS_setresuid, 65_534, 65_534, 65_534) };
        assert_eq!(dropped, 0);
        Kernel::open(options(Tree::V2)).map(drop)
    });
    let error = outcome
        .join()
        .expect("no panic")
        .expect_err("not permitted");
    assert!(matches!(error, KernelError::NotPermitted { .. }), "{error}");
    assert!(error.to_string().contains("CAP_BPF"), "{error}");
}
