//! Kernel tests: a known stimulus in a real cgroup, compared with a ground truth that is not ours.
//!
//! ```text
//!  process (in cgroups, maybe in a network of its own) does a known thing ─▶ the kernel's programs
//!     └─▶ its own count or clock, schedstat, getrusage, mincore, SNMP counters ─▶ compared with ours
//! ```
//!
//! Above: what tests are made of; below: one module per metric or promise. A metric that this kernel
//! cannot measure is passed over by its tests, which say so; [`support`] fails when that is news.
//!
//! They need root. Each holds the machine's only test lock, so that none disturbs another's numbers.

mod board;
mod cgroups;
mod network;
mod process;
mod scratch;
mod sockets;

mod bytes;
mod churn;
mod disk;
mod disk_container;
mod dns;
mod faults;
mod features;
mod handed_back;
mod lifecycle;
mod mapped_files;
mod off_cpu;
mod page_cache;
mod received;
mod retransmits;
mod sampling;
mod scheduling;
mod stated_error;
mod stint;
mod support;
mod synacks;
mod tlb;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::mman::{MlockAllFlags, mlockall};
use probe_agent::hierarchy::{Hierarchies, Tree};
use probe_agent::kernel::{Kernel, Metric, Options, Reading, SamplingRate, Settings, Slot, Totals};

/// What a test holds while it runs: nobody else does.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    assert!(
        nix::unistd::geteuid().is_root(),
        "kernel tests load eBPF programs and create cgroups: run them as root"
    );
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    cgroups::sweep();
    stay_in_memory();
    guard
}

/// Keeps this program's pages in memory, which children share: a page that the machine took back meanwhile
/// would be read again by whoever needs it first, and be disk I/O and page faults of a container's.
fn stay_in_memory() {
    mlockall(MlockAllFlags::MCL_CURRENT).expect("root may lock its memory");
}

/// Tries until one attempt says that its premise held.
#[track_caller]
fn given(premise: &str, mut attempt: impl FnMut() -> Option<()>) {
    let held = (0..20).any(|_| attempt().is_some());
    assert!(held, "the premise: {premise}, in twenty attempts");
}

fn hierarchies() -> Hierarchies {
    Hierarchies::detect(Path::new("/sys/fs/cgroup")).expect("cgroups are mounted")
}

/// Every tree that this machine has: ids of either can name containers.
fn trees() -> Vec<Tree> {
    let mounted = hierarchies();
    [Tree::V2, Tree::V1Cpu]
        .into_iter()
        .filter(|tree| mounted.mount_of(*tree).is_some())
        .collect()
}

fn options(tree: Tree) -> Options {
    Options::new(tree, hierarchies().v2().map(Path::to_path_buf))
}

fn open(tree: Tree) -> Kernel {
    Kernel::open(options(tree)).expect("the kernel side opens")
}

/// For every tree a kernel side that can measure `metrics`, one after the other; says where it cannot.
fn kernels(metrics: &[Metric]) -> impl Iterator<Item = (Tree, Kernel)> {
    trees().into_iter().filter_map(move |tree| {
        let kernel = open(tree);
        let measured = metrics.iter().all(|metric| is_measured(&kernel, *metric));
        measured.then_some((tree, kernel))
    })
}

/// Settings that measure `metrics`, every event.
fn all_of(metrics: &[Metric]) -> Settings {
    sampled(metrics, 1.0)
}

/// Whether this kernel can measure `metric`; says why not.
fn is_measured(kernel: &Kernel, metric: Metric) -> bool {
    let support = kernel.support().get(metric);
    if !support.is_measured() {
        println!("passed over: {metric:?} is {support}");
    }
    support.is_measured()
}

fn sampled(metrics: &[Metric], rate: f64) -> Settings {
    let mut settings = Settings::default();
    for metric in metrics {
        settings
            .set(*metric, SamplingRate::try_new(rate).expect("a rate"))
            .expect("a setting");
    }
    settings
}

fn read(kernel: &mut Kernel, slot: Slot) -> Reading {
    let mut readings: BTreeMap<Slot, Reading> = kernel.read().expect("cells are readable");
    readings.remove(&slot).expect("the container is measured")
}

fn totals(kernel: &mut Kernel, slot: Slot, metric: Metric) -> Totals {
    read(kernel, slot)
        .metrics
        .remove(&metric)
        .expect("the metric is measured")
}

/// Fails unless `measured` is within `percent` of `truth`.
#[track_caller]
fn assert_close(what: &str, measured: u64, truth: u64, percent: f64) {
    let off = (measured as f64 - truth as f64) / truth as f64 * 100.0;
    println!("{what}: measured {measured}, truth {truth}, off by {off:.3} %");
    assert!(
        off.abs() <= percent,
        "{what}: measured {measured}, truth {truth}: {off:.2} % off"
    );
}

/// Polls until `done`, for at most ten seconds.
#[track_caller]
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
