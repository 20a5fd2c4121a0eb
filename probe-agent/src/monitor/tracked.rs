//! One container that has a slot in the kernel.

use std::sync::Arc;
use std::time::Instant;

use super::Label;
use super::wanted::Wanted;
use crate::containers::{self, Limits};
use crate::hierarchy::{Hierarchies, Tree};
use crate::kernel::{Kernel, KernelError, Metric, Reading, Settings, Slot};
use crate::sample::{Sample, Series, off_cpu};
use crate::threads::{Presence, Threads};
use crate::throttling::{CpuStat, Throttling};

/// Where the host keeps its cgroups.
#[derive(Clone, Debug)]
pub(super) struct Trees {
    pub(super) hierarchies: Hierarchies,
    /// The one that names containers.
    pub(super) tree: Tree,
    pub(super) limits: Limits,
}

/// What is measured of it, and what was at the end of the last interval.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) slot: Slot,
    pub(super) label: Arc<Label>,
    settings: Settings,
    cgroups: Vec<u64>,
    /// By the ids that block devices know; empty where those are the same, or not needed.
    io_cgroups: Vec<u64>,
    cpu_stat: CpuStat,
    series: Series,
    /// Present while time off the CPU is measured.
    attendance: Option<Attendance>,
}

/// How many threads there were, when.
#[derive(Debug)]
struct Attendance {
    threads: Threads,
    count: u64,
    at: Instant,
}

impl Tracked {
    /// Begins to measure a container from `now` on. On error nothing has changed.
    pub(super) fn begin(
        kernel: &mut Kernel,
        trees: &Trees,
        wanted: &Wanted,
        now: Instant,
        scratch: &mut String,
    ) -> Result<Self, KernelError> {
        let slot = kernel.add(&wanted.cgroups, &wanted.settings)?;
        let (quota_tree, quota_mount) = trees.hierarchies.quota_tree();
        let cpu_stat = CpuStat::of(quota_tree, quota_mount, &wanted.label.path);
        let throttling = throttling(&cpu_stat, scratch);
        let mut begun = Self {
            slot,
            label: Arc::new(wanted.label.clone()),
            settings: wanted.settings.clone(),
            cgroups: wanted.cgroups.clone(),
            io_cgroups: Vec::new(),
            cpu_stat,
            series: Series::starting(throttling),
            attendance: None,
        };
        begun.attend(trees, now);
        match begun.follow_io(kernel, trees) {
            Ok(()) => Ok(begun),
            Err(error) => {
                kernel.remove(slot)?;
                Err(error)
            }
        }
    }

    /// Follows what has changed about the container or about what is wanted of it.
    pub(super) fn adjust(
        &mut self,
        kernel: &mut Kernel,
        trees: &Trees,
        wanted: &Wanted,
        now: Instant,
    ) -> Result<(), KernelError> {
        if self.cgroups != wanted.cgroups {
            kernel.set_cgroups(self.slot, &wanted.cgroups)?;
            self.cgroups.clone_from(&wanted.cgroups);
        }
        if self.settings != wanted.settings {
            kernel.configure(self.slot, &wanted.settings)?;
            self.settings.clone_from(&wanted.settings);
            self.attend(trees, now);
        }
        if *self.label != wanted.label {
            self.label = Arc::new(wanted.label.clone());
        }
        self.follow_io(kernel, trees)
    }

    /// What happened since the last call, given the totals of `now`; `None` after [`Tracked::miss`].
    pub(super) fn sample(
        &mut self,
        reading: &Reading,
        now: Instant,
        scratch: &mut String,
    ) -> Option<Sample> {
        let presence = self
            .attendance
            .as_mut()
            .map(|attendance| attendance.until(now));
        let mut sample = self
            .series
            .advance(reading, throttling(&self.cpu_stat, scratch))?;
        if let (Some(presence), Some(scheduling)) = (presence, &sample.scheduling) {
            sample.metrics.push(off_cpu(presence, scheduling.on_cpu_ns));
            sample.metrics.sort_by_key(|sample| sample.metric);
        }
        Some(sample)
    }

    /// The totals could not be read at the end of an interval.
    pub(super) fn miss(&mut self) {
        self.series.miss();
    }

    /// Counts threads from now on, if time off the CPU is wanted and was not before.
    fn attend(&mut self, trees: &Trees, now: Instant) {
        if self.settings.get(Metric::OffCpuTime).is_none() {
            self.attendance = None;
        } else if self.attendance.is_none() {
            let threads = Threads::of(&trees.hierarchies, trees.tree, &self.label.path);
            self.attendance = Some(Attendance {
                count: threads.now(),
                threads,
                at: now,
            });
        }
    }

    /// Tells the kernel the ids by which block devices know the container, where those differ.
    fn follow_io(&mut self, kernel: &mut Kernel, trees: &Trees) -> Result<(), KernelError> {
        let disks = [Metric::DiskIoSize, Metric::DiskIoLatency];
        if !kernel.io_apart() || !disks.iter().any(|disk| self.settings.get(*disk).is_some()) {
            return Ok(());
        }
        let ids = trees.hierarchies.io().map_or_else(Vec::new, |mount| {
            let own = mount.join(self.label.path.trim_start_matches('/'));
            // A runtime that does not fill this tree leaves the container's requests to nobody.
            containers::subtree_ids(&own, trees.limits).unwrap_or_default()
        });
        if ids != self.io_cgroups {
            kernel.set_io_cgroups(self.slot, &ids)?;
            self.io_cgroups = ids;
        }
        Ok(())
    }
}

impl Attendance {
    /// The threads since the last call.
    fn until(&mut self, now: Instant) -> Presence {
        let count = self.threads.now();
        let length = now.saturating_duration_since(self.at);
        let presence = Presence::between(self.count, count, length);
        (self.count, self.at) = (count, now);
        presence
    }
}

/// The totals of now, if they can be read.
fn throttling(of: &CpuStat, scratch: &mut String) -> Option<Throttling> {
    of.read(scratch)
        .inspect_err(|error| tracing::debug!(%error, ?of, "cannot read throttling"))
        .ok()
}
