//! What the kernel's types say about measuring: offsets, signatures, and which hooks can work at all.

mod offsets;

use ebpf_common::Layout;

use super::btf::Types;
use super::hook::Hook;
use super::ways::Verdicts;
use super::{Feature, Features, KernelError, Metric, Options};
use crate::hierarchy::Tree;
pub use offsets::offsets_in;
use offsets::{OWNERLESS, Offsets};

/// What was found, before anything is loaded.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) layout: Layout,
    pub(super) variants: Variants,
    pub(super) verdicts: Verdicts,
    /// Why a metric is less than documented, though all its hooks work.
    pub(super) remarks: Vec<(Metric, String)>,
}

/// Hooks whose arguments have come in several orders, each of which needs a program of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Variants {
    /// `sched_switch(preempt, prev_state, prev, next)`: 5.18 alone.
    pub(super) switch_state_second: bool,
    /// `block_rq_issue(q, rq)` and `block_rq_requeue(q, rq)`: before 5.11.
    pub(super) request_second: bool,
}

/// Reads everything, for containers that are cgroups of the options' tree.
pub(super) fn read(types: &Types, options: &Options) -> Result<Findings, KernelError> {
    let features = &options.features;
    let found = Offsets::read(types, options.tree, features)?;
    let layout = Layout {
        page_shift: u64::from(procfs::page_size().trailing_zeros()),
        disk_ids_apart: u64::from(disk_ids_apart(options.tree)),
        ..found.layout
    };

    let verdict = |hook: Hook| -> Result<(), String> {
        let needed = match hook {
            Hook::SchedSwitch => &found.scheduler,
            Hook::PageFaultUser | Hook::PageFaultKernel => &Ok(()),
            Hook::TlbFlush => &found.flushes,
            Hook::FilemapGetPages
            | Hook::FilemapFault
            | Hook::FilemapMapPages
            | Hook::FilemapAdd
            | Hook::DirtyFolio => &found.files,
            Hook::BlockIssue | Hook::BlockRequeue | Hook::BlockComplete => &found.disks,
            Hook::SockSendLength | Hook::SockRecvLength => &found.sockets,
            Hook::TcpRetransmit | Hook::TcpSynack | Hook::FreePacket => &found.owners,
            Hook::CgroupEgress | Hook::CgroupIngress => return packets(options),
        };
        exists(types, features, hook)?;
        needed.clone()
    };
    Ok(Findings {
        verdicts: Hook::ALL
            .into_iter()
            .map(|hook| (hook, verdict(hook)))
            .collect(),
        layout,
        variants: found.variants,
        remarks: found.remarks,
    })
}

/// Whether block devices know a container by another id than the rest of the kernel: their controller
/// may be mounted as a version 1 tree, which `/proc/cgroups` tells. Later kernels list version 1
/// controllers alone; what is not listed is in the version 2 tree.
fn disk_ids_apart(tree: Tree) -> bool {
    let version_1 = procfs::cgroups().is_ok_and(|listed| {
        listed
            .0
            .iter()
            .any(|controller| controller.name == "blkio" && controller.hierarchy != 0)
    });
    version_1 || tree != Tree::V2
}

fn exists(types: &Types, features: &Features, hook: Hook) -> Result<(), String> {
    if !hook.fires_here() {
        return Err(format!(
            "kernels for {} do not fire it",
            std::env::consts::ARCH
        ));
    }
    let payload = matches!(hook, Hook::SockSendLength | Hook::SockRecvLength);
    let allowed =
        features.has_tracepoint(hook.name()) && (!payload || features.has(Feature::PayloadLength));
    match (allowed, types.has_tracepoint(hook.name()), hook.since()) {
        (true, true, _) => Ok(()),
        (false, ..) => Err("switched off".to_owned()),
        (true, false, Some(since)) => Err(format!(
            "this kernel has no such tracepoint (since {since})"
        )),
        (true, false, None) => Err("this kernel has no such tracepoint".to_owned()),
    }
}

fn packets(options: &Options) -> Result<(), String> {
    if options.tree != Tree::V2 {
        return Err(OWNERLESS.to_owned());
    }
    match &options.v2_mount {
        Some(_) => Ok(()),
        None => Err("no version 2 cgroup tree is mounted".to_owned()),
    }
}
