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
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C) of u64 alone, no padding, every bit pattern is valid.
    unsafe impl aya::Pod for super::Layout {}
}
