//! Measuring: containers that come and go, what is attached for them, and reading what was counted.

use std::collections::{BTreeMap, BTreeSet};

use ebpf_common::ContainerConfig;

use super::hook::Hook;
use super::object::{Object, Plan};
use super::reading::reading;
use super::slots::Slots;
use super::ways::Ways;
use super::{KernelError, Metric, Options, Reading, Settings, Slot, SupportTable, cells, probe};

/// The kernel's side of the agent.
#[derive(Debug)]
pub struct Kernel {
    plan: Plan,
    support: SupportTable,
    ways: Ways,
    slots: Slots,
    /// Present while some container is measured.
    object: Option<Object>,
    refused_full: u64,
    /// What former objects had lost.
    lost_before: u64,
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
            ways,
        } = probe::probe(options)?;
        let slots = Slots::new(plan.max_containers, plan.max_cgroups);
        Ok(Self {
            plan,
            support,
            ways,
            slots,
            object: None,
            refused_full: 0,
            lost_before: 0,
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
        let Some(change) = self.slots.cgroups.assign(slot, cgroups) else {
            return Err(self.too_many_cgroups());
        };
        let Some(object) = &mut self.object else {
            return Ok(());
        };
        for id in change.remove {
            object.maps.set_cgroup(id, None)?;
        }
        for id in change.insert {
            object.maps.set_cgroup(id, Some(slot.reference()))?;
        }
        Ok(())
    }

    /// Whether block devices know containers by ids of another tree than [`Options::tree`]: where their
    /// controller is mounted as a version 1 tree. Then disk metrics need [`Kernel::set_io_cgroups`].
    pub fn io_apart(&self) -> bool {
        self.plan.layout.disk_ids_apart != 0
    }

    /// Replaces the ids of a container's cgroups in the tree that block devices know. Does nothing
    /// unless [`Kernel::io_apart`].
    pub fn set_io_cgroups(&mut self, slot: Slot, cgroups: &[u64]) -> Result<(), KernelError> {
        self.slots.tenant(slot).ok_or(KernelError::UnknownSlot)?;
        if !self.io_apart() {
            return Ok(());
        }
        let Some(change) = self.slots.disk_ids.assign(slot, cgroups) else {
            return Err(self.too_many_cgroups());
        };
        let Some(object) = &mut self.object else {
            return Ok(());
        };
        for id in change.remove {
            object.maps.set_disk_id(id, None)?;
        }
        for id in change.insert {
            object.maps.set_disk_id(id, Some(slot.reference()))?;
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
        let tenant = self.slots.tenant(slot).ok_or(KernelError::UnknownSlot)?;
        if self.ways.feeds(Hook::SchedSwitch, &tenant.settings) {
            self.slots.former.note(self.slots.cgroups.of(slot));
        }
        self.set_cgroups(slot, &[])?;
        self.set_io_cgroups(slot, &[])?;
        if let Some(object) = &mut self.object {
            object.maps.set_config(slot.index, ContainerConfig::OFF)?;
        }
        self.slots.free(slot);
        self.attach_what_is_needed()
    }

    /// The totals of every container since it was added; they never shrink.
    ///
    /// Costs a system call per CPU while scheduling is measured, and one per container and group of
    /// metrics that share a cell.
    pub fn read(&mut self) -> Result<BTreeMap<Slot, Reading>, KernelError> {
        self.flush_running()?;
        let Some(object) = &mut self.object else {
            return Ok(BTreeMap::new());
        };
        self.slots
            .tenants()
            .map(|(slot, tenant)| Ok((slot, reading(object, &self.ways, slot, tenant)?)))
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

    /// How many disk requests and DNS queries could not be followed to their end: too many
    /// were under way, or the end was not seen.
    pub fn lost(&self) -> Result<u64, KernelError> {
        let now = self
            .object
            .as_ref()
            .map_or(Ok(0), |object| object.maps.lost())?;
        Ok(self.lost_before + now)
    }

    fn too_many_cgroups(&mut self) -> KernelError {
        self.refused_full += 1;
        KernelError::TooManyCgroups {
            limit: self.plan.max_cgroups,
        }
    }

    fn start(
        &mut self,
        slot: Slot,
        cgroups: &[u64],
        settings: &Settings,
    ) -> Result<(), KernelError> {
        self.attach_what_is_needed()?;
        if let Some(object) = &mut self.object {
            object.maps.zero(slot.index)?;
            if self.ways.feeds(Hook::SchedSwitch, settings) && self.slots.former.has_any(cgroups) {
                object.maps.forget_waits()?;
                self.slots.former.forget();
            }
            object
                .maps
                .set_config(slot.index, cells::config(slot, settings))?;
        }
        self.set_cgroups(slot, cgroups)?;
        // Who runs already counts from now on.
        self.flush_running()
    }

    fn flush_running(&mut self) -> Result<(), KernelError> {
        match &mut self.object {
            Some(object) if object.attached().contains(&Hook::SchedSwitch) => {
                object.flush_running()
            }
            _ => Ok(()),
        }
    }

    /// Settles the estimates of what changes its rate, comes or goes, then tells the programs.
    fn change(&mut self, slot: Slot, before: &Settings) -> Result<(), KernelError> {
        let (Some(object), Some(tenant)) = (&self.object, self.slots.tenant(slot)) else {
            return Ok(());
        };
        let feeds = |settings| self.ways.feeds(Hook::SchedSwitch, settings);
        if feeds(&tenant.settings) && !feeds(before) {
            object.maps.forget_waits()?;
        }
        // While its cell still says what was: what those who run have done is counted as it was to be.
        self.flush_running()?;
        let (Some(object), Some(tenant)) = (&mut self.object, self.slots.tenant(slot)) else {
            return Ok(());
        };
        let concerned: BTreeSet<Metric> = before
            .iter()
            .chain(tenant.settings.iter())
            .map(|(metric, _)| metric)
            .filter(|metric| before.get(*metric) != tenant.settings.get(*metric))
            .collect();
        let cells = object
            .maps
            .cells(slot.index, cells::groups(concerned.iter().copied()))?;
        for metric in concerned {
            if let Some(raw) = cells.raw(metric) {
                let rate = tenant.settings.get(metric);
                tenant.meters.set_rate(metric, rate, &raw);
            }
        }
        object
            .maps
            .set_config(slot.index, cells::config(slot, &tenant.settings))
    }

    fn attach_what_is_needed(&mut self) -> Result<(), KernelError> {
        if self.slots.is_empty() {
            if let Some(Ok(lost)) = self.object.take().map(|object| object.maps.lost()) {
                self.lost_before += lost;
            }
            // With the object went the ledger.
            self.slots.former.forget();
            return Ok(());
        }
        let needed = self.ways.needed(self.slots.settings());
        let object = match &mut self.object {
            Some(object) => object,
            none => none.insert(Object::create(&self.plan)?),
        };
        object.attach_exactly(&needed)
    }
}
