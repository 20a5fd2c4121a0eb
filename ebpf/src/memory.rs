//! Memory: page faults, and flushes of the translation look-aside buffer.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_common::{counter, index};

use crate::{count, event::recorded, faults, read::layout, sched, stint};

/// Fires for every fault that interrupted user code, on x86 and (from 6.18) riscv. A fault is taken by
/// the task that caused it. Attached where faults cannot be counted at task switches.
#[btf_tracepoint(function = "page_fault_user")]
pub fn page_fault_user(_: BtfTracePointContext) -> i32 {
    let Some(by) = stint::current() else {
        return 0;
    };
    let number = recorded(by.config.thresholds[index::USER_PAGE_FAULTS], 1);
    if number != 0
        && let Some(cell) = sched::cell(by.slot)
    {
        // SAFETY: a cell of this CPU, at a place that no other program writes while this one is attached.
        unsafe { (*cell).user_faults += number };
    }
    0
}

/// The same for faults that interrupted the kernel, for example while it copied to user memory.
#[btf_tracepoint(function = "page_fault_kernel")]
pub fn page_fault_kernel(_: BtfTracePointContext) -> i32 {
    faults::leave_one_out();
    count::current(index::KERNEL_PAGE_FAULTS, counter::KERNEL_PAGE_FAULTS);
    0
}

/// `tlb_flush(reason, pages)`: fires on x86. Counted are the reasons that name a cause: what the task
/// itself did on this CPU, and what it made other CPUs do. On those the same flush fires again, while
/// whoever happens to run is its victim; and a flush at a task switch is no one's doing.
#[btf_tracepoint(function = "tlb_flush")]
pub fn tlb_flush(ctx: BtfTracePointContext) -> i32 {
    let reason = ctx.arg::<u64>(0) & 63;
    if (layout!(tlb_reasons) >> reason) & 1 != 0 {
        count::current(index::TLB_FLUSHES, counter::TLB_FLUSHES);
    }
    0
}
