//! The compiled object inside the kernel: maps, programs and their links.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues};
use aya::programs::{
    BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, ProgramError, RawTracePoint,
    RawTracePointRunOptions, TestRun,
};
use aya::{Btf, Ebpf, EbpfLoader, Pod};
use ebpf_common::{ContainerConfig, CountCell, Distribution, Layout, SchedCell, SlotRef, names};

use super::btf::SwitchArguments;
use super::error::{no_permission, program_refused};
use super::hook::Hook;
use super::{KernelError, ledger};

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
    pub(super) switch: SwitchArguments,
    pub(super) v2_mount: Option<PathBuf>,
    pub(super) max_containers: u32,
    pub(super) max_cgroups: u32,
}

/// Maps and programs. Dropping it detaches and frees everything.
pub(super) struct Object {
    ebpf: Ebpf,
    plan: Plan,
    attached: BTreeSet<Hook>,
    cgroups: HashMap<MapData, u64, SlotRef>,
    config: Array<MapData, ContainerConfig>,
    sched: PerCpuArray<MapData, SchedCell>,
    faults: PerCpuArray<MapData, CountCell>,
    sent: PerCpuArray<MapData, Distribution>,
    ledger: MapData,
    possible_cpus: usize,
}

impl Object {
    /// Creates the maps; no program is loaded yet.
    pub(super) fn create(plan: &Plan) -> Result<Self, KernelError> {
        let possible_cpus =
            aya::util::nr_cpus().map_err(|(_, source)| KernelError::Cpus { source })?;
        let mut loader = EbpfLoader::new();
        loader
            .override_global(names::LAYOUT, &plan.layout, true)
            .map_max_entries(names::CGROUPS, plan.max_cgroups);
        for map in [names::CONFIG, names::SCHED, names::FAULTS, names::SENT] {
            loader.map_max_entries(map, plan.max_containers);
        }
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
        let Some(Map::Array(ledger)) = ebpf.take_map(names::LEDGER) else {
            return Err(failed(names::LEDGER)(MapError::KeyNotFound));
        };
        Ok(Self {
            cgroups: take(&mut ebpf, names::CGROUPS)?,
            config: take(&mut ebpf, names::CONFIG)?,
            sched: take(&mut ebpf, names::SCHED)?,
            faults: take(&mut ebpf, names::FAULTS)?,
            sent: take(&mut ebpf, names::SENT)?,
            ledger,
            ebpf,
            plan: plan.clone(),
            attached: BTreeSet::new(),
            possible_cpus,
        })
    }

    /// The hooks that are attached.
    pub(super) fn attached(&self) -> &BTreeSet<Hook> {
        &self.attached
    }

    /// Loads and attaches what `wanted` has and is not attached, detaches and unloads the rest. On
    /// error some may have been attached; nothing has been detached.
    pub(super) fn attach_exactly(&mut self, wanted: &BTreeSet<Hook>) -> Result<(), KernelError> {
        let missing: Vec<Hook> = wanted.difference(&self.attached).copied().collect();
        if !missing.is_empty() {
            // Parsed for this moment only: it takes tens of MiB.
            let types = Btf::from_sys_fs().map_err(|error| KernelError::Btf {
                what: format!("/sys/kernel/btf/vmlinux: {error}"),
            })?;
            for hook in missing {
                let attached = self.attach(hook, &types);
                if attached.is_err() {
                    self.unload(hook);
                }
                attached?;
                self.attached.insert(hook);
            }
        }
        for hook in self
            .attached
            .difference(wanted)
            .copied()
            .collect::<Vec<_>>()
        {
            self.unload(hook);
            self.attached.remove(&hook);
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
        if hook == Hook::CgroupEgress {
            let root = self
                .plan
                .v2_mount
                .as_deref()
                .and_then(|path| File::open(path).ok());
            let root = root.ok_or(ProgramError::NotAttached)?;
            let egress: &mut CgroupSkb = program(&mut self.ebpf, name)?;
            egress.load()?;
            // A link is shared with others' in any case; the kernel refuses the flag that says so.
            egress.attach(root, CgroupSkbAttachType::Egress, CgroupAttachMode::Single)?;
            return Ok(());
        }
        let tracepoint: &mut BtfTracePoint = program(&mut self.ebpf, name)?;
        tracepoint.load(hook.name(), types)?;
        tracepoint.attach()?;
        Ok(())
    }

    fn program_of(&self, hook: Hook) -> &'static str {
        match (hook, self.plan.switch) {
            (Hook::SchedSwitch, SwitchArguments::StateSecond) => "sched_switch_5_18",
            _ => hook.name(),
        }
    }

