//! Counting events that have no value.

use aya_ebpf::{helpers::generated::bpf_get_current_task_btf, macros::map, maps::PerCpuArray};
use ebpf_common::{CountsCell, SlotRef};

use crate::{container, event::recorded};

#[map]
static COUNTS: PerCpuArray<CountsCell> = PerCpuArray::with_max_entries(1, 0);

/// Counts an event of the task that runs now. Only for what a task brings upon itself.
#[inline(always)]
pub(crate) fn current(metric: usize, counter: usize) {
    // SAFETY: the helper has no preconditions, and the verifier types its result.
    let container = unsafe { container::of_task(bpf_get_current_task_btf().cast()) };
    if let Some(at) = container {
        events(at, metric, counter, 1);
    }
}

/// Counts `number` events of a container.
#[inline(always)]
pub(crate) fn events(at: SlotRef, metric: usize, counter: usize, number: u64) {
    let number = recorded(container::threshold(at, metric), number);
    if number == 0 {
        return;
    }
    if let Some(cell) = COUNTS.get_ptr_mut(at.slot) {
        // SAFETY: a cell of this CPU, at a place that the calling program alone writes; the kernel does
        // not run a program inside of itself.
        unsafe { (*cell).events[counter] += number };
    }
}
