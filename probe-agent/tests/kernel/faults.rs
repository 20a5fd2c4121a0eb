//! Page faults, against `getrusage`, which counts those of user and kernel mode together: each test
//! causes one kind only.

use std::fs::File;
use std::io::Read;

use probe_agent::kernel::Metric;

use crate::cgroups::Cgroup;
use crate::process::Process;
use crate::{all_of, alone, assert_close, kernels, open, totals, trees};

const PAGES: usize = 20_000;

#[test]
fn user_page_faults_match_getrusage() {
    let _alone = alone();
    for tree in trees() {
        let container = Cgroup::create(tree, "toucher");
        let mut process = Process::spawn(&[&container], touch_pages);
        let mut kernel = open(tree);
        let slot = kernel
            .add(&[container.id()], &all_of(&[Metric::UserPageFaults]))
            .expect("it can be measured");
        let truth = process.run();
        let measured = totals(&mut kernel, slot, Metric::UserPageFaults);
        assert!(truth >= PAGES as u64, "the premise: each page is a fault");
        assert_close("user page faults", measured.count, truth, 2.0);
        assert_eq!(measured.sum, measured.count);
        assert!(measured.log2_buckets.is_empty());
    }
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
pub(crate) fn touch_pages() -> u64 {
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
