//! Who is on this CPU, as the scheduler's program noted when it was switched in.

use aya_ebpf::{
    helpers::generated::bpf_get_current_task_btf,
    macros::map,
    maps::PerCpuArray,
};
use ebpf_common::{ContainerConfig, SlotRef, Stint};

use crate::container;

#[map]
static STINT: PerCpuArray<Stint> = PerCpuArray::with_max_entries(1, 0);

/// This CPU's; the agent clears it when the scheduler's program is detached.
#[inline(always)]
pub(crate) fn here() -> Option<*mut Stint> {
    STINT.get_ptr_mut(0)
}

/// A container whose task runs now.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    pub(crate) slot: u32,
    pub(crate) config: &'static ContainerConfig,
}

/// The container that the current task is part of, if it is measured. Only for what a task brings upon
/// itself.
///
/// While scheduling is measured, too, the stint at hand has the answer in one place that was touched
/// lately; the way from the task over its cgroups goes through six that were not. A task that is moved to
/// another container is the old one's until it leaves the CPU.
#[inline(always)]
pub(crate) fn current() -> Option<Current> {
    // SAFETY: the helper has no preconditions, and the verifier types its result.
    let task: *const u8 = unsafe { bpf_get_current_task_btf().cast() };
    if let Some(stint) = here() {
        // SAFETY: this CPU's; who is switched in meanwhile comes back with it as it was.
        let stint = unsafe { *stint };
        if stint.task == task as u64
            && let Some(current) = tenant(stint.at)
        {
            return Some(current);
        }
        // Not measured, or not when it was switched in: its slot may have a new tenant since.
    }
    // SAFETY: as the verifier typed it.
    unsafe { container::of_task(task) }.and_then(tenant)
}

#[inline(always)]
fn tenant(at: SlotRef) -> Option<Current> {
    let config = container::config(at)?;
    Some(Current {
        slot: at.slot,
        config,
    })
}
