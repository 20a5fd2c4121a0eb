//! The compiled object inside the kernel: its programs and their links.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use aya::programs::{
    BtfTracePoint, CgroupAttachMode, CgroupSkb, ProgramError, RawTracePoint,
    RawTracePointRunOptions, TestRun,
};
use aya::{Btf, Ebpf, EbpfLoader};
use ebpf_common::{Layout, names};

use super::KernelError;
use super::error::{no_permission, program_refused};
use super::findings::Variants;
use super::hook::Hook;
use super::maps::{self, Maps};

/// The compiled programs, built by `cargo ebpf`. Public for benchmarks that load one by themselves.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../ebpf/dist/viperscale.bpf.o"
));

const FLUSH: &str = "flush_running";

/// What the object is loaded with; the same as long as the agent runs.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) layout: Layout,
    pub(super) variants: Variants,
    pub(super) v2_mount: Option<PathBuf>,
    pub(super) max_containers: u32,
    pub(super) max_cgroups: u32,
}

/// Maps and programs. Dropping it detaches and frees everything.
pub(super) struct Object {
    ebpf: Ebpf,
    plan: Plan,
    attached: BTreeSet<Hook>,
    pub(super) maps: Maps,
}

impl Object {
    /// Creates the maps; no program is loaded yet.
    pub(super) fn create(plan: &Plan) -> Result<Self, KernelError> {
        let mut loader = EbpfLoader::new();
        loader.override_global(names::LAYOUT, &plan.layout, true);
        maps::size(&mut loader, plan.max_containers, plan.max_cgroups);
        let mut ebpf = loader.load(OBJECT).map_err(|source| {
            if no_permission(&source) {
                KernelError::NotPermitted {
                    action: "create eBPF maps".to_owned(),
                }
            } else {
                KernelError::Object {
                    source: Box::new(source),
                }
            }
        })?;
        Ok(Self {
            maps: Maps::take(&mut ebpf)?,
            ebpf,
            plan: plan.clone(),
            attached: BTreeSet::new(),
        })
    }

    /// The hooks that are attached.
    pub(super) fn attached(&self) -> &BTreeSet<Hook> {
        &self.attached
    }

    /// Loads, attaches, detaches and unloads one hook, to see whether it works.
    pub(super) fn attempt(&mut self, hook: Hook, types: &Btf) -> Result<(), KernelError> {
        let outcome = self.attach(hook, types);
        self.unload(hook);
        outcome
    }

    /// Loads and attaches what `wanted` has and is not attached, detaches and unloads the rest. On
    /// error nothing has been detached, and what is attached beyond `wanted` goes with the next call.
    pub(super) fn attach_exactly(&mut self, wanted: &BTreeSet<Hook>) -> Result<(), KernelError> {
        let missing: Vec<Hook> = wanted.difference(&self.attached).copied().collect();
        if !missing.is_empty() {
            // Parsed for this moment only: it takes tens of MiB.
            let types = kernel_types()?;
            self.forget_what_was_missed(&missing)?;
            for hook in missing {
                let attached = self.attach(hook, &types);
                if attached.is_err() {
                    self.unload(hook);
                }
                attached?;
                self.attached.insert(hook);
            }
        }
        let unneeded: Vec<Hook> = self.attached.difference(wanted).copied().collect();
        for hook in unneeded.iter().rev() {
            self.unload(*hook);
            self.attached.remove(hook);
        }
        self.forget_what_was_missed(&unneeded)
    }

    /// While the hook at which something ends is not attached, it may end unseen.
    fn forget_what_was_missed(&mut self, missing: &[Hook]) -> Result<(), KernelError> {
        if missing.contains(&Hook::SchedSwitch) {
            self.maps.forget_stints()?;
        }
        if missing.contains(&Hook::BlockComplete) {
            self.maps.forget_requests()?;
        }
        if missing.contains(&Hook::CgroupIngress) {
            self.maps.forget_queries()?;
        }
        Ok(())
    }

