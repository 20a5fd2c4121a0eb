//! The only user of eBPF: what this kernel can measure, and measuring it.
//!
//! ```text
//!  Kernel::open ── BTF ──▶ Layout (offsets) ── trial load ──▶ SupportTable
//!  add / configure / set_cgroups / remove ──▶ slots, config cells, cgroup ids
//!                                         └─▶ hooks attached while some container needs them
//!  read ── flush running tasks ──▶ cells (per CPU, summed) ──▶ Reading of each container
//! ```
//!
//! Everything here blocks (system calls, verifier runs of tens of milliseconds): callers keep it off
//! async threads. A [`Kernel`] is `Send`; it has one owner at a time. Dropping it detaches and
//! unloads everything.

mod btf;
mod error;
mod estimate;
mod hook;
mod ledger;
mod object;
mod probe;
mod settings;
mod slots;
mod support;
mod totals;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ebpf_common::{ContainerConfig, SlotRef, index};

pub use btf::offsets_in;
pub use error::KernelError;
pub use object::OBJECT;
pub use settings::{SamplingRate, SamplingRateError, Settings, SettingsError};
pub use support::{Support, SupportTable};
pub use totals::{Reading, Scheduling, Totals};
/// The key of everything that is measured.
pub use viperscale_proto::v1::Metric;

use crate::hierarchy::Tree;
use estimate::{Meters, Raw};
use hook::Hook;
use object::{Object, Plan};
use slots::Slots;

/// What [`Kernel::open`] needs to know about the host.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tree whose cgroup ids will be given to [`Kernel::add`].
    pub tree: Tree,
    /// Where the version 2 tree is mounted, if it is. Only the degraded way to count sent bytes
    /// needs it.
    pub v2_mount: Option<PathBuf>,
    /// Containers that can be measured at once; cells are allocated for all of them, about
    /// 0.8 KiB per container and CPU.
    pub max_containers: u32,
    /// Whether sent bytes may be counted as payload at the socket, the better way. `false` forces
    /// the degraded way, bytes on the wire, as kernels before 6.3 do.
    pub payload_hooks: bool,
}

impl Options {
    /// The defaults: room for 512 containers, the best hook that the kernel has.
    pub fn new(tree: Tree, v2_mount: Option<PathBuf>) -> Self {
        Self {
            tree,
            v2_mount,
            max_containers: 512,
            payload_hooks: true,
        }
    }
}

/// One measured container; valid from [`Kernel::add`] to [`Kernel::remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    index: u32,
    generation: u32,
}

/// The kernel's side of the agent.
#[derive(Debug)]
pub struct Kernel {
    plan: Plan,
    support: SupportTable,
    /// Hooks that work here.
    available: BTreeSet<Hook>,
    slots: Slots,
    /// Present while some container is measured.
    object: Option<Object>,
    refused_full: u64,
}

impl Kernel {
    /// Reads the kernel's BTF and tries every program once (load, attach, detach).
    ///
    /// Leaves nothing loaded. A single program that the kernel refuses makes its metrics
    /// [`Support::Unsupported`] and is no error; an error means that nothing can be measured at all.
    pub fn open(options: Options) -> Result<Self, KernelError> {
        let probe::Outcome {
            plan,
            support,
            available,
        } = probe::probe(options)?;
        let slots = Slots::new(plan.max_containers, plan.max_cgroups);
        Ok(Self {
            plan,
            support,
            available,
            slots,
            object: None,
            refused_full: 0,
        })
    }

    /// What can be measured here, all fifteen metrics.
    pub fn support(&self) -> &SupportTable {
        &self.support
    }

    /// Starts to measure a container: its tasks are those of `cgroups`, the ids (inode numbers in
    /// [`Options::tree`]) of its own cgroup and of all cgroups below.
    ///
    /// Loads and attaches what `settings` needs and is not attached yet. Settings for metrics that
    /// are not supported here measure nothing. On error nothing has changed.
    pub fn add(&mut self, cgroups: &[u64], settings: &Settings) -> Result<Slot, KernelError> {
        let Some(slot) = self.slots.take(settings.clone()) else {
            self.refused_full += 1;
            return Err(KernelError::Full {
                limit: self.plan.max_containers,
            });
        };
        let added = self.start(slot, cgroups, settings);
        if added.is_err() {
            self.remove(slot)?;
        }
        added.map(|()| slot)
    }

