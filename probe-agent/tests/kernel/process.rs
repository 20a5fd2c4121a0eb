//! A child process that waits in a cgroup, does one thing when told, and waits again, so that its
//! numbers can be read while it still exists.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{SIGKILL, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use probe_agent::kernel::Reading;

use crate::cgroups::Cgroup;
use crate::eventually;

/// A forked child; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    go: PipeWriter,
    results: PipeReader,
}

/// How often a process left a CPU, as `/proc/PID/status` counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    pub(crate) voluntary: u64,
    pub(crate) involuntary: u64,
}

/// What `/proc/PID/schedstat` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SchedStat {
    pub(crate) on_cpu_ns: u64,
    pub(crate) wait_ns: u64,
    pub(crate) stints: u64,
}

impl Process {
    /// Forks a child into `cgroups` that runs `work` once [`Process::start`] is called.
    ///
    /// `work` runs in the fork of a process with threads: it must not take locks or panic.
    pub(crate) fn spawn(cgroups: &[&Cgroup], work: impl FnOnce() -> u64) -> Self {
        let (mut wait_go, go) = pipe().expect("a pipe");
        let (results, mut give_result) = pipe().expect("a pipe");
        // SAFETY: the child does not return; it reads, runs `work`, writes and exits.
        let pid = match unsafe { fork() }.expect("the process can fork") {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                // SAFETY: plain system calls.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                drop((go, results));
                let mut byte = [0];
                let started = wait_go.read_exact(&mut byte);
                if started.is_ok() {
                    let result = work();
                    let _parent_gone = give_result.write_all(&result.to_ne_bytes());
                    let _end_of_file = wait_go.read_exact(&mut byte);
                }
                // SAFETY: ends the child without running the parent's destructors.
                unsafe { libc::_exit(0) }
            }
        };
        let child = Self { pid, go, results };
        for cgroup in cgroups {
            cgroup.enter(pid);
        }
        child.wait_until_blocked();
        child
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn start(&mut self) {
        self.go.write_all(&[1]).expect("the child reads");
    }

    /// What `work` returned; the child is blocked again, off every CPU.
    pub(crate) fn result(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.results
            .read_exact(&mut bytes)
            .expect("the child answers");
        self.wait_until_blocked();
        u64::from_ne_bytes(bytes)
    }

    pub(crate) fn run(&mut self) -> u64 {
        self.start();
        self.result()
    }

    pub(crate) fn schedstat(&self) -> SchedStat {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.pid)).expect("alive");
        let mut numbers = text
            .split_whitespace()
            .map(|word| word.parse().expect("a number"));
        let mut next = || numbers.next().expect("three numbers");
        SchedStat {
            on_cpu_ns: next(),
            wait_ns: next(),
            stints: next(),
        }
    }

    pub(crate) fn switches(&self) -> Switches {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("alive");
        let number = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
                .expect("counted")
        };
        Switches {
            voluntary: number("voluntary_ctxt_switches:"),
            involuntary: number("nonvoluntary_ctxt_switches:"),
        }
    }

    /// Whether each time that it has left a CPU since `before` is among those that were counted of its container,
    /// whose only process it is. Not every kernel reports all: of one, switches from threads of the machine's
    /// supervisor were in no trace at all, and so neither were the stints that began with them.
    pub(crate) fn all_seen(&self, before: Switches, counted: &Reading) -> bool {
        let counted = counted.scheduling.expect("scheduling is measured");
        let now = self.switches();
        let since = now.voluntary + now.involuntary - before.voluntary - before.involuntary;
        since == counted.voluntary_switches + counted.involuntary_switches
    }

    /// Waits until the child sleeps: then everything it did has been accounted for.
    fn wait_until_blocked(&self) {
        eventually("the child sleeps", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("alive");
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with('S'))
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = kill(self.pid, SIGKILL);
        let _reaped = waitpid(self.pid, None);
    }
}

impl std::ops::Add for SchedStat {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            on_cpu_ns: self.on_cpu_ns + other.on_cpu_ns,
            wait_ns: self.wait_ns + other.wait_ns,
            stints: self.stints + other.stints,
        }
    }
}

impl std::ops::Sub for SchedStat {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            on_cpu_ns: self.on_cpu_ns - other.on_cpu_ns,
            wait_ns: self.wait_ns - other.wait_ns,
            stints: self.stints - other.stints,
        }
    }
}

/// The sum over `processes`.
pub(crate) fn schedstat(processes: &[Process]) -> SchedStat {
    processes.iter().fold(SchedStat::default(), |sum, process| {
        sum + process.schedstat()
    })
}

/// The sum over `processes`.
pub(crate) fn switches(processes: &[Process]) -> Switches {
    processes
        .iter()
        .map(Process::switches)
        .fold(Switches::default(), |sum, one| Switches {
            voluntary: sum.voluntary + one.voluntary,
            involuntary: sum.involuntary + one.involuntary,
        })
}

/// Burns CPU for a time on the clock, without system calls.
pub(crate) fn spin(milliseconds: u64) -> u64 {
    let start = std::time::Instant::now();
    let mut rounds = 0;
    while start.elapsed().as_millis() < u128::from(milliseconds) {
        rounds += 1;
    }
    rounds
}

/// Burns so much time on a CPU, however long it has to wait for that.
pub(crate) fn burn(milliseconds: u64) -> u64 {
    let mut rounds = 0;
    // SAFETY: all-zero is a valid time, and the pointer to it is valid.
    let on_cpu_ms = || unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
        time.tv_sec as u64 * 1_000 + time.tv_nsec as u64 / 1_000_000
    };
    let start = on_cpu_ms();
    while on_cpu_ms() - start < milliseconds {
        rounds += 1;
    }
    rounds
}

pub(crate) fn only(cpu: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu).expect("a possible CPU");
    set
}

/// In a child only: pins it and lets nothing of ordinary priority pre-empt it.
pub(crate) fn go_real_time(cpu: usize) {
    let parameters = libc::sched_param { sched_priority: 1 };
    let _reported_by_the_test = sched_setaffinity(Pid::from_raw(0), &only(cpu));
    // SAFETY: valid pointer to a parameter block.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
}
