//! Page-cache hits, against `mincore`: a page that is resident before it is read is a hit.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::Metric;

use crate::cgroups::Cgroup;
use crate::process::Process;
use crate::scratch::{LoopDevice, PAGE, Scratch};
use crate::{all_of, alone, assert_close, is_measured, kernels, open, totals};

const PAGES: usize = 4_000;

/// Reads every page once, in pieces of `piece` bytes, without read-ahead; returns the pages.
fn read_pages(scratch: &Scratch, piece: usize) -> io::Result<u64> {
    let file = File::open(scratch.path())?;
    // SAFETY: an open file; advice changes no memory of ours.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) };
    let mut bytes = [0; PAGE];
    for page in 0..PAGES {
        for part in 0..PAGE / piece {
            let at = page * PAGE + part * piece;
            file.read_exact_at(&mut bytes[..piece], at as u64)?;
        }
    }
    Ok(PAGES as u64)
}

#[test]
fn pages_that_were_resident_are_hits_and_the_others_are_not() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&[Metric::PageCacheHitRatio]) {
        let file = Scratch::create("cached", PAGES);
        let container = Cgroup::create(tree, "reader");
        let slot = kernel
            .add(&[container.id()], &all_of(&[Metric::PageCacheHitRatio]))
            .expect("it can be measured");
        let mut before = totals(&mut kernel, slot, Metric::PageCacheHitRatio);
        // Nothing cached, a half, everything; and everything again, a quarter of a page at a time,
        // which is no more accesses.
        for (first_forgotten, piece) in [
            (0, PAGE),
            (PAGES / 2, PAGE),
            (PAGES, PAGE),
            (PAGES, PAGE / 4),
        ] {
            if first_forgotten < PAGES {
                file.forget(first_forgotten);
            }
            let hits = file.resident();
            let expected = first_forgotten.min(PAGES) as u64;
            assert!(
                hits.abs_diff(expected) < PAGES as u64 / 10,
                "the premise: {hits} pages are resident, not {expected}"
            );
            let accesses =
                Process::spawn(&[&container], || read_pages(&file, piece).unwrap_or(0)).run();
            assert_eq!(accesses, PAGES as u64, "the premise: it has read all");
            let after = totals(&mut kernel, slot, Metric::PageCacheHitRatio);
            let (count, sum) = (after.count - before.count, after.sum - before.sum);
            println!("{tree:?}, {piece} bytes: {sum} hits of {count}, {hits} of {accesses}");
            assert_close("accesses", count, accesses, 3.0);
            assert!(
                sum.abs_diff(hits) <= accesses * 3 / 100,
                "{tree:?}: {sum} hits of {count} accesses; {hits} pages were resident"
            );
            before = after;
        }
    }
}

#[test]
fn a_neighbours_reads_are_not_counted_and_writing_makes_no_misses() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&[Metric::PageCacheHitRatio]) {
        let (file, fresh) = (
            Scratch::create("theirs", PAGES),
            Scratch::create("fresh", 1),
        );
        let (container, neighbour) = (
            Cgroup::create(tree, "writer"),
            Cgroup::create(tree, "neighbour"),
        );
        let slot = kernel
            .add(&[container.id()], &all_of(&[Metric::PageCacheHitRatio]))
            .expect("it can be measured");
        file.forget(0);
        let read = Process::spawn(&[&neighbour], || read_pages(&file, PAGE).unwrap_or(0)).run();
        assert_eq!(read, PAGES as u64, "the premise: it has read");
        let measured = totals(&mut kernel, slot, Metric::PageCacheHitRatio);
        assert_eq!((measured.count, measured.sum), (0, 0), "{tree:?}");

        // New pages are made for what is written; none of them was looked for in vain. What is read
        // meanwhile is there, so that a page which was taken for a miss would be one.
        let resident = file.resident();
        assert!(
            resident >= PAGES as u64 * 99 / 100,
            "the premise: the neighbour's reads left {resident} pages"
        );
        let grow = || -> io::Result<u64> {
            let mut grown = OpenOptions::new().append(true).open(fresh.path())?;
            let cached = File::open(file.path())?;
            let mut bytes = [0; PAGE];
            for page in 0..PAGES {
                grown.write_all(&[1; PAGE])?;
                cached.read_exact_at(&mut bytes, (page * PAGE) as u64)?;
            }
            Ok(PAGES as u64)
        };
        let written = Process::spawn(&[&container], || grow().unwrap_or(0)).run();
        assert_eq!(written, PAGES as u64, "the premise: it has written");
        let measured = totals(&mut kernel, slot, Metric::PageCacheHitRatio);
        assert_close("accesses", measured.count, PAGES as u64, 3.0);
        let misses = measured.count - measured.sum;
        assert!(
            misses <= PAGES as u64 / 50,
            "{tree:?}: {misses} misses by writing {PAGES} pages"
        );
    }
}

/// Reads a file or a device from its beginning, as a program that streams does; returns the pages.
fn stream(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut bytes = [0; 16 * PAGE];
    for _ in 0..PAGES / 16 {
        file.read_exact(&mut bytes)?;
    }
    Ok(PAGES as u64)
}

#[test]
fn what_is_read_ahead_is_missed_all_the_same() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&[Metric::PageCacheHitRatio]) {
        let (file, container) = (
            Scratch::create("ahead", PAGES),
            Cgroup::create(tree, "streamer"),
        );
        file.forget(0);
        assert_eq!(file.resident(), 0, "the premise: nothing is cached");
        let slot = kernel
            .add(&[container.id()], &all_of(&[Metric::PageCacheHitRatio]))
            .expect("it can be measured");
        let read = Process::spawn(&[&container], || stream(file.path()).unwrap_or(0)).run();
        assert_eq!(read, PAGES as u64, "the premise: it has read all");
        let measured = totals(&mut kernel, slot, Metric::PageCacheHitRatio);
        assert_close("accesses", measured.count, read, 3.0);
        assert!(
            measured.sum <= read * 3 / 100,
            "{tree:?}: {} hits of pages that the disk was asked for",
            measured.sum
        );
    }
}

#[test]
fn a_devices_own_pages_are_no_ones_files() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    if !is_measured(&kernel, Metric::PageCacheHitRatio) {
        return;
    }
    let content = Scratch::create("device", PAGES);
    let device = match LoopDevice::over(&content) {
        Ok(device) => device,
        Err(error) => return println!("passed over: no loop device: {error}"),
    };
    let container = Cgroup::create(Tree::V2, "raw");
    let slot = kernel
        .add(&[container.id()], &all_of(&[Metric::PageCacheHitRatio]))
        .expect("it can be measured");
    let read = Process::spawn(&[&container], || stream(device.path()).unwrap_or(0)).run();
    assert_eq!(read, PAGES as u64, "the premise: it has read");
    let measured = totals(&mut kernel, slot, Metric::PageCacheHitRatio);
    assert!(
        measured.count <= PAGES as u64 / 50,
        "{} accesses, more than of the program itself",
        measured.count
    );
}
