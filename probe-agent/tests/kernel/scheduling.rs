//! Run-queue latency and time on CPU, against `/proc/PID/schedstat`.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, Metric, Scheduling, Slot};

use crate::cgroups::Cgroup;
use crate::process::{Process, SchedStat, go_real_time, only, schedstat, spin, switches};
use crate::{all_of, alone, assert_close, given, open, read, totals, trees};

const BOTH: [Metric; 2] = [Metric::RunqLatency, Metric::OnCpuTime];

fn scheduling(kernel: &mut Kernel, slot: Slot) -> Scheduling {
    read(kernel, slot)
        .scheduling
        .expect("scheduling is measured")
}

/// Runs `work` in `count` processes of one container, measured. Returns ours and the truth.
fn contend(tree: Tree, count: usize, work: fn(usize) -> u64) -> (Scheduling, SchedStat) {
    let container = Cgroup::create(tree, "spinners");
    let mut processes: Vec<Process> = (0..count)
        .map(|number| Process::spawn(&[&container], move || work(number)))
        .collect();
    let mut kernel = open(tree);
    let slot = kernel
        .add(&[container.id()], &all_of(&BOTH))
        .expect("it can be measured");
    let (before, switched_before) = (schedstat(&processes), switches(&processes));
    processes.iter_mut().for_each(Process::start);
    for process in &mut processes {
        process.result();
    }
    let (truth, switched) = (schedstat(&processes) - before, switches(&processes));
    let reading = read(&mut kernel, slot);

    let ours = reading.scheduling.expect("scheduling is measured");
    let waits = &reading.metrics[&Metric::RunqLatency];
    let on_cpu = &reading.metrics[&Metric::OnCpuTime];
    assert_eq!(on_cpu.sum, ours.on_cpu_ns);
    assert_eq!(
        waits.sum, ours.wait_ns,
        "at a rate of 1 the distribution has every wait"
    );
    assert_eq!(waits.log2_buckets.iter().sum::<u64>(), waits.count);
    assert_eq!(
        ours.voluntary_switches + ours.involuntary_switches,
        waits.count,
        "every wait is followed by one stint, and all stints are over"
    );
    // schedstat's third number and these counters are ahead of the kernel's own sched_switch events by
    // up to 2 % on 6.18: a trace of all of them has exactly as many as we count.
    let voluntary = switched.voluntary - switched_before.voluntary;
    let involuntary = switched.involuntary - switched_before.involuntary;
    assert!(
        ours.voluntary_switches <= voluntary && ours.involuntary_switches <= involuntary,
        "{ours:?}, but {voluntary} voluntary and {involuntary} involuntary switches"
    );
    assert_close("stints", waits.count, voluntary + involuntary, 3.0);
    (ours, truth)
}

#[test]
fn waits_and_time_on_cpu_of_contending_spinners_match_the_kernels_own() {
    let _alone = alone();
    for tree in trees() {
        // Three for two CPUs, free to move: waiting tasks are moved between run queues.
        let (ours, truth) = contend(tree, 3, |_| spin(1_500));
        assert_close("wait", ours.wait_ns, truth.wait_ns, 10.0);
        assert_close("on CPU", ours.on_cpu_ns, truth.on_cpu_ns, 10.0);
        assert!(
            ours.involuntary_switches > ours.voluntary_switches,
            "{ours:?}"
        );
    }
}

#[test]
fn bursts_that_end_in_sleep_are_voluntary_switches() {
    let _alone = alone();
    const BURSTS: u64 = 200;
    let (ours, truth) = contend(Tree::V2, 4, |_| {
        (0..BURSTS)
            .map(|_| spin(1) + std::hint::black_box(nap(Duration::from_millis(1))))
            .sum()
    });
    assert_close(
        "voluntary switches",
        ours.voluntary_switches,
        4 * BURSTS,
        5.0,
    );
    assert_close("wait", ours.wait_ns, truth.wait_ns, 10.0);
    assert_close("on CPU", ours.on_cpu_ns, truth.on_cpu_ns, 10.0);
}

