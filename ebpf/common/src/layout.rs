//! Where the running kernel keeps the fields that the programs read.

/// Offsets in bytes, from the running kernel's BTF. rustc emits no CO-RE relocations, so the agent
/// writes this into the object's read-only data before it is loaded; the verifier then knows every
/// number and removes the branches that are not taken.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// `task_struct.pid`: the thread's id.
    pub task_pid: u64,
    /// `task_struct.cgroups`: pointer to `css_set`.
    pub task_cgroups: u64,
    /// `task_struct.sched_info.run_delay`: ns runnable and not running since the thread began.
    pub task_run_delay: u64,
    /// `task_struct.se.sum_exec_runtime`: ns on CPU since the thread began.
    pub task_exec_runtime: u64,
    /// `task_struct.min_flt`: page faults without a device since the thread began, in either mode.
    pub task_minor_faults: u64,
    /// `task_struct.maj_flt`: those that had to wait for a device.
    pub task_major_faults: u64,
    /// 1 when user page faults are counted at task switches, from the two above.
    pub count_faults: u64,
    /// `task_struct.__state`, where `sched_switch` does not pass it (before 5.18).
    pub task_state: u64,
    /// 1 when `sched_switch` passes the state of the task that leaves, as its last argument.
    pub switch_passes_state: u64,
    /// 1 when containers are cgroups of a version 1 controller, 0 when of the version 2 tree.
    pub version_1: u64,
    /// `css_set.dfl_cgrp`, or with version 1 `css_set.subsys[controller]`.
    pub css_set_group: u64,
    /// `cgroup_subsys_state.cgroup`; version 1 only.
    pub css_cgroup: u64,
    /// `cgroup.kn`.
    pub cgroup_kn: u64,
    /// `kernfs_node.id`: the inode number of the cgroup's directory.
    pub kn_id: u64,
    /// `sock.__sk_common.skc_family`.
    pub sock_family: u64,
    /// `sock.__sk_common.skc_state`.
    pub sock_state: u64,
    /// `sock.sk_protocol`.
    pub sock_protocol: u64,
    /// `sock.sk_cgrp_data.cgroup`: the version 2 cgroup that made the socket.
    pub sock_cgroup: u64,
    /// `sk_buff.sk`.
    pub skb_sock: u64,
    /// `sk_buff.cb` and in it `tcp_skb_cb.tcp_gso_segs`; 0 where unknown: then a packet counts as one
    /// segment.
    pub skb_segments: u64,
    /// 1 when `tcp_retransmit_skb` passes the outcome (6.18); before, it fired on success only.
    pub retransmit_passes_error: u64,
    /// 1 when `kfree_skb` passes the reason (5.17).
    pub drop_passes_reason: u64,
    /// 1 when `kfree_skb` passes the receiving socket (6.11).
    pub drop_passes_socket: u64,
    /// Bit r is set when reason r below 64 is no drop.
    pub not_drops_low: u64,
    /// Bit r - 64 is set when reason r from 64 is no drop.
    pub not_drops_high: u64,
    /// 1 when packets that leave are counted, because sends are not.
    pub count_sent_packets: u64,
    /// 1 when packets that arrive are counted, because receives are not.
    pub count_received_packets: u64,
    /// Bit r is set when flushes for reason r are counted.
    pub tlb_reasons: u64,
    /// log2 of the size of a page.
    pub page_shift: u64,
    /// `address_space.host`.
    pub mapping_host: u64,
    /// `inode.i_size`.
    pub inode_size: u64,
    /// `inode.i_mode`.
    pub inode_mode: u64,
    /// `folio.mapping`.
    pub folio_mapping: u64,
    /// `folio.flags`.
    pub folio_flags: u64,
    /// The flag of folios that are larger than a page.
    pub folio_large: u64,
    /// `folio._flags_1`, whose lowest byte is the order of a large folio.
    pub folio_order: u64,
    /// `request.bio`.
    pub request_bio: u64,
    /// `request.__data_len`.
    pub request_length: u64,
    /// `request.cmd_flags`.
    pub request_flags: u64,
    /// `bio.bi_blkg`.
    pub bio_group: u64,
    /// `blkcg_gq.blkcg`.
    pub group_blkcg: u64,
    /// `blkcg.css.cgroup`.
    pub blkcg_cgroup: u64,
    /// 1 when block devices know containers by ids of another tree than the one that names them.
    pub disk_ids_apart: u64,
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C) of u64 alone, no padding, every bit pattern is valid.
    unsafe impl aya::Pod for super::Layout {}
}