    fn attach(&mut self, hook: Hook, types: &Btf) -> Result<(), KernelError> {
        let name = self.program_of(hook);
        self.load_and_attach(hook, name, types)
            .map_err(|error| program_refused(name, error))
    }

    fn load_and_attach(
        &mut self,
        hook: Hook,
        name: &'static str,
        types: &Btf,
    ) -> Result<(), ProgramError> {
        if hook == Hook::SchedSwitch {
            program::<RawTracePoint>(&mut self.ebpf, FLUSH)?.load()?;
        }
        if let Some(direction) = hook.packets() {
            let root = self
                .plan
                .v2_mount
                .as_deref()
                .and_then(|path| File::open(path).ok());
            let root = root.ok_or(ProgramError::NotAttached)?;
            let packets: &mut CgroupSkb = program(&mut self.ebpf, name)?;
            packets.load()?;
            // A link is shared with others' in any case; the kernel refuses the flag that says so.
            packets.attach(root, direction, CgroupAttachMode::Single)?;
            return Ok(());
        }
        let tracepoint: &mut BtfTracePoint = program(&mut self.ebpf, name)?;
        tracepoint.load(hook.name(), types)?;
        tracepoint.attach()?;
        Ok(())
    }

    fn program_of(&self, hook: Hook) -> &'static str {
        let variants = self.plan.variants;
        match hook {
            Hook::SchedSwitch if variants.switch_state_second => "sched_switch_5_18",
            Hook::BlockIssue if variants.request_second => "block_rq_issue_5_10",
            Hook::BlockRequeue if variants.request_second => "block_rq_requeue_5_10",
            _ => hook.name(),
        }
    }

    /// Unloading a program that is not loaded is no error here: it is what was wanted.
    fn unload(&mut self, hook: Hook) {
        let name = self.program_of(hook);
        let _not_loaded = if hook.packets().is_some() {
            program::<CgroupSkb>(&mut self.ebpf, name).and_then(|packets| packets.unload())
        } else {
            program::<BtfTracePoint>(&mut self.ebpf, name).and_then(|one| one.unload())
        };
        if hook == Hook::SchedSwitch {
            let _not_loaded =
                program::<RawTracePoint>(&mut self.ebpf, FLUSH).and_then(|flush| flush.unload());
        }
    }

    /// Names and kernel ids of the loaded programs.
    pub(super) fn programs(&self) -> Vec<(String, u32)> {
        self.ebpf
            .programs()
            .filter_map(|(name, program)| Some((name.to_owned(), program.info().ok()?.id())))
            .collect()
    }

    /// Counts what the tasks that run right now have done so far. A CPU that went offline meanwhile
    /// is passed over: nothing runs there.
    pub(super) fn flush_running(&mut self) -> Result<(), KernelError> {
        let cpus = aya::util::online_cpus().map_err(|(_, source)| KernelError::Cpus { source })?;
        let flush = program::<RawTracePoint>(&mut self.ebpf, FLUSH)
            .map_err(|error| program_refused(FLUSH, error))?;
        for cpu in cpus {
            let on = RawTracePointRunOptions {
                cpu: Some(cpu),
                ..Default::default()
            };
            match flush.test_run(on) {
                Err(ProgramError::SyscallError(error))
                    if error.io_error.raw_os_error() == Some(libc::ENXIO) => {}
                outcome => {
                    outcome.map_err(|error| program_refused(FLUSH, error))?;
                }
            }
        }
        Ok(())
    }
}

/// The kernel's types as the loader needs them.
pub(super) fn kernel_types() -> Result<Btf, KernelError> {
    Btf::from_sys_fs().map_err(|error| KernelError::Btf {
        what: format!("/sys/kernel/btf/vmlinux: {error}"),
    })
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // aya's typed maps do not implement it.
        f.debug_struct("Object")
            .field("plan", &self.plan)
            .field("attached", &self.attached)
            .finish()
    }
}

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, ProgramError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    ebpf.program_mut(name)
        .ok_or(ProgramError::UnexpectedProgramType)?
        .try_into()
}
