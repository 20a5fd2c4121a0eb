//! Page-cache hits of mapped files, against `getrusage`: a fault that needs the disk is a major one.
//!
//! One fault to read maps what the cache has around its page, so there are fewer accesses than pages.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use probe_agent::kernel::Metric;

use crate::board::Board;
use crate::cgroups::Cgroup;
use crate::process::Process;
use crate::scratch::{PAGE, Scratch};
use crate::{all_of, alone, kernels, totals};

const PAGES: usize = 4_000;

// A place on the board.
const MAJOR: usize = 0;

/// What is done to each page. A write maps just its own page, and a fault for one that has to wait for
/// the disk is taken from the beginning.
#[derive(Clone, Copy, Debug)]
enum Touch {
    Read,
    Write,
}

/// Maps the file and touches every page, without read-ahead; returns how many faults that took, and
/// leaves on the board how many of them were major.
fn touch_pages(scratch: &Scratch, touch: Touch, board: Board) -> io::Result<u64> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(scratch.path())?;
    // SAFETY: a new mapping of the whole file, of which one byte per page is read or written.
    unsafe {
        let start = libc::mmap(
            std::ptr::null_mut(),
            PAGES * PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        libc::madvise(start, PAGES * PAGE, libc::MADV_RANDOM);
        let (minor, major) = faults();
        for page in 0..PAGES {
            let byte = start.cast::<u8>().add(page * PAGE);
            match touch {
                Touch::Read => drop(byte.read_volatile()),
                Touch::Write => byte.write_volatile(1),
            }
        }
        let (minor, major) = (faults().0 - minor, faults().1 - major);
        board.set(MAJOR, major);
        Ok(minor + major)
    }
}

/// Minor and major faults of this process.
fn faults() -> (u64, u64) {
    // SAFETY: all-zero is a valid rusage, and the pointer to it is valid.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    (usage.ru_minflt as u64, usage.ru_majflt as u64)
}

/// Which pages of a file are in the cache.
#[derive(Clone, Copy, Debug)]
enum Cached {
    None,
    Half,
    /// A fault for a page that is missing maps its neighbours first.
    EverySecond,
    All,
}

impl Cached {
    fn arrange(self, scratch: &Scratch) {
        match self {
            Self::None => scratch.forget(0),
            Self::Half => scratch.forget(PAGES / 2),
            Self::EverySecond => {
                scratch.forget(0);
                let file = File::open(scratch.path()).expect("it exists");
                // SAFETY: an open file; advice changes no memory of ours.
                unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) };
                for page in (0..PAGES).step_by(2) {
                    file.read_exact_at(&mut [0; PAGE], (page * PAGE) as u64)
                        .expect("its pages can be read");
                }
            }
            Self::All => {}
        }
    }
}

#[test]
fn faults_that_need_the_disk_are_misses_and_the_others_hits() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&[Metric::PageCacheHitRatio]) {
        let (file, container) = (
            Scratch::create("mapped", PAGES),
            Cgroup::create(tree, "mapper"),
        );
        let slot = kernel
            .add(&[container.id()], &all_of(&[Metric::PageCacheHitRatio]))
            .expect("it can be measured");
        let caches = [Cached::None, Cached::Half, Cached::EverySecond, Cached::All];
        let cases = [Touch::Read, Touch::Write]
            .into_iter()
            .flat_map(|touch| caches.map(|cached| (touch, cached)));
        for (touch, cached) in cases {
            cached.arrange(&file);
            let missing = PAGES as u64 - file.resident();
            let board = Board::new();
            let mut process = Process::spawn(&[&container], || {
                touch_pages(&file, touch, board).unwrap_or(0)
            });
            // Its start needed pages of its program.
            let before = totals(&mut kernel, slot, Metric::PageCacheHitRatio);
            let faults = process.run();
            let misses = board.get(MAJOR);
            assert!(
                misses.abs_diff(missing) < PAGES as u64 / 50,
                "the premise: {misses} faults needed the disk, for {missing} pages"
            );
            let after = totals(&mut kernel, slot, Metric::PageCacheHitRatio);
            let (count, sum) = (after.count - before.count, after.sum - before.sum);
            println!(
                "{tree:?} {touch:?} {cached:?}: {sum} hits of {count}; {misses} of {faults} faults were major"
            );
            // What the process maps besides, the more the fewer there are.
            let slack = 20 + faults / 50;
            assert!(count.abs_diff(faults) <= slack, "{count} accesses");
            assert!((count - sum).abs_diff(misses) <= slack, "{sum} hits");
        }
    }
}
