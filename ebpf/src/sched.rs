//! Scheduling: waits for a CPU, and time on it, from one hook.
//!
//! The kernel already keeps, per task, the total time on CPU (`se.sum_exec_runtime`) and the total
//! time runnable but not running (`sched_info.run_delay`). So there is no clock to read, no hook on
//! wake-ups and no map of tasks: [`Stint`] remembers both totals of the task that is switched in, and
//! when the same task is switched out, the differences are the stint's time and the wait before it.
//!
//! What a thread's page faults grew by meanwhile is counted on the way; see [`faults`].
//!
//! Two things need care:
//! - **Waits in parts.** A task that is moved to another run queue while it waits gets the first part
//!   booked before it is switched in. [`LEDGER`] therefore keeps what had been booked when the task
//!   last left a CPU. It is a cache, one entry for many process ids, and only trusted when the tag
//!   matches and the number is possible; without it the part after the move is counted.
//! - **Long stints.** [`flush_running`] is run by the agent on every CPU before it reads, and counts
//!   what the running task has done so far.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::generated::bpf_get_current_task_btf,
    macros::{btf_tracepoint, map, raw_tracepoint},
    maps::{Array, PerCpuArray},
    programs::{BtfTracePointContext, RawTracePointContext},
};
use ebpf_common::{LEDGER_ENTRIES, NEVER, SchedCell, Stint, index};

use crate::{
    container,
    event::{record, sampled},
    faults,
    read::{field, layout},
    stint,
};

/// How a stint goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The task leaves the CPU; 1 where it wants to, else 0.
    Switch { voluntary: u64 },
    /// It does not end.
    Flush,
}

#[map]
static SCHED: PerCpuArray<SchedCell> = PerCpuArray::with_max_entries(1, 0);

/// By the low bits of the process id: tag, valid bit, and 55 bits of `run_delay`. One aligned store,
/// so that two CPUs with colliding ids replace each other's entry and never mix them.
#[map]
static LEDGER: Array<u64> = Array::with_max_entries(LEDGER_ENTRIES, BPF_F_MMAPABLE);

/// A container's, on this CPU.
#[inline(always)]
pub(crate) fn cell(slot: u32) -> Option<*mut SchedCell> {
    SCHED.get_ptr_mut(slot)
}

const DELAY_MASK: u64 = (1 << 55) - 1;
const VALID: u64 = 1 << 55;

/// `sched_switch(preempt, prev, next[, prev_state])`; the state since 5.18.
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    let (preempt, prev, next): (u64, *const u8, *const u8) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
    let blocked = if layout!(switch_passes_state) != 0 {
        ctx.arg::<u64>(3) as u32 != 0
    } else {
        // SAFETY: an argument that the verifier types.
        unsafe { field::<u32>(prev, layout!(task_state)) != 0 }
    };
    switch(preempt, prev, next, blocked)
}

/// `sched_switch(preempt, prev_state, prev, next)`, as 5.18 had it.
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch_5_18(ctx: BtfTracePointContext) -> i32 {
    switch(
        ctx.arg(0),
        ctx.arg(2),
        ctx.arg(3),
        ctx.arg::<u64>(1) as u32 != 0,
    )
}

/// Does nothing, for `loadtest bench probes`: what the kernel's statistics report for it is their own
/// cost.
#[btf_tracepoint(function = "sched_switch")]
pub fn nothing(_: BtfTracePointContext) -> i32 {
    0
}

/// Counts the task that runs on this CPU; started by the agent, attached to nothing.
#[raw_tracepoint]
pub fn flush_running(_: RawTracePointContext) -> i32 {
    let Some(stint) = stint::here() else {
        return 0;
    };
    // SAFETY: as in `switch`; interrupts are off here as there, so neither sees the other half-way.
    unsafe {
        let stint = &mut *stint;
        let task: *const u8 = bpf_get_current_task_btf().cast();
        let pid: u32 = field(task, layout!(task_pid));
        if pid == 0 {
            return 0;
        }
        if stint.task == task as u64 {
            count(stint, task, End::Flush);
        }
        if stint.task != task as u64 {
            // It was switched in before its container was measured.
            begin(stint, task, pid);
            stint.wait_counted = 1;
        } else if let Some(at) = container::of_task(task) {
            // It may have been moved to another one.
            stint.at = at;
        } else {
            stint.task = 0;
        }
    }
    0
}

