//! Disk I/O, against writes past the page cache: known sizes, and the writer's own clock.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, Metric, Totals};

use crate::board::Board;
use crate::disk_container::{Cgroups, METRICS};
use crate::process::{Process, spin};
use crate::scratch::{Aligned, PAGE, Scratch};
use crate::{alone, is_measured, kernels, open, read, trees};

/// Single pages, and blocks of sixteen.
const SMALL: u64 = 200;
const LARGE: u64 = 100;
const LARGE_PAGES: usize = 16;

/// Requests that a writer may make besides: it reads a page of the file system's tables, if the machine
/// needed the room meanwhile.
const BESIDES: u64 = 3;

// Places on the board.
const SPENT_NS: usize = 0;

/// In how many runs the end of every request must have been seen at least once. A kernel may keep a process
/// of its machine from being traced, and then nobody's programs run while it is interrupted, as the end of
/// a request may do; programs that miss ends of their own doing miss some in every run.
const RUNS: usize = 10;

/// Writes all blocks, one at a time; returns the bytes, and leaves the time on the board.
fn write(scratch: &Scratch, board: Board) -> io::Result<u64> {
    static BLOCK: Aligned = Aligned::filled();
    let file = scratch.open_direct()?;
    let mut written = 0;
    for number in 0..SMALL + LARGE {
        let pages = if number < SMALL { 1 } else { LARGE_PAGES };
        let block = &BLOCK.0[..pages * PAGE];
        let at = number % LARGE * (LARGE_PAGES * PAGE) as u64;
        let since = Instant::now();
        written += file.write_at(block, at)? as u64;
        board.add(SPENT_NS, since.elapsed().as_nanos() as u64);
    }
    Ok(written)
}

/// How many more requests there were than `writes` of `bytes` together; fails unless there was one for
/// each, and few more.
#[track_caller]
fn besides(size: &Totals, bytes: u64, writes: u64) -> u64 {
    println!(
        "{} requests of {} bytes; {writes} writes of {bytes}",
        size.count, size.sum
    );
    assert!((writes..=writes + BESIDES).contains(&size.count));
    let besides = size.count - writes;
    assert_eq!(size.sum, bytes + besides * PAGE as u64, "one per write");
    besides
}

/// Whether the end of every request was seen; fails if there are more ends than requests.
#[track_caller]
fn all_have_ended(kernel: &Kernel, size: &Totals, latency: &Totals) -> bool {
    let lost = kernel.lost();
    println!(
        "{} of {} ends seen; lost: {lost:?}",
        latency.count, size.count
    );
    assert!(
        latency.count <= size.count,
        "each is issued once and ends once"
    );
    latency.count == size.count
}

/// Runs `once`, whether it has seen all it should, until it has.
#[track_caller]
fn in_one_of_some_runs(mut once: impl FnMut() -> bool) {
    let seen = (0..RUNS).any(|_| once());
    assert!(
        seen,
        "in none of {RUNS} runs was the end of each request seen, in its time"
    );
}

#[test]
fn direct_writes_have_their_size_and_no_more_than_the_writers_time() {
    let _alone = alone();
    for tree in trees() {
        in_one_of_some_runs(|| direct_writes_are_right(tree));
    }
}

/// Whether all latencies were seen; fails if anything else is not as it should be.
fn direct_writes_are_right(tree: Tree) -> bool {
    let mut kernel = open(tree);
    if !METRICS.iter().all(|metric| is_measured(&kernel, *metric)) {
        return true;
    }
    let pages = LARGE as usize * LARGE_PAGES;
    let (file, others) = (
        Scratch::create("ours", pages),
        Scratch::create("others", pages),
    );
    let (writer, neighbour) = (
        Cgroups::create(tree, "writer"),
        Cgroups::create(tree, "neighbour"),
    );
    let (board, other_board) = (Board::new(), Board::new());
    let slot = writer.measure(&mut kernel);
    let mut writing = Process::spawn(&writer.all(), || write(&file, board).unwrap_or(0));
    let mut other = Process::spawn(&neighbour.all(), || {
        write(&others, other_board).unwrap_or(0)
    });
    other.start();
    let before = writing.schedstat();
    let truth = writing.run();
    let cpu = writing.schedstat() - before;
    assert_eq!(truth, other.result(), "the premise: both have written");
    let bytes = (SMALL + LARGE * LARGE_PAGES as u64) * PAGE as u64;
    assert_eq!(truth, bytes, "the premise: nothing was cut short");

    let reading = read(&mut kernel, slot);
    let size = &reading.metrics[&Metric::DiskIoSize];
    let latency = &reading.metrics[&Metric::DiskIoLatency];
    let besides = besides(size, truth, SMALL + LARGE);
    assert_eq!(
        size.log2_buckets[12],
        SMALL + besides,
        "floor(log2(4096)) is 12"
    );
    assert_eq!(size.log2_buckets[16], LARGE, "floor(log2(65536)) is 16");

    let waited = board.get(SPENT_NS);
    assert!(
        latency.sum <= waited,
        "{tree:?}: {} ns in the disk of {waited} ns in the calls",
        latency.sum
    );
    // The rest of the time it ran, or waited for a CPU. Blocked it is also before the issue, while the
    // device takes no further request, which is no latency of the device: up to an eighth of the time
    // was seen, and more on a busy disk. Half a latency would still be found.
    let blocked = waited.saturating_sub(cpu.on_cpu_ns + cpu.wait_ns);
    println!(
        "{tree:?}: {} ns of the writer's {waited} ns, of {blocked} in which it was blocked",
        latency.sum
    );
    all_have_ended(&kernel, size, latency) && latency.sum >= blocked / 4 * 3
}

