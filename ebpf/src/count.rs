//! Counting events that have no value.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use ebpf_common::{CountsCell, SlotRef};

use crate::{container, event::recorded, stint};

#[map]
static COUNTS: PerCpuArray<CountsCell> = PerCpuArray::with_max_entries(1, 0);

/// Counts an event of the task that runs now. Only for what a task brings upon itself.
#[inline(always)]
pub(crate) fn current(metric: usize, counter: usize) {
    if let Some(by) = stint::current() {
        add(by.slot, counter, recorded(by.config.thresholds[metric], 1));
    }
}

/// Counts `number` events of a container.
#[inline(always)]
pub(crate) fn events(at: SlotRef, metric: usize, counter: usize, number: u64) {
    let number = recorded(container::threshold(at, metric), number);
    add(at.slot, counter, number);
}

#[inline(always)]
fn add(slot: u32, counter: usize, number: u64) {
    if number == 0 {
        return;
    }
    if let Some(cell) = COUNTS.get_ptr_mut(slot) {
        // SAFETY: a cell of this CPU, at a place that the calling program alone writes; the kernel does
        // not run a program inside of itself.
        unsafe { (*cell).events[counter] += number };
    }
}