    /// Replaces the cgroup ids of a container, for example when one was created inside of it. An id
    /// that another container had becomes this one's.
    pub fn set_cgroups(&mut self, slot: Slot, cgroups: &[u64]) -> Result<(), KernelError> {
        self.slots.tenant(slot).ok_or(KernelError::UnknownSlot)?;
        let Some(change) = self.slots.assign(slot, cgroups) else {
            self.refused_full += 1;
            return Err(KernelError::TooManyCgroups {
                limit: self.plan.max_cgroups,
            });
        };
        let Some(object) = &mut self.object else {
            return Ok(());
        };
        for id in change.remove {
            object.remove_cgroup(id)?;
        }
        for id in change.insert {
            object.insert_cgroup(id, slot.reference())?;
        }
        Ok(())
    }

    /// Changes what is measured of a container. Totals go on where they were; events of the
    /// microseconds in which a rate changes are scaled by the old one. On error nothing has changed.
    pub fn configure(&mut self, slot: Slot, settings: &Settings) -> Result<(), KernelError> {
        let tenant = self.slots.tenant(slot).ok_or(KernelError::UnknownSlot)?;
        let before = std::mem::replace(&mut tenant.settings, settings.clone());
        let changed = self
            .attach_what_is_needed()
            .and_then(|()| self.change(slot, &before));
        if changed.is_err()
            && let Some(tenant) = self.slots.tenant(slot)
        {
            tenant.settings = before;
        }
        changed
    }

    /// Ends measuring a container; detaches and unloads what no other container needs.
    pub fn remove(&mut self, slot: Slot) -> Result<(), KernelError> {
        self.set_cgroups(slot, &[])?;
        if let Some(object) = &mut self.object {
            object.set_config(slot.index, ContainerConfig::OFF)?;
        }
        self.slots.free(slot);
        self.attach_what_is_needed()
    }

    /// The totals of every container since it was added; they never shrink.
    ///
    /// Costs a system call per CPU while scheduling is measured, and one per container and group of
    /// metrics that share a hook.
    pub fn read(&mut self) -> Result<BTreeMap<Slot, Reading>, KernelError> {
        let Some(object) = &mut self.object else {
            return Ok(BTreeMap::new());
        };
        if object.attached().contains(&Hook::SchedSwitch) {
            object.flush_running()?;
        }
        self.slots
            .tenants()
            .map(|(slot, tenant)| {
                Ok((
                    slot,
                    reading(object, slot, &tenant.settings, &tenant.meters)?,
                ))
            })
            .collect()
    }

