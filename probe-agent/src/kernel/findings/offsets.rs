//! Where the kernel keeps what the programs read, and how it passes it.

use btf_rs::Type;
use ebpf_common::Layout;

use super::super::btf::Types;
use super::super::{Feature, Features, KernelError, Metric};
use super::Variants;
use crate::hierarchy::Tree;

/// What BTF says, and what it does not: each group of programs has its own needs.
pub(super) struct Offsets {
    pub(super) layout: Layout,
    pub(super) variants: Variants,
    pub(super) remarks: Vec<(Metric, String)>,
    pub(super) scheduler: Result<(), String>,
    pub(super) sockets: Result<(), String>,
    pub(super) owners: Result<(), String>,
    pub(super) files: Result<(), String>,
    pub(super) disks: Result<(), String>,
    pub(super) flushes: Result<(), String>,
}

impl Offsets {
    /// Reads everything, for containers that are cgroups of `tree`.
    ///
    /// # Errors
    /// When BTF does not describe what every program needs.
    pub(super) fn read(
        types: &Types,
        tree: Tree,
        features: &Features,
    ) -> Result<Self, KernelError> {
        let mut layout = containers(types, tree)?;
        let mut variants = Variants::default();
        let mut remarks = Vec::new();
        troubles(types, features, &mut layout, &mut remarks);
        Ok(Self {
            scheduler: scheduler(types, features, &mut layout, &mut variants),
            sockets: sockets(types, &mut layout),
            owners: owners(types, tree, &mut layout),
            files: files(types, &mut layout),
            disks: disks(types, &mut layout, &mut variants),
            flushes: flushes(types, &mut layout),
            layout,
            variants,
            remarks,
        })
    }
}

/// Everything that the agent asks of BTF, of any bytes: an error or offsets, within bounded time and
/// memory. For tests that throw bytes at it.
///
/// # Errors
/// When the bytes are no BTF, or do not describe what the core metrics need.
pub fn offsets_in(bytes: &[u8]) -> Result<[Layout; 2], KernelError> {
    let types = Types::from_bytes(bytes)?;
    let of_tree = |tree| {
        let found = Offsets::read(&types, tree, &Features::all())?;
        match found.scheduler.and(found.sockets) {
            Ok(()) => Ok(found.layout),
            Err(what) => Err(KernelError::Btf { what }),
        }
    };
    // Whatever becomes of the first, the others must come to an end too.
    let (v2, v1) = (of_tree(Tree::V2), of_tree(Tree::V1Cpu));
    let _ = types.has_tracepoint("sched_switch");
    Ok([v2?, v1?])
}

pub(super) const OWNERLESS: &str = "containers are in version 1 cgroups, which own no sockets";

/// Offsets that every program needs.
fn containers(types: &Types, tree: Tree) -> Result<Layout, KernelError> {
    let mut layout = Layout {
        task_pid: types.offset("task_struct", &["pid"])?,
        task_cgroups: types.offset("task_struct", &["cgroups"])?,
        cgroup_kn: types.offset("cgroup", &["kn"])?,
        kn_id: types.offset("kernfs_node", &["id"])?,
        ..Layout::default()
    };
    match tree {
        Tree::V2 => layout.css_set_group = types.offset("css_set", &["dfl_cgrp"])?,
        Tree::V1Cpu => {
            let controller = u64::from(types.enumerator("cgroup_subsys_id", "cpu_cgrp_id")?);
            layout.version_1 = 1;
            layout.css_set_group =
                types.offset("css_set", &["subsys"])? + controller * size_of::<u64>() as u64;
            layout.css_cgroup = types.offset("cgroup_subsys_state", &["cgroup"])?;
        }
    }
    Ok(layout)
}

fn scheduler(
    types: &Types,
    features: &Features,
    layout: &mut Layout,
    variants: &mut Variants,
) -> Result<(), String> {
    let without = |why: String| format!("{why}; it needs CONFIG_SCHED_INFO=y");
    layout.task_run_delay =
        known(types, "task_struct", &["sched_info", "run_delay"]).map_err(without)?;
    layout.task_exec_runtime = known(types, "task_struct", &["se", "sum_exec_runtime"])?;
    layout.task_minor_faults = known(types, "task_struct", &["min_flt"])?;
    layout.task_major_faults = known(types, "task_struct", &["maj_flt"])?;
    let arguments = types.arguments("sched_switch").unwrap_or_default();
    // The first is `preempt`.
    let is_task = |at: usize| matches!(arguments.get(at), Some(Type::Ptr(_)));
    match (is_task(1), is_task(2), is_task(3), arguments.len()) {
        (true, true, false, 4) if features.has(Feature::SwitchState) => {
            layout.switch_passes_state = 1;
        }
        (true, true, false, 3 | 4) => {
            // Renamed in 5.14.
            layout.task_state = known(types, "task_struct", &["__state"])
                .or_else(|_| known(types, "task_struct", &["state"]))?;
        }
        (false, true, true, 4) => variants.switch_state_second = true,
        _ => return Err("its arguments come in an unknown order".to_owned()),
    }
    Ok(())
}

fn sockets(types: &Types, layout: &mut Layout) -> Result<(), String> {
    layout.sock_family = known(types, "sock", &["__sk_common", "skc_family"])?;
    Ok(())
}