#[inline(always)]
fn switch(preempt: u64, prev: *const u8, next: *const u8, blocked: bool) -> i32 {
    let Some(stint) = stint::here() else {
        return 0;
    };
    // SAFETY: this CPU's stint, with interrupts off; the verifier types both tasks.
    unsafe {
        let stint = &mut *stint;
        if stint.task == prev as u64 {
            // A task that is pre-empted on its way to sleep comes back to finish it.
            let voluntary = u64::from(blocked && preempt as u8 == 0);
            count(stint, prev, End::Switch { voluntary });
        }
        let pid: u32 = field(next, layout!(task_pid));
        if pid == 0 {
            // The idle task: all CPUs have one with this id.
            stint.task = 0;
        } else {
            begin(stint, next, pid);
        }
    }
    0
}

/// Counts what `task`, whose stint this is, has done since it was last counted. A stint that is not
/// measured (any more) is dropped: when measuring begins again, its past must not count.
///
/// # Safety
///
/// `task` must be a `task_struct` that the verifier knows as such.
#[inline(always)]
unsafe fn count(stint: &mut Stint, task: *const u8, end: End) {
    let Some(config) = container::config(stint.at) else {
        stint.task = 0;
        return;
    };
    let of = |metric: usize| config.thresholds[metric];
    let waits = of(index::RUNQ_LATENCY);
    let scheduling = waits != NEVER || of(index::ON_CPU_TIME) != NEVER;
    if !scheduling && of(index::USER_PAGE_FAULTS) == NEVER {
        stint.task = 0;
        return;
    }
    let Some(cell) = cell(stint.at.slot) else {
        return;
    };
    // SAFETY: a cell of this CPU, written with interrupts off.
    let cell = unsafe { &mut *cell };

    // SAFETY: upheld by the caller.
    let (exec_runtime, run_delay, faults): (u64, u64, u64) = unsafe {
        (
            field(task, layout!(task_exec_runtime)),
            field(task, layout!(task_run_delay)),
            faults::so_far(task),
        )
    };
    faults::count(stint, config, faults, cell);
    if scheduling {
        cell.on_cpu_ns += exec_runtime.wrapping_sub(stint.exec_runtime);
        if let End::Switch { voluntary } = end {
            // No branches: the compiler would write what follows once for each.
            cell.voluntary += voluntary;
            cell.involuntary += 1 - voluntary;
        }
        if stint.wait_counted == 0 {
            let wait = run_delay.wrapping_sub(stint.run_delay);
            cell.wait_ns += wait;
            if sampled(waits) {
                record(&mut cell.waits, wait);
            }
        }
    }
    if end == End::Flush {
        stint.exec_runtime = exec_runtime;
        stint.wait_counted = 1;
    } else if let Some(entry) = LEDGER.get_ptr_mut(stint.pid % LEDGER_ENTRIES) {
        // SAFETY: an aligned store into the map.
        unsafe { core::ptr::write_volatile(entry, tag(stint.pid) | (run_delay & DELAY_MASK)) };
    }
}

/// Notes that `task` is now on this CPU.
///
/// # Safety
///
/// As for [`count`].
#[inline(always)]
unsafe fn begin(stint: &mut Stint, task: *const u8, pid: u32) {
    // SAFETY: upheld by the caller.
    let Some(at) = (unsafe { container::of_task(task) }) else {
        stint.task = 0;
        return;
    };
    // SAFETY: upheld by the caller.
    let (exec_runtime, run_delay, faults): (u64, u64, u64) = unsafe {
        (
            field(task, layout!(task_exec_runtime)),
            field(task, layout!(task_run_delay)),
            faults::so_far(task),
        )
    };
    stint.at = at;
    stint.exec_runtime = exec_runtime;
    stint.faults = faults;
    stint.run_delay = booked(pid, run_delay);
    stint.task = task as u64;
    stint.pid = pid;
    stint.wait_counted = 0;
}

/// `run_delay` of this task when it last left a CPU, as far as is known; at most `now`.
#[inline(always)]
fn booked(pid: u32, now: u64) -> u64 {
    let Some(entry) = LEDGER.get_ptr(pid % LEDGER_ENTRIES) else {
        return now;
    };
    // SAFETY: an aligned load from the map.
    let entry = unsafe { core::ptr::read_volatile(entry) };
    let then = entry & DELAY_MASK;
    // A larger number is that of an earlier owner of this process id.
    if entry & !DELAY_MASK == tag(pid) && then <= now {
        then
    } else {
        now
    }
}

/// The bits of an entry that tell whose it is.
#[inline(always)]
fn tag(pid: u32) -> u64 {
    VALID | (u64::from(pid / LEDGER_ENTRIES) << 56)
}
