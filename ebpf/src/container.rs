//! Which container an event belongs to, and what is measured of it.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap},
};
use ebpf_common::{ContainerConfig, SlotRef};

use crate::read::{field, layout};

/// Cgroup id to slot, for the measured containers and every cgroup inside them. Preallocated: that
/// saves 80 ns per look-up, and allocating was unsafe under run-queue locks before 6.1. Sizes are
/// set by the agent.
#[map]
static CGROUPS: HashMap<u64, SlotRef> = HashMap::with_max_entries(1, 0);

#[map]
static CONFIG: Array<ContainerConfig> = Array::with_max_entries(1, 0);

/// The slot of the container that `task` is part of, if it is measured.
///
/// # Safety
///
/// `task` must be a `task_struct` that the verifier knows as such.
#[inline(always)]
pub(crate) unsafe fn of_task(task: *const u8) -> Option<SlotRef> {
    // SAFETY: pointers read through typed pointers at the offsets of this kernel.
    let id: u64 = unsafe {
        let css_set: *const u8 = field(task, layout!(task_cgroups));
        let mut cgroup: *const u8 = field(css_set, layout!(css_set_group));
        if layout!(version_1) != 0 {
            cgroup = field(cgroup, layout!(css_cgroup));
        }
        let node: *const u8 = field(cgroup, layout!(cgroup_kn));
        field(node, layout!(kn_id))
    };
    of_cgroup(id)
}

/// The slot of the container that the cgroup `id` is part of, if it is measured.
#[inline(always)]
pub(crate) fn of_cgroup(id: u64) -> Option<SlotRef> {
    // SAFETY: the value is eight aligned bytes, read at once. When the agent removes this cgroup at
    // this very moment, the element may hold another one's slot: one event goes astray.
    CGROUPS
        .get_ptr(&id)
        .map(|slot| unsafe { core::ptr::read_volatile(slot) })
}

/// The configuration of a slot, unless the slot has a new tenant by now.
#[inline(always)]
pub(crate) fn config(at: SlotRef) -> Option<&'static ContainerConfig> {
    CONFIG
        .get(at.slot)
        .filter(|config| config.generation == at.generation)
}
