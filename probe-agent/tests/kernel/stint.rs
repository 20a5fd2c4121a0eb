//! Whose events are while a task stays on its CPU: they go by what the scheduler's program noted when it
//! was switched in, against `getrusage`.

use std::time::{Duration, Instant};

use nix::sched::sched_setaffinity;
use nix::unistd::Pid;
use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, Metric, Slot};

use crate::board::Board;
use crate::cgroups::Cgroup;
use crate::faults::KINDS;
use crate::process::{Process, Switches, go_real_time, only};
use crate::{all_of, alone, assert_close, given, is_measured, open, read, totals, trees};

// Places on the board.
const RUNS: usize = 0;
const GO: usize = 1;

/// What is measured besides `faults`.
fn both(faults: Metric) -> [Metric; 2] {
    [Metric::RunqLatency, faults]
}

/// A task that is on the first CPU, and stays there.
struct Runner {
    process: Process,
    board: Board,
    /// Before it was started.
    switches: Switches,
}

/// Whether others may have the CPU meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Cpu {
    Shared,
    /// Nothing of ordinary priority.
    Kept,
}

impl Runner {
    fn spawn(container: &Cgroup, cpu: Cpu, take_faults: fn() -> u64) -> Self {
        let board = Board::new();
        let work = || run_until_told(board, cpu, take_faults);
        let process = Process::spawn(&[container], work);
        let switches = process.switches();
        Self {
            process,
            board,
            switches,
        }
    }

    /// Returns when it runs. It takes its faults when told.
    fn start(&mut self) {
        self.process.start();
        assert!(self.board.wait(RUNS), "it runs");
    }

    /// Has it take its faults; how many those were.
    fn take_faults(&mut self) -> u64 {
        self.board.set(GO, 1);
        let faults = self.process.result();
        assert!(faults > 0, "the premise: it has taken faults");
        faults
    }
}

fn run_until_told(board: Board, cpu: Cpu, take_faults: fn() -> u64) -> u64 {
    let pinned = sched_setaffinity(Pid::from_raw(0), &only(0)).is_ok();
    if !pinned {
        return 0;
    }
    if cpu == Cpu::Kept {
        go_real_time(0);
    }
    board.set(RUNS, 1);
    let deadline = Instant::now() + Duration::from_secs(10);
    while board.get(GO) == 0 {
        if Instant::now() > deadline {
            return 0;
        }
    }
    take_faults()
}

fn add(kernel: &mut Kernel, container: &Cgroup, metrics: &[Metric]) -> Slot {
    kernel
        .add(&[container.id()], &all_of(metrics))
        .expect("it can be measured")
}

/// Each kind of faults, what takes them, and kernels that measure them.
fn kinds() -> impl Iterator<Item = (Metric, fn() -> u64, Tree, Kernel)> {
    KINDS.into_iter().flat_map(|(metric, take_faults)| {
        trees()
            .into_iter()
            .map(move |tree| (metric, take_faults, tree, open(tree)))
            .filter(|(metric, .., kernel)| is_measured(kernel, *metric))
    })
}

/// Faults of a task besides those on purpose, as for its first steps.
const FEW: u64 = 200;

fn pair(tree: Tree) -> (Cgroup, Cgroup) {
    (Cgroup::create(tree, "one"), Cgroup::create(tree, "other"))
}

/// Tries `attempt` with each kind of faults in each tree, until its premise holds.
fn given_for_each(
    premise: &str,
    attempt: impl Fn(&mut Kernel, Tree, Metric, fn() -> u64) -> Option<()>,
) {
    let _alone = alone();
    for (metric, take_faults, tree, mut kernel) in kinds() {
        given(premise, || attempt(&mut kernel, tree, metric, take_faults));
    }
}

#[test]
fn tasks_that_take_turns_on_a_cpu_have_their_own_faults() {
    given_for_each(
        "the kernel reports every switch",
        |kernel, tree, metric, take_faults| {
            let (one, other) = pair(tree);
            let nobody = Cgroup::create(tree, "nobody");
            let mut runners =
                [&one, &other, &nobody].map(|at| Runner::spawn(at, Cpu::Shared, take_faults));
            let slots = [&one, &other].map(|container| add(kernel, container, &both(metric)));
            for runner in &mut runners {
                runner.start();
            }
            for runner in &runners {
                runner.board.set(GO, 1);
            }
            let truths = runners.each_mut().map(|runner| runner.process.result());
            let readings = slots.map(|slot| read(kernel, slot));
            let mut all_seen = true;
            for ((slot, reading), runner) in slots.into_iter().zip(&readings).zip(&runners) {
                all_seen &= runner.process.all_seen(runner.switches, reading);
                kernel.remove(slot).expect("it was there");
            }
            if !all_seen {
                return None;
            }
            for (reading, truth) in readings.iter().zip(truths) {
                assert!(truth > 0, "the premise: it has taken faults");
                assert_close("faults", reading.metrics[&metric].count, truth, 2.0);
            }
            Some(())
        },
    );
}

/// Takes the faults; how many, unless the task was not left alone on its CPU meanwhile.
fn take_alone(runner: &mut Runner) -> Option<u64> {
    let before = runner.process.switches().involuntary;
    let truth = runner.take_faults();
    (runner.process.switches().involuntary == before).then_some(truth)
}

#[test]
fn who_ran_when_scheduling_was_switched_off_is_forgotten() {
    given_for_each(
        "the task stays on its CPU",
        |kernel, tree, metric, take_faults| {
            let faults = |kernel: &mut Kernel, slot| totals(kernel, slot, metric).count;
            let (one, other) = pair(tree);
            let was = add(kernel, &one, &both(metric));
            let is = add(kernel, &other, &[metric]);
            let mut runner = Runner::spawn(&one, Cpu::Kept, take_faults);
            runner.start();
            kernel
                .configure(was, &all_of(&[metric]))
                .expect("it can be measured");
            other.enter(runner.process.pid());
            let before = faults(kernel, was);
            let truth = take_alone(&mut runner);
            let measured = faults(kernel, is);
            let stray = faults(kernel, was) - before;
            for slot in [was, is] {
                kernel.remove(slot).expect("it was there");
            }
            assert_close("faults where it is", measured, truth?, 2.0);
            assert!(stray < FEW, "{tree:?}: {stray} faults where it was");
            Some(())
        },
    );
}

#[test]
fn a_container_that_is_measured_anew_has_its_faults_although_its_task_never_left_the_cpu() {
    given_for_each(
        "the task stays on its CPU",
        |kernel, tree, metric, take_faults| {
            let (one, other) = pair(tree);
            let keeps_scheduling_on = add(kernel, &other, &both(metric));
            let before = add(kernel, &one, &both(metric));
            let mut runner = Runner::spawn(&one, Cpu::Kept, take_faults);
            runner.start();
            kernel.remove(before).expect("it was there");
            let slot = add(kernel, &one, &both(metric));
            let truth = take_alone(&mut runner);
            let measured = totals(kernel, slot, metric).count;
            for slot in [keeps_scheduling_on, slot] {
                kernel.remove(slot).expect("it was there");
            }
            assert_close("faults", measured, truth?, 2.0);
            Some(())
        },
    );
}
