//! Memory: page faults, and flushes of the translation look-aside buffer.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_common::{counter, index};

use crate::{count, read::layout};

/// Fires for every fault that interrupted user code, on x86 and (from 6.18) riscv. A fault is taken by
/// the task that caused it.
#[btf_tracepoint(function = "page_fault_user")]
pub fn page_fault_user(_: BtfTracePointContext) -> i32 {
    count::current(index::USER_PAGE_FAULTS, counter::USER_PAGE_FAULTS);
    0
}

/// The same for faults that interrupted the kernel, for example while it copied to user memory.
#[btf_tracepoint(function = "page_fault_kernel")]
pub fn page_fault_kernel(_: BtfTracePointContext) -> i32 {
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