    /// Unloading a program that is not loaded is no error here: it is what was wanted.
    fn unload(&mut self, hook: Hook) {
        let name = self.program_of(hook);
        let _not_loaded = match hook {
            Hook::CgroupEgress => {
                program::<CgroupSkb>(&mut self.ebpf, name).and_then(|egress| egress.unload())
            }
            _ => program::<BtfTracePoint>(&mut self.ebpf, name).and_then(|one| one.unload()),
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

    /// Forgets the waits that tasks had when they last left a CPU. Needed before a container's
    /// scheduling is measured (again): what its tasks waited meanwhile is not to be counted.
    pub(super) fn forget_waits(&self) -> Result<(), KernelError> {
        ledger::clear(self.ledger.fd()).map_err(|source| KernelError::Map {
            map: names::LEDGER,
            source: MapError::IoError(source),
        })
    }

    pub(super) fn set_config(&mut self, slot: u32, to: ContainerConfig) -> Result<(), KernelError> {
        self.config.set(slot, to, 0).map_err(failed(names::CONFIG))
    }

    pub(super) fn insert_cgroup(&mut self, id: u64, owner: SlotRef) -> Result<(), KernelError> {
        self.cgroups
            .insert(id, owner, 0)
            .map_err(failed(names::CGROUPS))
    }

    pub(super) fn remove_cgroup(&mut self, id: u64) -> Result<(), KernelError> {
        match self.cgroups.remove(&id) {
            Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
            outcome => outcome.map_err(failed(names::CGROUPS)),
        }
    }

    /// Zeroes all cells of a slot, on all CPUs.
    pub(super) fn zero(&mut self, slot: u32) -> Result<(), KernelError> {
        let cpus = self.possible_cpus;
        set_all(&mut self.sched, slot, SchedCell::ZERO, cpus).map_err(failed(names::SCHED))?;
        set_all(&mut self.faults, slot, CountCell::ZERO, cpus).map_err(failed(names::FAULTS))?;
        set_all(&mut self.sent, slot, Distribution::ZERO, cpus).map_err(failed(names::SENT))
    }

    pub(super) fn sched(&self, slot: u32) -> Result<PerCpuValues<SchedCell>, KernelError> {
        self.sched.get(&slot, 0).map_err(failed(names::SCHED))
    }

    pub(super) fn faults(&self, slot: u32) -> Result<PerCpuValues<CountCell>, KernelError> {
        self.faults.get(&slot, 0).map_err(failed(names::FAULTS))
    }

    pub(super) fn sent(&self, slot: u32) -> Result<PerCpuValues<Distribution>, KernelError> {
        self.sent.get(&slot, 0).map_err(failed(names::SENT))
    }
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

fn take<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, KernelError> {
    ebpf.take_map(name)
        .ok_or(MapError::KeyNotFound)
        .and_then(M::try_from)
        .map_err(failed(name))
}

fn set_all<V: Pod>(
    map: &mut PerCpuArray<MapData, V>,
    slot: u32,
    value: V,
    cpus: usize,
) -> Result<(), MapError> {
    map.set(slot, PerCpuValues::try_from(vec![value; cpus])?, 0)
}

fn failed(map: &'static str) -> impl Fn(MapError) -> KernelError {
    move |source| KernelError::Map { map, source }
}