/// Writes that a limited container makes, and how many a second it may.
const LIMITED: u64 = 60;
const PER_SECOND: u64 = 100;

fn write_limited(scratch: &Scratch, board: Board) -> io::Result<u64> {
    static PAGE_OF_DATA: Aligned = Aligned::filled();
    let file = scratch.open_direct()?;
    let since = Instant::now();
    let mut written = 0;
    for number in 0..LIMITED {
        written += file.write_at(&PAGE_OF_DATA.0[..PAGE], number * PAGE as u64)? as u64;
    }
    board.set(SPENT_NS, since.elapsed().as_nanos() as u64);
    Ok(written)
}

#[test]
fn what_a_kernel_thread_issues_is_whose_write_it_was() {
    let _alone = alone();
    for tree in trees() {
        in_one_of_some_runs(|| limited_writes_are_right(tree));
    }
}

/// Whether all latencies were seen; fails if anything else is not as it should be.
fn limited_writes_are_right(tree: Tree) -> bool {
    let mut kernel = open(tree);
    if !METRICS.iter().all(|metric| is_measured(&kernel, *metric)) {
        return true;
    }
    let (file, board) = (Scratch::create("limited", LIMITED as usize), Board::new());
    let writer = Cgroups::create(tree, "limited");
    if !writer.limit_writes(&file, PER_SECOND) {
        return true;
    }
    let slot = writer.measure(&mut kernel);
    let truth = Process::spawn(&writer.all(), || write_limited(&file, board).unwrap_or(0)).run();
    assert_eq!(truth, LIMITED * PAGE as u64, "the premise: it has written");
    let waited = board.get(SPENT_NS);
    assert!(
        waited > LIMITED * 1_000_000_000 / PER_SECOND / 2,
        "the premise: a thread of the kernel's has held them back: {waited} ns"
    );
    let reading = read(&mut kernel, slot);
    let size = &reading.metrics[&Metric::DiskIoSize];
    besides(size, truth, LIMITED);
    let latency = &reading.metrics[&Metric::DiskIoLatency];
    assert!(
        latency.sum < waited / 2,
        "{tree:?}: {} ns of {waited}: the disk is not slow, it was not asked",
        latency.sum
    );
    all_have_ended(&kernel, size, latency)
}

/// Dirties the page cache and has the kernel's own threads write it.
fn write_back(scratch: &Scratch) -> io::Result<u64> {
    let mut file = OpenOptions::new().write(true).open(scratch.path())?;
    let mut written = 0;
    for _ in 0..64 {
        file.write_all(&[9; 16 * PAGE])?;
        written += (16 * PAGE) as u64;
    }
    // SAFETY: a plain system call.
    unsafe { libc::sync() };
    Ok(written)
}

#[test]
fn what_kernel_threads_write_for_others_is_not_a_bystanders() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&METRICS) {
        let file = Scratch::create("dirty", 64 * 16);
        let (writer, bystander) = (
            Cgroups::create(tree, "dirtier"),
            Cgroups::create(tree, "bystander"),
        );
        let slot = bystander.measure(&mut kernel);
        // On every CPU, so that completions interrupt it.
        let mut spinners: Vec<Process> = (0..2)
            .map(|_| Process::spawn(&bystander.all(), || spin(1_500)))
            .collect();
        spinners.iter_mut().for_each(Process::start);
        let written = Process::spawn(&writer.all(), || write_back(&file).unwrap_or(0)).run();
        assert_eq!(
            written,
            64 * 16 * PAGE as u64,
            "the premise: it has written"
        );
        let reading = read(&mut kernel, slot);
        for metric in METRICS {
            assert_eq!(reading.metrics[&metric].count, 0, "{tree:?} {metric:?}");
        }
    }
}
