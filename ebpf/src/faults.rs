//! Page faults in user mode, from the kernel's own numbers.
//!
//! The kernel adds up every thread's faults (`min_flt` and `maj_flt`, what `getrusage` tells) as it
//! handles them. So there need be no program at each fault, of which a busy container has thousands a
//! second: what a thread's numbers grew by while it was on a CPU is counted when it leaves. They hold the
//! faults of both modes; those in kernel mode are few, have a program, and are left out by it.
//!
//! A fault on memory that is not the task's, which ends in a signal, is in none of these numbers, and a
//! page that the kernel needs of a task without a fault (`get_user_pages`) is.

use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use ebpf_common::{ContainerConfig, SchedCell, Stint, index};

use crate::{
    event::recorded,
    read::{field, layout},
    stint,
};

/// The faults that `task` has had; 0 where they are not counted at task switches.
///
/// # Safety
///
/// `task` must be a `task_struct` that the verifier knows as such.
#[inline(always)]
pub(crate) unsafe fn so_far(task: *const u8) -> u64 {
    if layout!(count_faults) == 0 {
        return 0;
    }
    // SAFETY: upheld by the caller.
    unsafe {
        let minor: u64 = field(task, layout!(task_minor_faults));
        minor.wrapping_add(field(task, layout!(task_major_faults)))
    }
}

/// Counts what has come since the stint was last counted, up to `now`.
#[inline(always)]
pub(crate) fn count(stint: &mut Stint, config: &ContainerConfig, now: u64, cell: &mut SchedCell) {
    if layout!(count_faults) == 0 {
        return;
    }
    let since = now.wrapping_sub(stint.faults);
    // A fault in kernel mode that is under way has been left out, and is not in the number yet.
    if since as i64 > 0 {
        stint.faults = now;
        cell.user_faults += recorded(config.thresholds[index::USER_PAGE_FAULTS], since);
    }
}

/// The current task takes a fault in kernel mode.
#[inline(always)]
pub(crate) fn leave_one_out() {
    if layout!(count_faults) == 0 {
        return;
    }
    if let Some(stint) = stint::here() {
        // SAFETY: this CPU's; tasks are not switched while a program runs. The helper has no preconditions.
        unsafe {
            if (*stint).task == bpf_get_current_task_btf() as u64 {
                (*stint).faults += 1;
            }
        }
    }
}
