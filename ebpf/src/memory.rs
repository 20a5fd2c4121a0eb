//! Memory: page faults taken in user mode.

use aya_ebpf::{
    helpers::generated::bpf_get_current_task_btf,
    macros::{btf_tracepoint, map},
    maps::PerCpuArray,
    programs::BtfTracePointContext,
};
use ebpf_common::{CountCell, index};

use crate::{container, event::sampled};

#[map]
static FAULTS: PerCpuArray<CountCell> = PerCpuArray::with_max_entries(1, 0);

/// Fires for every fault that interrupted user code, on x86 and (from 6.18) riscv.
#[btf_tracepoint(function = "page_fault_user")]
pub fn page_fault_user(_: BtfTracePointContext) -> i32 {
    // SAFETY: the helper has no preconditions, and the verifier types its result. A fault is taken
    // by the task that caused it, so the current task is the right one.
    let container = unsafe { container::of_task(bpf_get_current_task_btf().cast()) };
    let Some(at) = container else { return 0 };
    let Some(config) = container::config(at) else {
        return 0;
    };
    if !sampled(config.thresholds[index::USER_PAGE_FAULTS]) {
        return 0;
    }
    if let Some(cell) = FAULTS.get_ptr_mut(at.slot) {
        // SAFETY: a cell of this CPU, which this program alone writes.
        unsafe { (*cell).count += 1 };
    }
    0
}