/// Whose sockets are.
fn owners(types: &Types, tree: Tree, layout: &mut Layout) -> Result<(), String> {
    if tree != Tree::V2 {
        return Err(OWNERLESS.to_owned());
    }
    layout.sock_state = known(types, "sock", &["__sk_common", "skc_state"])?;
    layout.sock_protocol = known(types, "sock", &["sk_protocol"])?;
    layout.skb_sock = known(types, "sk_buff", &["sk"])?;
    layout.sock_cgroup = known(types, "sock", &["sk_cgrp_data", "cgroup"])
        .map_err(|why| format!("{why}; sockets name their cgroup since 5.15"))?;
    Ok(())
}

fn files(types: &Types, layout: &mut Layout) -> Result<(), String> {
    layout.mapping_host = known(types, "address_space", &["host"])?;
    layout.inode_size = known(types, "inode", &["i_size"])?;
    layout.inode_mode = known(types, "inode", &["i_mode"])?;
    layout.folio_mapping = known(types, "folio", &["mapping"])?;
    layout.folio_flags = known(types, "folio", &["flags"])?;
    layout.folio_order = known(types, "folio", &["_flags_1"])?;
    layout.folio_large = bit(types, "pageflags", "PG_head")?;
    Ok(())
}

fn disks(types: &Types, layout: &mut Layout, variants: &mut Variants) -> Result<(), String> {
    layout.request_bio = known(types, "request", &["bio"])?;
    layout.request_length = known(types, "request", &["__data_len"])?;
    layout.request_flags = known(types, "request", &["cmd_flags"])?;
    layout.bio_group = known(types, "bio", &["bi_blkg"])
        .map_err(|why| format!("{why}; it needs CONFIG_BLK_CGROUP=y"))?;
    layout.group_blkcg = known(types, "blkcg_gq", &["blkcg"])?;
    layout.blkcg_cgroup = known(types, "blkcg", &["css", "cgroup"])?;
    variants.request_second = types
        .arguments("block_rq_issue")
        .is_some_and(|arguments| arguments.len() == 2);
    Ok(())
}

/// The reasons for flushes that name their cause: the others are a task switch, and CPUs on which the
/// flush of another one arrives.
fn flushes(types: &Types, layout: &mut Layout) -> Result<(), String> {
    for reason in [
        "TLB_LOCAL_SHOOTDOWN",
        "TLB_LOCAL_MM_SHOOTDOWN",
        "TLB_REMOTE_SEND_IPI",
    ] {
        layout.tlb_reasons |= bit(types, "tlb_flush_reason", reason)?;
    }
    Ok(())
}

/// What the tracepoints of TCP's troubles pass; they work with less, and then tell less.
fn troubles(
    types: &Types,
    features: &Features,
    layout: &mut Layout,
    remarks: &mut Vec<(Metric, String)>,
) {
    let passes = |tracepoint: &str, at: usize, feature: Feature| {
        let passed = types
            .arguments(tracepoint)
            .is_some_and(|arguments| arguments.len() > at);
        u64::from(passed && features.has(feature))
    };
    layout.retransmit_passes_error = passes("tcp_retransmit_skb", 2, Feature::RetransmitError);
    layout.drop_passes_reason = passes("kfree_skb", 2, Feature::DropReason);
    layout.drop_passes_socket = passes("kfree_skb", 3, Feature::DropSocket);

    let control = types.offset("sk_buff", &["cb"]);
    let segments = types.offset("tcp_skb_cb", &["tcp_gso_segs"]);
    match (control, segments) {
        (Ok(control), Ok(segments)) if features.has(Feature::SegmentCount) => {
            layout.skb_segments = control + segments;
        }
        _ => remarks.push((
            Metric::TcpRetransmits,
            "packets are counted, which may hold several segments".to_owned(),
        )),
    }
    if layout.drop_passes_reason == 0 {
        remarks.push((
            Metric::TcpDrops,
            "the kernel does not say why (since 5.17), so packets that a closing socket throws away \
             count too"
                .to_owned(),
        ));
    }
    if layout.drop_passes_socket == 0 {
        remarks.push((
            Metric::TcpDrops,
            "the kernel does not say for which socket (since 6.11), so arriving packets count only \
             if theirs had been found early"
                .to_owned(),
        ));
    }
    // Absent where the kernel is older than they are: then none of their numbers is passed.
    for no_drop in [
        "SKB_NOT_DROPPED_YET",
        "SKB_CONSUMED",
        "SKB_DROP_REASON_SOCKET_CLOSE",
        "SKB_DROP_REASON_QUEUE_PURGE",
    ] {
        match types.enumerator("skb_drop_reason", no_drop) {
            Ok(reason @ 0..64) => layout.not_drops_low |= 1 << reason,
            Ok(reason @ 64..128) => layout.not_drops_high |= 1 << (reason - 64),
            _ => {}
        }
    }
}

fn known(types: &Types, structure: &str, path: &[&str]) -> Result<u64, String> {
    types
        .offset(structure, path)
        .map_err(|error| error.to_string())
}

/// 1, shifted by an enumerator.
fn bit(types: &Types, enumeration: &str, name: &str) -> Result<u64, String> {
    match types.enumerator(enumeration, name) {
        Ok(value @ 0..64) => Ok(1 << value),
        Ok(value) => Err(format!(
            "enum {enumeration}: {name} is {value}, which is beyond 63"
        )),
        Err(error) => Err(error.to_string()),
    }
}
