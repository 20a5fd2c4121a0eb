//! Which container an event belongs to, and what is measured of it.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap},
};
use ebpf_common::{ContainerConfig, NEVER, SlotRef};

use crate::read::{field, layout};

/// Cgroup id to slot, for the measured containers and every cgroup inside them. Preallocated: that
/// saves 80 ns per look-up, and allocating was unsafe under run-queue locks before 6.1. Sizes are
/// set by the agent.
#[map]
static CGROUPS: HashMap<u64, SlotRef> = HashMap::with_max_entries(1, 0);

/// The same for requests to block devices, where those know containers by other ids.
#[map]
static DISK_IDS: HashMap<u64, SlotRef> = HashMap::with_max_entries(1, 0);

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
        id_of(cgroup)
    };
    of_cgroup(id)
}

/// The slot of the container that made the socket, if it is measured. A listener's connections are
/// its container's; a socket that a parent handed down is the parent's.
///
/// # Safety
///
/// `socket` must be a whole `sock` (no request, none that waits for its end) that the verifier knows as
/// such.
#[inline(always)]
pub(crate) unsafe fn of_socket(socket: *const u8) -> Option<SlotRef> {
    // SAFETY: upheld by the caller.
    of_cgroup(unsafe { id_of(field(socket, layout!(sock_cgroup))) })
}

/// The slot of the container that a block device's request was made for, if it is measured.
///
/// # Safety
///
/// `request` must be a `request` that the verifier knows as such.
#[inline(always)]
pub(crate) unsafe fn of_request(request: *const u8) -> Option<SlotRef> {
    // SAFETY: upheld by the caller. A request without data has no bio: its cgroup reads as null, and
    // the id of that as 0, which no cgroup has.
    let id = unsafe {
        let bio: *const u8 = field(request, layout!(request_bio));
        let group: *const u8 = field(bio, layout!(bio_group));
        let blkcg: *const u8 = field(group, layout!(group_blkcg));
        id_of(field(blkcg, layout!(blkcg_cgroup)))
    };
    if layout!(disk_ids_apart) == 0 {
        return of_cgroup(id);
    }
    // SAFETY: as in `of_cgroup`.
    DISK_IDS
        .get_ptr(&id)
        .map(|slot| unsafe { core::ptr::read_volatile(slot) })
}

/// The inode number of a cgroup's directory; 0 for null.
///
/// # Safety
///
/// `cgroup` must be a `cgroup` that the verifier knows as such; null is allowed, because a fault reads
/// as zero.
#[inline(always)]
unsafe fn id_of(cgroup: *const u8) -> u64 {
    // SAFETY: upheld by the caller.
    unsafe {
        let node: *const u8 = field(cgroup, layout!(cgroup_kn));
        field(node, layout!(kn_id))
    }
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

/// The threshold of one metric; 0, which records nothing, when the slot has a new tenant by now.
#[inline(always)]
pub(crate) fn threshold(at: SlotRef, metric: usize) -> u32 {
    config(at).map_or(NEVER, |config| config.thresholds[metric])
}