#[test]
fn one_that_never_leaves_its_cpu_is_seen_all_the_same() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "hog");
    let mut kernel = open(Tree::V2);
    let slot = kernel
        .add(&[container.id()], &all_of(&BOTH))
        .expect("it can be measured");
    undisturbed(|| {
        let mut hog = real_time_hog(&container);
        let (start, start_truth) = (scheduling(&mut kernel, slot), hog.schedstat());
        hog.start();
        std::thread::sleep(Duration::from_millis(150));
        let (first, first_truth) = (scheduling(&mut kernel, slot), hog.schedstat());
        std::thread::sleep(Duration::from_millis(300));
        let (second, second_truth) = (scheduling(&mut kernel, slot), hog.schedstat());
        let truth = second_truth - first_truth;
        // Or it waited for another real-time task to end.
        if truth.stints > 0 || truth.on_cpu_ns == 0 {
            return None;
        }
        let switches = |of: Scheduling| of.voluntary_switches + of.involuntary_switches;
        assert_eq!(switches(second), switches(first));
        assert_close(
            "on CPU",
            second.on_cpu_ns - first.on_cpu_ns,
            truth.on_cpu_ns,
            10.0,
        );

        // What was flushed is not counted again when the stint ends.
        hog.result();
        let end = scheduling(&mut kernel, slot).on_cpu_ns - start.on_cpu_ns;
        assert_close(
            "on CPU in the end",
            end,
            (hog.schedstat() - start_truth).on_cpu_ns,
            10.0,
        );
        Some(())
    });
}

#[test]
fn a_container_that_was_running_before_is_measured_from_now_on() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "early");
    let mut kernel = open(Tree::V2);
    kernel
        .add(&[], &all_of(&BOTH))
        .expect("attaches the hooks, which takes its time");
    undisturbed(|| {
        let mut hog = real_time_hog(&container);
        hog.start();
        std::thread::sleep(Duration::from_millis(200));
        let stints = hog.schedstat().stints;
        let slot = kernel
            .add(&[container.id()], &all_of(&BOTH))
            .expect("it can be measured");
        let (first, before) = (scheduling(&mut kernel, slot), hog.schedstat());
        if before.stints != stints {
            kernel.remove(slot).expect("it can be removed");
            return None;
        }
        assert!(before.on_cpu_ns > 0, "the premise: it runs");
        hog.result();
        let (end, after) = (scheduling(&mut kernel, slot), hog.schedstat());
        assert_eq!(first.on_cpu_ns, 0, "what was before does not count");
        assert_close("on CPU", end.on_cpu_ns, (after - before).on_cpu_ns, 10.0);
        Some(())
    });
}

#[test]
fn a_slot_given_to_another_container_starts_at_zero_even_while_the_old_one_runs() {
    let _alone = alone();
    let (old, new) = (
        Cgroup::create(Tree::V2, "old"),
        Cgroup::create(Tree::V2, "new"),
    );
    let mut kernel = open(Tree::V2);
    let other = kernel
        .add(&[], &all_of(&BOTH))
        .expect("keeps the hooks attached");
    undisturbed(|| {
        let mut hog = real_time_hog(&old);
        let slot = kernel
            .add(&[old.id()], &all_of(&BOTH))
            .expect("it can be measured");
        hog.start();
        std::thread::sleep(Duration::from_millis(150));
        assert!(scheduling(&mut kernel, slot).on_cpu_ns > 0);

        let stints = hog.schedstat().stints;
        kernel.remove(slot).expect("it can be removed");
        let slot = kernel
            .add(&[new.id()], &all_of(&BOTH))
            .expect("it can be measured");
        let same_stint = hog.schedstat().stints == stints;
        hog.result();
        assert_eq!(scheduling(&mut kernel, slot), Scheduling::default());
        assert_eq!(scheduling(&mut kernel, other), Scheduling::default());
        kernel.remove(slot).expect("it can be removed");
        same_stint.then_some(())
    });
}

#[test]
fn a_wait_that_begins_on_one_cpu_and_ends_on_another_counts_whole() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "moved");
    let mut moved = Process::spawn(&[&container], || {
        let _reported_by_the_test = sched_setaffinity(Pid::from_raw(0), &only(1));
        // Time for the hog to take the CPU.
        nap(Duration::from_millis(150))
    });
    let mut hog = Process::spawn(&[], || {
        go_real_time(1);
        spin(700)
    });
    let mut kernel = open(Tree::V2);
    let slot = kernel
        .add(&[container.id()], &all_of(&BOTH))
        .expect("it can be measured");
    sched_setaffinity(Pid::from_raw(0), &only(0)).expect("CPU 0 exists");
    let before = moved.schedstat();
    moved.start();
    std::thread::sleep(Duration::from_millis(50));
    hog.start();
    std::thread::sleep(Duration::from_millis(400));
    sched_setaffinity(moved.pid(), &only(0)).expect("it can be moved");
    moved.result();
    hog.result();
    sched_setaffinity(Pid::from_raw(0), &only_all()).expect("all CPUs exist");

    let truth = moved.schedstat() - before;
    assert!(
        truth.wait_ns > 150_000_000,
        "the premise: it has waited: {truth:?}"
    );
    assert_close(
        "wait",
        scheduling(&mut kernel, slot).wait_ns,
        truth.wait_ns,
        10.0,
    );
}

