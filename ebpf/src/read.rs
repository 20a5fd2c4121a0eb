//! Reading the kernel's structs at offsets that are known only when the program is loaded.

use ebpf_common::Layout;

/// Overwritten by the agent before the object is loaded.
#[unsafe(no_mangle)]
pub(crate) static LAYOUT: Layout = Layout {
    task_pid: 0,
    task_cgroups: 0,
    task_run_delay: 0,
    task_exec_runtime: 0,
    task_minor_faults: 0,
    task_major_faults: 0,
    count_faults: 0,
    task_state: 0,
    switch_passes_state: 0,
    version_1: 0,
    css_set_group: 0,
    css_cgroup: 0,
    cgroup_kn: 0,
    kn_id: 0,
    sock_family: 0,
    sock_state: 0,
    sock_protocol: 0,
    sock_cgroup: 0,
    skb_sock: 0,
    skb_segments: 0,
    retransmit_passes_error: 0,
    drop_passes_reason: 0,
    drop_passes_socket: 0,
    not_drops_low: 0,
    not_drops_high: 0,
    count_sent_packets: 0,
    count_received_packets: 0,
    tlb_reasons: 0,
    page_shift: 0,
    mapping_host: 0,
    inode_size: 0,
    inode_mode: 0,
    folio_mapping: 0,
    folio_flags: 0,
    folio_large: 0,
    folio_order: 0,
    request_bio: 0,
    request_length: 0,
    request_flags: 0,
    bio_group: 0,
    group_blkcg: 0,
    blkcg_cgroup: 0,
    disk_ids_apart: 0,
};

/// Reads one field of [`LAYOUT`].
macro_rules! layout {
    ($field:ident) => {
        $crate::read::known_at_load(&$crate::read::LAYOUT.$field)
    };
}
pub(crate) use layout;

/// The value that the agent wrote; use [`layout!`].
#[inline(always)]
pub(crate) fn known_at_load(value: &'static u64) -> u64 {
    // SAFETY: a valid reference. Volatile, so that the compiler does not take the zeros above for
    // the truth.
    unsafe { core::ptr::read_volatile(value) }
}

/// The field at `offset` bytes into the kernel struct at `base`.
///
/// # Safety
///
/// `base` must be a pointer that the verifier knows to be of a kernel type (an argument of a BTF
/// tracepoint, or read through one), and `offset` come from [`LAYOUT`]. The verifier proves both, and
/// a fault reads as zero.
#[inline(always)]
pub(crate) unsafe fn field<T: Copy>(base: *const u8, offset: u64) -> T {
    // SAFETY: upheld by the caller. Volatile keeps the compiler from merging or widening reads,
    // which the verifier would not accept.
    unsafe { core::ptr::read_volatile(base.add(offset as usize).cast::<T>()) }
}
