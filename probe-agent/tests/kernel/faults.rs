//! User page faults, against `getrusage`.

use probe_agent::kernel::Metric;

use crate::cgroups::Cgroup;
use crate::process::Process;
use crate::{all_of, alone, assert_close, open, totals, trees};

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

/// Touches fresh pages; returns how many faults that took.
fn touch_pages() -> u64 {
    let size = 4096;
    // SAFETY: a fresh private mapping that only this child uses; every touched byte is inside.
    unsafe {
        let before = faults();
        let start = libc::mmap(
            std::ptr::null_mut(),
            PAGES * size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if start == libc::MAP_FAILED {
            return 0;
        }
        // One fault per page, not per huge page.
        libc::madvise(start, PAGES * size, libc::MADV_NOHUGEPAGE);
        for page in 0..PAGES {
            start.cast::<u8>().add(page * size).write_volatile(1);
        }
        faults() - before
    }
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
