//! TLB flushes, against unmappings: a page that was touched and is given back is one flush.
//!
//! Where the same memory is in use on another CPU, that one is interrupted, and flushes as well: the
//! event fires there, too, while the interrupted task runs. `/proc/interrupts` tells that it happened.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::Metric;

use crate::board::Board;
use crate::cgroups::Cgroup;
use crate::process::Process;
use crate::{all_of, alone, assert_close, is_measured, kernels, open, totals};

const ROUNDS: u64 = 5_000;

/// The neighbour has to be interrupted so often at least. Not each time: it runs as often as the
/// machine lets it, and who does not run is spared.
const FEWEST: u64 = ROUNDS / 50;

/// Touches a page and gives it back, again and again; returns how often.
fn touch_and_give_back() -> u64 {
    // SAFETY: a fresh private mapping that only this child uses; the touched byte is inside.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if page == libc::MAP_FAILED {
            return 0;
        }
        (0..ROUNDS)
            .take_while(|_| {
                page.cast::<u8>().write_volatile(1);
                libc::madvise(page, 4096, libc::MADV_DONTNEED) == 0
            })
            .count() as u64
    }
}

#[test]
fn pages_given_back_are_flushes() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&[Metric::TlbFlushes]) {
        let container = Cgroup::create(tree, "flusher");
        let slot = kernel
            .add(&[container.id()], &all_of(&[Metric::TlbFlushes]))
            .expect("it can be measured");
        // For a second after a process has moved, the kernel asks the CPU that it left to flush, too,
        // which counts: so it stays where it begins.
        let mut process = on_cpu_0(|| Process::spawn(&[&container], touch_and_give_back));
        // Of its start: a forked child copies the pages that it writes.
        let before = totals(&mut kernel, slot, Metric::TlbFlushes).count;
        assert_eq!(process.run(), ROUNDS, "the premise: every call succeeded");
        let measured = totals(&mut kernel, slot, Metric::TlbFlushes);
        let flushes = measured.count - before;
        // Not one fewer; its few system calls besides may cause some more.
        assert!(flushes >= ROUNDS, "{tree:?}: {flushes}");
        assert_close("TLB flushes", flushes, ROUNDS, 2.0);
        assert_eq!(measured.sum, measured.count);
    }
}

// Places on the board.
const SPINNING: usize = 0;
const OVER: usize = 1;
const ON_OTHER_CPU: usize = 2;

/// Flushes on CPU 0 while a process with the same memory, in the cgroup whose list of processes is
/// `neighbours`, spins on CPU 1.
fn flush_for_two(neighbours: &Path, board: Board) -> u64 {
    const STACK: usize = 64 << 10;
    extern "C" fn spin(board: *mut libc::c_void) -> libc::c_int {
        // SAFETY: `flush_for_two` passes its own, and waits for this process.
        let board = unsafe { *board.cast::<Board>() };
        let since = Instant::now();
        board.set(SPINNING, 1);
        while board.get(OVER) == 0 && since.elapsed() < Duration::from_secs(10) {}
        0
    }
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];
    let mut own = board;
    // SAFETY: the stack, which grows down from its end, and the argument live until the process has
    // ended, below; it touches neither the heap nor anything else that is not atomic.
    let pid = unsafe {
        libc::clone(
            spin,
            stack.as_mut_ptr_range().end.cast(),
            libc::CLONE_VM | libc::SIGCHLD,
            (&raw mut own).cast(),
        )
    };
    if pid < 0 {
        return 0;
    }
    let moved = fs::write(neighbours, pid.to_string()).is_ok() && pin(0, 0) && pin(pid, 1);
    let begun = moved && board.wait(SPINNING);
    let before = shootdowns(1);
    let flushes = if begun { touch_and_give_back() } else { 0 };
    board.set(ON_OTHER_CPU, shootdowns(1) - before);
    board.set(OVER, 1);
    // SAFETY: a child of this process; null asks for no status.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    flushes
}

/// Has a process, this one if 0, run on one CPU alone.
fn pin(pid: libc::pid_t, cpu: usize) -> bool {
    // SAFETY: a set of CPUs is bits alone; the call reads as many bytes as are said.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(pid, size_of_val(&set), &raw const set) == 0
    }
}

/// Forks a child that stays on CPU 0, while its parent goes on wherever it may.
fn on_cpu_0(fork: impl FnOnce() -> Process) -> Process {
    // SAFETY: a set of CPUs is bits alone; the calls write and read as many bytes as are said.
    unsafe {
        let mut before: libc::cpu_set_t = std::mem::zeroed();
        let size = size_of_val(&before);
        assert_eq!(libc::sched_getaffinity(0, size, &raw mut before), 0);
        assert!(pin(0, 0), "CPU 0 is there");
        let process = fork();
        assert_eq!(libc::sched_setaffinity(0, size, &raw const before), 0);
        process
    }
}

/// How often a CPU was interrupted to flush, as `/proc/interrupts` has it; 0 where it does not.
fn shootdowns(cpu: usize) -> u64 {
    let text = fs::read_to_string("/proc/interrupts").unwrap_or_default();
    text.lines()
        .find_map(|line| line.trim_start().strip_prefix("TLB:"))
        .and_then(|counts| counts.split_whitespace().nth(cpu)?.parse().ok())
        .unwrap_or(0)
}

#[test]
fn whom_a_flush_interrupts_does_not_pay_for_it() {
    let _alone = alone();
    let mut kernel = open(Tree::V2);
    if !is_measured(&kernel, Metric::TlbFlushes) {
        return;
    }
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        println!("passed over: one CPU interrupts nobody");
        return;
    }
    let (container, neighbour) = (
        Cgroup::create(Tree::V2, "flusher"),
        Cgroup::create(Tree::V2, "interrupted"),
    );
    let [slot, interrupted] = [&container, &neighbour].map(|one| {
        kernel
            .add(&[one.id()], &all_of(&[Metric::TlbFlushes]))
            .expect("it can be measured")
    });
    let list = neighbour.list();
    // As often as it takes until the neighbour runs meanwhile, on a machine with other work.
    let (flushes, interruptions) = (0..20)
        .find_map(|_| {
            let before = totals(&mut kernel, slot, Metric::TlbFlushes).count;
            let board = Board::new();
            let mut process = Process::spawn(&[&container], || flush_for_two(&list, board));
            assert_eq!(process.run(), ROUNDS, "the premise: every call succeeded");
            let after = totals(&mut kernel, slot, Metric::TlbFlushes).count;
            let interruptions = board.get(ON_OTHER_CPU);
            (interruptions >= FEWEST).then_some((after - before, interruptions))
        })
        .expect("the premise: the neighbour was interrupted, in one of twenty attempts");
    println!("{flushes} flushes, {interruptions} interruptions");
    // Others' processes may interrupt that CPU as well.
    assert!(
        flushes >= ROUNDS + interruptions / 2,
        "asking another CPU to flush is an event of its own: {flushes}"
    );
    let others = totals(&mut kernel, interrupted, Metric::TlbFlushes).count;
    assert_eq!(others, 0, "of whom a flush interrupted");
}
