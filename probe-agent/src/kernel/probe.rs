//! Finding out what this kernel can measure: first by its types, then by trying.

use super::btf::Types;
use super::findings::{self, Findings};
use super::hook::Hook;
use super::object::{Object, Plan, kernel_types};
use super::ways::{self, Verdicts, Ways};
use super::{KernelError, Metric, Options, SupportTable};

/// Room for cgroups per container: its own, and what systemd or CRI-O nest below.
const CGROUPS_PER_CONTAINER: u32 = 8;

/// What was found out.
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) support: SupportTable,
    pub(super) ways: Ways,
}

/// Tries every hook once. Nothing stays loaded.
pub(super) fn probe(options: Options) -> Result<Outcome, KernelError> {
    raise_locked_memory_limit();
    let Findings {
        mut layout,
        variants,
        mut verdicts,
        remarks,
    } = findings::read(&Types::read()?, &options)?;
    // Until it is known whether packets and faults must be counted, the programs are tried with all they
    // can do.
    (layout.count_sent_packets, layout.count_received_packets) = (1, 1);
    layout.count_faults = 1;
    let max_containers = options.max_containers.max(1);
    let mut plan = Plan {
        layout,
        variants,
        v2_mount: options.v2_mount,
        max_containers,
        max_cgroups: max_containers.saturating_mul(CGROUPS_PER_CONTAINER),
    };
    attempt(&plan, &mut verdicts)?;
    let (support, ways) = ways::choose(&verdicts, &remarks);
    let counts = |hook, metric| u64::from(ways.of(metric).contains(&hook));
    plan.layout.count_sent_packets = counts(Hook::CgroupEgress, Metric::SentBytes);
    plan.layout.count_received_packets = counts(Hook::CgroupIngress, Metric::ReceivedBytes);
    plan.layout.count_faults = counts(Hook::SchedSwitch, Metric::UserPageFaults);
    Ok(Outcome {
        plan,
        support,
        ways,
    })
}

/// Tries the hooks that have no verdict against them. An error means that none is permitted.
fn attempt(plan: &Plan, verdicts: &mut Verdicts) -> Result<(), KernelError> {
    // Just the one container that no hook needs: the trial shall not cost the memory of all.
    let mut object = Object::create(&Plan {
        max_containers: 1,
        max_cgroups: 1,
        ..plan.clone()
    })?;
    let types = kernel_types()?;
    let (mut tried, mut forbidden) = (0, None);
    for (hook, verdict) in verdicts.iter_mut().filter(|(_, verdict)| verdict.is_ok()) {
        tried += 1;
        if let Err(error) = object.attempt(*hook, &types) {
            *verdict = Err(error.to_string());
            if matches!(error, KernelError::NotPermitted { .. }) {
                forbidden.get_or_insert((0, error)).0 += 1;
            }
        }
    }
    match forbidden {
        Some((count, error)) if count == tried => Err(error),
        _ => Ok(()),
    }
}

/// Kernels before 5.11 charge maps against RLIMIT_MEMLOCK. Later ones do not, so not being allowed to
/// raise it means nothing yet: if it matters, creating the maps fails and says so.
fn raise_locked_memory_limit() {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    let _may_fail = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
}
