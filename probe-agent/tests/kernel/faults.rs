//! Page faults, against `getrusage`, which counts those of user and kernel mode together: each test
//! causes one kind only.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, Metric};

use crate::board::Board;
use crate::cgroups::Cgroup;
use crate::process::{Process, go_real_time};
use crate::{all_of, alone, assert_close, given, kernels, open, options, read, totals, trees};

// Places on the board.
const RUNS: usize = 0;
const TOUCHED: usize = 1;
const READ: usize = 2;

const PAGES: usize = 20_000;

/// What takes faults of each kind, and returns how many.
pub(crate) const KINDS: [(Metric, fn() -> u64); 2] = [
    (Metric::UserPageFaults, touch_pages),
    (Metric::KernelPageFaults, fill_pages),
];

/// Kernels that count user page faults in each of the three ways, by what they lack, and the hooks that
/// they use.
fn ways(tree: Tree) -> [(Kernel, &'static [&'static str]); 3] {
    let without = |tracepoints: &[&str]| {
        let mut options = options(tree);
        for name in tracepoints {
            options.features = options.features.without_tracepoint(name);
        }
        Kernel::open(options).expect("the kernel side opens")
    };
    [
        (without(&[]), &["sched_switch", "page_fault_kernel"]),
        (
            without(&["page_fault_kernel"]),
            &["sched_switch", "page_fault_user"],
        ),
        (
            without(&["page_fault_kernel", "page_fault_user"]),
            &["sched_switch"],
        ),
    ]
}

#[test]
fn user_page_faults_match_getrusage_in_every_way() {
    let _alone = alone();
    for tree in trees() {
        for (mut kernel, hooks) in ways(tree) {
            given("the kernel reports every switch", || {
                match_getrusage(&mut kernel, hooks, tree)
            });
        }
    }
}

/// `None` when not every switch was reported.
fn match_getrusage(kernel: &mut Kernel, hooks: &[&str], tree: Tree) -> Option<()> {
    let (container, neighbour) = (
        Cgroup::create(tree, "toucher"),
        Cgroup::create(tree, "neighbour"),
    );
    let mut process = Process::spawn(&[&container], touch_pages);
    let switches = process.switches();
    // Time on CPU for the number of switches alone.
    let metrics = [Metric::UserPageFaults, Metric::OnCpuTime];
    let slot = kernel
        .add(&[container.id()], &all_of(&metrics))
        .expect("it can be measured");
    assert_eq!(kernel.attached(), hooks);
    let others = Process::spawn(&[&neighbour], touch_pages).run();
    assert!(others >= PAGES as u64, "the premise: each page is a fault");
    let before = totals(kernel, slot, Metric::UserPageFaults).count;
    assert_eq!(before, 0, "{tree:?}, {hooks:?}: a neighbour's");

    let truth = process.run();
    assert!(truth >= PAGES as u64, "the premise: each page is a fault");
    let mut reading = read(kernel, slot);
    kernel.remove(slot).expect("it was there");
    if !process.all_seen(switches, &reading) {
        return None;
    }
    let measured = reading.metrics.remove(&Metric::UserPageFaults)?;
    let what = format!("user page faults by {hooks:?}");
    assert_close(&what, measured.count, truth, 2.0);
    assert_eq!(measured.sum, measured.count);
    assert!(measured.log2_buckets.is_empty());
    Some(())
}

#[test]
fn user_page_faults_are_counted_while_their_task_stays_on_its_cpu() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "busy");
    let mut kernel = open(Tree::V2);
    let board = Board::new();
    // So that it stays there.
    let mut process = Process::spawn(&[&container], || {
        go_real_time(1);
        board.set(RUNS, 1);
        let faults = touch_pages();
        board.set(TOUCHED, 1);
        let deadline = Instant::now() + Duration::from_secs(10);
        while board.get(READ) == 0 && Instant::now() < deadline {}
        faults
    });
    let slot = kernel
        .add(&[container.id()], &all_of(&[Metric::UserPageFaults]))
        .expect("it can be measured");
    process.start();
    assert!(board.wait(RUNS) && board.wait(TOUCHED), "it runs");
    let measured = totals(&mut kernel, slot, Metric::UserPageFaults).count;
    let reading = read(&mut kernel, slot);
    board.set(READ, 1);
    assert_close("user page faults so far", measured, process.result(), 2.0);
    assert_eq!(reading.scheduling, None, "not asked for");
}

#[test]
fn kernel_page_faults_match_getrusage_and_are_not_user_ones() {
    let _alone = alone();
    let both = [Metric::KernelPageFaults, Metric::UserPageFaults];
    for (tree, mut kernel) in kernels(&both) {
        let (container, neighbour) = (
            Cgroup::create(tree, "filled"),
            Cgroup::create(tree, "neighbour"),
        );
        let slot = kernel
            .add(&[container.id()], &all_of(&both))
            .expect("it can be measured");
        let others = Process::spawn(&[&neighbour], fill_pages).run();
        assert!(others >= PAGES as u64, "the premise: each page is a fault");
        let mut count = |metric| totals(&mut kernel, slot, metric).count;
        assert_eq!(count(both[0]), 0, "{tree:?}: a neighbour's");

        let mut process = Process::spawn(&[&container], fill_pages);
        let user = count(Metric::UserPageFaults);
        let truth = process.run();
        assert!(truth >= PAGES as u64, "the premise: each page is a fault");
        assert_close("kernel page faults", count(both[0]), truth, 2.0);
        let user = count(Metric::UserPageFaults) - user;
        assert!(
            user < PAGES as u64 / 20,
            "{tree:?}: {user} user faults by a system call"
        );
    }
}

/// Has the kernel fill fresh pages, which it takes the faults for; returns how many that were.
fn fill_pages() -> u64 {
    let Ok(mut zeros) = File::open("/dev/zero") else {
        return 0;
    };
    let start = fresh_pages();
    if start.is_null() {
        return 0;
    }
    // SAFETY: a mapping of that many bytes, which read as zero, and nobody else's.
    let fresh = unsafe { std::slice::from_raw_parts_mut(start, PAGES * 4096) };
    let before = faults();
    if zeros.read_exact(fresh).is_err() {
        return 0;
    }
    faults() - before
}

/// A mapping of [`PAGES`] pages that nobody has touched, one fault each; null when there is none.
fn fresh_pages() -> *mut u8 {
    let size = PAGES * 4096;
    // SAFETY: a new mapping at an address that the kernel chooses, and advice about it.
    unsafe {
        let start = libc::mmap(
            std::ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if start == libc::MAP_FAILED {
            return std::ptr::null_mut();
        }
        // One fault per page, not per huge page.
        libc::madvise(start, size, libc::MADV_NOHUGEPAGE);
        start.cast()
    }
}

/// Touches fresh pages; returns how many faults that took.
fn touch_pages() -> u64 {
    let start = fresh_pages();
    if start.is_null() {
        return 0;
    }
    let before = faults();
    for page in 0..PAGES {
        // SAFETY: inside the mapping, which only this child uses.
        unsafe { start.add(page * 4096).write_volatile(1) };
    }
    faults() - before
}

fn faults() -> u64 {
    // SAFETY: all-zero is a valid rusage, and the pointer to it is valid.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    (usage.ru_minflt + usage.ru_majflt) as u64
}