    /// Names of the hooks that are attached now; empty while no container is measured.
    pub fn attached(&self) -> Vec<&'static str> {
        let hooks = self.object.iter().flat_map(Object::attached);
        hooks.map(|hook| hook.name()).collect()
    }

    /// Names and kernel ids of the programs that are loaded now, as `bpftool prog` lists them.
    pub fn programs(&self) -> Vec<(String, u32)> {
        self.object.iter().flat_map(Object::programs).collect()
    }

    /// How often [`Kernel::add`] or [`Kernel::set_cgroups`] was refused because a table was full.
    pub fn refused_full(&self) -> u64 {
        self.refused_full
    }

    fn start(
        &mut self,
        slot: Slot,
        cgroups: &[u64],
        settings: &Settings,
    ) -> Result<(), KernelError> {
        self.attach_what_is_needed()?;
        if let Some(object) = &mut self.object {
            object.zero(slot.index)?;
            if Hook::SchedSwitch.feeds(settings) {
                object.forget_waits()?;
            }
            object.set_config(slot.index, config(slot, settings))?;
        }
        self.set_cgroups(slot, cgroups)
    }

    /// Settles the estimates of what changes its rate, comes or goes, then tells the programs.
    fn change(&mut self, slot: Slot, before: &Settings) -> Result<(), KernelError> {
        let (Some(object), Some(tenant)) = (&mut self.object, self.slots.tenant(slot)) else {
            return Ok(());
        };
        let concerned: BTreeSet<Metric> = before
            .iter()
            .chain(tenant.settings.iter())
            .map(|(metric, _)| metric)
            .collect();
        for metric in concerned {
            let rate = tenant.settings.get(metric);
            if before.get(metric) != rate
                && let Some(raw) = raw(object, slot, metric)?
            {
                tenant.meters.set_rate(metric, rate, &raw);
            }
        }
        if Hook::SchedSwitch.feeds(&tenant.settings) && !Hook::SchedSwitch.feeds(before) {
            object.forget_waits()?;
            if object.attached().contains(&Hook::SchedSwitch) {
                // While its cell still says off: then what a CPU remembers of the past is dropped.
                object.flush_running()?;
            }
        }
        object.set_config(slot.index, config(slot, &tenant.settings))
    }

    fn attach_what_is_needed(&mut self) -> Result<(), KernelError> {
        if self.slots.is_empty() {
            self.object = None;
            return Ok(());
        }
        let needed = hook::needed(&self.available, self.slots.settings());
        let object = match &mut self.object {
            Some(object) => object,
            none => none.insert(Object::create(&self.plan)?),
        };
        object.attach_exactly(&needed)
    }
}

impl Slot {
    fn reference(self) -> SlotRef {
        SlotRef {
            slot: self.index,
            generation: self.generation,
        }
    }
}

/// The config cell of a container.
fn config(slot: Slot, settings: &Settings) -> ContainerConfig {
    let mut config = ContainerConfig {
        generation: slot.generation,
        ..ContainerConfig::OFF
    };
    for (metric, rate) in settings.iter() {
        if let Some(index) = config_index(metric) {
            config.thresholds[index] = rate.threshold();
        }
    }
    config
}

/// Where a metric's threshold stands in the config cell, if a program exists for it.
fn config_index(metric: Metric) -> Option<usize> {
    match metric {
        Metric::OnCpuTime => Some(index::ON_CPU_TIME),
        Metric::RunqLatency => Some(index::RUNQ_LATENCY),
        Metric::UserPageFaults => Some(index::USER_PAGE_FAULTS),
        Metric::SentBytes => Some(index::SENT_BYTES),
        _ => None,
    }
}

/// Whether a program that feeds a metric is attached.
fn is_fed(object: &Object, metric: Metric) -> bool {
    object
        .attached()
        .iter()
        .any(|hook| hook.metrics().contains(&metric))
}

/// The counters of one metric as they stand, also when nothing feeds them any more; `None` if no
/// program exists for it.
fn raw(object: &Object, slot: Slot, metric: Metric) -> Result<Option<Raw>, KernelError> {
    Ok(match metric {
        Metric::OnCpuTime => Some(Raw::of_on_cpu(&estimate::scheduling(
            object.sched(slot.index)?.iter(),
        ))),
        Metric::RunqLatency => Some(Raw::of_distributions(
            object.sched(slot.index)?.iter().map(|cell| &cell.waits),
        )),
        Metric::UserPageFaults => Some(Raw::of_counts(object.faults(slot.index)?.iter())),
        Metric::SentBytes => Some(Raw::of_distributions(object.sent(slot.index)?.iter())),
        _ => None,
    })
}

fn reading(
    object: &Object,
    slot: Slot,
    settings: &Settings,
    meters: &Meters,
) -> Result<Reading, KernelError> {
    let mut reading = Reading::default();
    if object.attached().contains(&Hook::SchedSwitch) && Hook::SchedSwitch.feeds(settings) {
        reading.scheduling = Some(estimate::scheduling(object.sched(slot.index)?.iter()));
    }
    for (metric, _) in settings.iter() {
        if is_fed(object, metric)
            && let Some(raw) = raw(object, slot, metric)?
            && let Some(totals) = meters.totals(metric, &raw)
        {
            reading.metrics.insert(metric, totals);
        }
    }
    Ok(reading)
}
