//! Finding out what this kernel can measure: first by its BTF, then by trying.

use std::collections::{BTreeMap, BTreeSet};

use super::btf::{SwitchArguments, Types};
use super::hook::Hook;
use super::object::{Object, Plan};
use super::{KernelError, Metric, Options, Support, SupportTable};
use crate::hierarchy::Tree;

/// Room for cgroups per container: its own, and what systemd or CRI-O nest below.
const CGROUPS_PER_CONTAINER: u32 = 8;

/// Architectures whose kernels fire `page_fault_user`. BTF lists it on others too.
const FIRES_PAGE_FAULT_USER: bool = cfg!(any(target_arch = "x86_64", target_arch = "riscv64"));

/// What was found out.
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) support: SupportTable,
    pub(super) available: BTreeSet<Hook>,
}

/// Why each hook does not work, if it does not.
type Verdicts = BTreeMap<Hook, Result<(), String>>;

/// Tries every hook once. Nothing stays loaded.
pub(super) fn probe(options: Options) -> Result<Outcome, KernelError> {
    raise_locked_memory_limit();
    let (plan, mut verdicts) = read_types(options)?;
    let mut object = Object::create(&plan)?;
    let (mut tried, mut forbidden) = (0, None);
    for (hook, verdict) in &mut verdicts {
        if verdict.is_err() {
            continue;
        }
        tried += 1;
        if let Err(error) = object.attach_exactly(&BTreeSet::from([*hook])) {
            *verdict = Err(error.to_string());
            if matches!(error, KernelError::NotPermitted { .. }) {
                forbidden.get_or_insert((0, error)).0 += 1;
            }
        }
    }
    match forbidden {
        Some((count, error)) if count == tried => Err(error),
        _ => Ok(summarise(plan, verdicts)),
    }
}

/// What BTF says: offsets, and which hooks exist at all.
fn read_types(options: Options) -> Result<(Plan, Verdicts), KernelError> {
    let types = Types::read()?;
    let mut layout = types.layout(options.tree)?;
    let switch = types.scheduler(&mut layout);
    let sockets = types.sockets(&mut layout);

    let tracepoint = |name: &str| match types.has_tracepoint(name) {
        true => Ok(()),
        false => Err(format!("this kernel has no tracepoint {name}")),
    };
    let verdicts = Hook::ALL.into_iter().map(|hook| {
        let verdict = match hook {
            Hook::SchedSwitch => match &switch {
                Ok(_) => tracepoint(hook.name()),
                Err(error) => Err(format!("{error}; it needs CONFIG_SCHED_INFO=y")),
            },
            Hook::PageFaultUser if !FIRES_PAGE_FAULT_USER => Err(format!(
                "kernels for {} do not fire it",
                std::env::consts::ARCH
            )),
            Hook::PageFaultUser => tracepoint(hook.name()),
            Hook::SockSendLength if !options.payload_hooks => Err("switched off".to_owned()),
            Hook::SockSendLength => match &sockets {
                Ok(()) => tracepoint(hook.name()).map_err(|why| format!("{why} (since 6.3)")),
                Err(error) => Err(error.to_string()),
            },
            Hook::CgroupEgress if options.tree != Tree::V2 => {
                Err("containers are in version 1 cgroups, which own no sockets".to_owned())
            }
            Hook::CgroupEgress if options.v2_mount.is_none() => {
                Err("no version 2 cgroup tree is mounted".to_owned())
            }
            Hook::CgroupEgress => Ok(()),
        };
        (hook, verdict)
    });
    let verdicts = verdicts.collect();
    let max_containers = options.max_containers.max(1);
    let plan = Plan {
        layout,
        // Without an answer the program is not loaded at all.
        switch: switch.unwrap_or(SwitchArguments::StateLast),
        v2_mount: options.v2_mount,
        max_containers,
        max_cgroups: max_containers.saturating_mul(CGROUPS_PER_CONTAINER),
    };
    Ok((plan, verdicts))
}

/// From hooks to metrics. Of two hooks for the same metric only the better one stays available.
fn summarise(plan: Plan, mut verdicts: Verdicts) -> Outcome {
    let mut verdict = |hook| {
        verdicts
            .remove(&hook)
            .unwrap_or_else(|| Err("not tried".to_owned()))
    };
    let mut support = SupportTable::default();
    let mut available = BTreeSet::new();
    for hook in [Hook::SchedSwitch, Hook::PageFaultUser] {
        let verdict = verdict(hook);
        if verdict.is_ok() {
            available.insert(hook);
        }
        let found = match verdict {
            Ok(()) => Support::Supported,
            Err(why) => Support::Unsupported(format!("hook {}: {why}", hook.name())),
        };
        for metric in hook.metrics() {
            support.set(*metric, found.clone());
        }
    }
    let sent = match (verdict(Hook::SockSendLength), verdict(Hook::CgroupEgress)) {
        (Ok(()), _) => {
            available.insert(Hook::SockSendLength);
            Support::Supported
        }
        (Err(why), Ok(())) => {
            available.insert(Hook::CgroupEgress);
            Support::Degraded(format!(
                "bytes of packets, headers and retransmissions included, instead of payload, because \
                 of hook sock_send_length: {why}"
            ))
        }
        (Err(why), Err(why_not)) => Support::Unsupported(format!(
            "hook sock_send_length: {why}; hook cgroup_egress: {why_not}"
        )),
    };
    support.set(Metric::SentBytes, sent);
    Outcome {
        plan,
        support,
        available,
    }
}

/// Kernels before 5.11 charge maps against RLIMIT_MEMLOCK. Later ones do not, so not being allowed to
/// raise it means nothing yet: if it matters, creating the maps fails and says so.
fn raise_locked_memory_limit() {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    let _may_fail = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
}
