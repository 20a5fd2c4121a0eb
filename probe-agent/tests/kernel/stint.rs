//! Whose events are while a task stays on its CPU: they go by what the scheduler's program noted when it
//! was switched in, against `getrusage`.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, Metric, Slot};

use crate::board::Board;
use crate::cgroups::Cgroup;
use crate::faults::touch_pages;
use crate::process::Process;
use crate::{all_of, alone, assert_close, kernels, totals};

const FAULTS: Metric = Metric::UserPageFaults;
const BOTH: [Metric; 2] = [Metric::RunqLatency, FAULTS];

// Places on the board.
const RUNS: usize = 0;
const GO: usize = 1;

/// A task that is on the first CPU, and stays there.
struct Runner {
    process: Process,
    board: Board,
}

impl Runner {
    /// Returns when it runs. It touches its pages when told.
    fn start(container: &Cgroup) -> Self {
        let board = Board::new();
        let mut process = Process::spawn(&[container], || run_until_told(board));
        process.start();
        assert!(board.wait(RUNS), "it runs");
        Self { process, board }
    }

    /// Has it touch its pages; how many faults that took.
    fn touch_pages(&mut self) -> u64 {
        self.board.set(GO, 1);
        let faults = self.process.result();
        assert!(faults > 0, "the premise: it has touched pages");
        faults
    }
}

fn run_until_told(board: Board) -> u64 {
    let mut first = CpuSet::new();
    if first.set(0).is_err() || sched_setaffinity(Pid::from_raw(0), &first).is_err() {
        return 0;
    }
    board.set(RUNS, 1);
    let deadline = Instant::now() + Duration::from_secs(10);
    while board.get(GO) == 0 {
        if Instant::now() > deadline {
            return 0;
        }
    }
    touch_pages()
}

fn add(kernel: &mut Kernel, container: &Cgroup, metrics: &[Metric]) -> Slot {
    kernel
        .add(&[container.id()], &all_of(metrics))
        .expect("it can be measured")
}

fn faults(kernel: &mut Kernel, slot: Slot) -> u64 {
    totals(kernel, slot, FAULTS).count
}

/// Faults of a task besides those on purpose, as for its first steps.
const FEW: u64 = 200;

fn pair(tree: Tree) -> (Cgroup, Cgroup) {
    (Cgroup::create(tree, "one"), Cgroup::create(tree, "other"))
}

#[test]
fn tasks_that_take_turns_on_a_cpu_have_their_own_faults() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&BOTH) {
        let (one, other) = pair(tree);
        let nobody = Cgroup::create(tree, "nobody");
        let slots = [&one, &other].map(|container| add(&mut kernel, container, &BOTH));
        let mut runners = [&one, &other, &nobody].map(Runner::start);
        for runner in &runners {
            runner.board.set(GO, 1);
        }
        let [first, second, _] = runners.each_mut().map(|runner| runner.process.result());
        for (slot, truth) in slots.into_iter().zip([first, second]) {
            assert!(truth > 0, "the premise: it has touched pages");
            assert_close("user page faults", faults(&mut kernel, slot), truth, 2.0);
        }
    }
}

#[test]
fn who_ran_when_scheduling_was_switched_off_is_forgotten() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&BOTH) {
        let (one, other) = pair(tree);
        let was = add(&mut kernel, &one, &BOTH);
        let is = add(&mut kernel, &other, &[FAULTS]);
        let mut runner = Runner::start(&one);
        kernel
            .configure(was, &all_of(&[FAULTS]))
            .expect("it can be measured");
        other.enter(runner.process.pid());
        let before = faults(&mut kernel, was);
        let truth = runner.touch_pages();
        let measured = faults(&mut kernel, is);
        assert_close("faults where it is", measured, truth, 2.0);
        let stray = faults(&mut kernel, was) - before;
        assert!(stray < FEW, "{tree:?}: {stray} faults where it was");
    }
}

#[test]
fn a_container_that_is_measured_anew_has_its_faults_although_its_task_never_left_the_cpu() {
    let _alone = alone();
    for (tree, mut kernel) in kernels(&BOTH) {
        let (one, other) = pair(tree);
        let _keeps_scheduling_on = add(&mut kernel, &other, &BOTH);
        let before = add(&mut kernel, &one, &BOTH);
        let mut runner = Runner::start(&one);
        kernel.remove(before).expect("it was there");
        let slot = add(&mut kernel, &one, &BOTH);
        let truth = runner.touch_pages();
        let measured = faults(&mut kernel, slot);
        assert_close("user page faults", measured, truth, 2.0);
    }
}