#[test]
fn a_metric_switched_on_later_does_not_report_what_another_had_its_cell_count() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "joined");
    let mut kernel = open(Tree::V2);
    let waits_only = all_of(&[Metric::RunqLatency]);
    let slot = kernel
        .add(&[container.id()], &waits_only)
        .expect("it can be measured");
    let spun = || {
        let mut process = Process::spawn(&[&container], || spin(200));
        let before = process.schedstat();
        process.run();
        (process.schedstat() - before).on_cpu_ns
    };
    let on_cpu = |kernel: &mut Kernel| totals(kernel, slot, Metric::OnCpuTime).sum;
    let configure = |kernel: &mut Kernel, metrics: &[Metric]| {
        let changed = kernel.configure(slot, &all_of(metrics));
        changed.expect("the settings can change");
    };

    spun();
    let shared = scheduling(&mut kernel, slot).on_cpu_ns;
    assert!(shared > 0, "the premise: the cell counts it");
    configure(&mut kernel, &BOTH);
    // Of 200 ms; a process may still be ending.
    let little = 10_000_000;
    let start = on_cpu(&mut kernel);
    assert!(start < little, "{start} ns of its past are not its own");
    let truth = spun();
    let first = on_cpu(&mut kernel);
    assert_close("on CPU", first - start, truth, 10.0);

    configure(&mut kernel, &[Metric::RunqLatency]);
    spun();
    configure(&mut kernel, &BOTH);
    let again = on_cpu(&mut kernel);
    assert!(again - first < little, "{} ns while off", again - first);
    let truth = spun();
    assert_close("on CPU again", on_cpu(&mut kernel) - again, truth, 10.0);
}

#[test]
fn what_happens_while_scheduling_is_off_does_not_count_when_it_is_on_again() {
    let _alone = alone();
    let container = Cgroup::create(Tree::V2, "paused");
    let mut kernel = open(Tree::V2);
    let slot = kernel
        .add(&[container.id()], &all_of(&BOTH))
        .expect("it can be measured");
    // Once the hook is detached meanwhile, once another container keeps it, once its own faults do.
    let meanwhile = [
        (Metric::SentBytes, false),
        (Metric::SentBytes, true),
        (Metric::UserPageFaults, false),
    ];
    for (metric, others) in meanwhile {
        if others {
            kernel.add(&[], &all_of(&BOTH)).expect("keeps the hook");
        }
        undisturbed(|| {
            let mut hog = real_time_hog(&container);
            hog.start();
            std::thread::sleep(Duration::from_millis(100));
            let (before, stints) = (scheduling(&mut kernel, slot), hog.schedstat().stints);
            let off = all_of(&[metric]);
            let mut on = Instant::now();
            kernel.configure(slot, &off).expect("it can be off");
            let until_off = on.elapsed();
            std::thread::sleep(Duration::from_millis(400));
            on = Instant::now();
            kernel
                .configure(slot, &all_of(&BOTH))
                .expect("it can be on again");
            let (after, same_stint) = (
                scheduling(&mut kernel, slot),
                hog.schedstat().stints == stints,
            );
            // What the calls take counts: on a busy machine that may be most of the stint.
            let calls = until_off + on.elapsed();
            hog.result();
            if !same_stint || calls > Duration::from_millis(150) {
                return None;
            }
            let counted = Duration::from_nanos(after.on_cpu_ns - before.on_cpu_ns);
            assert!(
                counted < Duration::from_millis(200),
                "{counted:?} of 400 ms off, {calls:?} of them in calls"
            );
            Some(())
        });
    }
}

/// A process in `container` that, once started, keeps CPU 1 for 700 ms: of real-time priority, so that
/// no ordinary task pre-empts it.
fn real_time_hog(container: &Cgroup) -> Process {
    Process::spawn(&[container], || {
        go_real_time(1);
        spin(700)
    })
}

/// Tries until one attempt says that its premise held: now and then a task of the kernel itself
/// interrupts even a real-time one. This thread stays off the hogs' CPU meanwhile.
fn undisturbed(attempt: impl FnMut() -> Option<()>) {
    sched_setaffinity(Pid::from_raw(0), &only(0)).expect("CPU 0 exists");
    given("a stint that nothing interrupts", attempt);
    sched_setaffinity(Pid::from_raw(0), &only_all()).expect("all CPUs exist");
}

fn nap(time: Duration) -> u64 {
    std::thread::sleep(time);
    0
}

fn only_all() -> CpuSet {
    let mut set = CpuSet::new();
    for cpu in 0..CpuSet::count() {
        set.set(cpu).expect("a possible CPU");
    }
    set
}
