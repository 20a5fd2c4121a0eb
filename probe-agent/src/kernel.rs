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

mod error;
mod settings;
mod support;
mod totals;

pub use error::KernelError;
pub use settings::{SamplingRate, SamplingRateError, Settings, SettingsError};
pub use support::{Support, SupportTable};
pub use totals::{Reading, Scheduling, Totals};
/// The key of everything that is measured.
pub use viperscale_proto::v1::Metric;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::hierarchy::Tree;

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
    options: Options,
    support: SupportTable,
}

impl Kernel {
    /// Reads the kernel's BTF and tries every program once (load, attach, detach).
    ///
    /// Leaves nothing loaded. A single program that the kernel refuses makes its metrics
    /// [`Support::Unsupported`] and is no error; an error means that nothing can be measured at all.
    pub fn open(options: Options) -> Result<Self, KernelError> {
        Ok(Self {
            options,
            support: SupportTable::default(),
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
        let _ = (cgroups, settings);
        Err(KernelError::Full {
            limit: self.options.max_containers,
        })
    }

    /// Replaces the cgroup ids of a container, for example when one was created inside of it.
    pub fn set_cgroups(&mut self, slot: Slot, cgroups: &[u64]) -> Result<(), KernelError> {
        let _ = (slot, cgroups);
        Ok(())
    }

    /// Changes what is measured of a container. Totals go on where they were.
    pub fn configure(&mut self, slot: Slot, settings: &Settings) -> Result<(), KernelError> {
        let _ = (slot, settings);
        Ok(())
    }

    /// Ends measuring a container; detaches and unloads what no other container needs.
    pub fn remove(&mut self, slot: Slot) -> Result<(), KernelError> {
        let _ = slot;
        Ok(())
    }

    /// The totals of every container since it was added; they never shrink.
    pub fn read(&mut self) -> Result<BTreeMap<Slot, Reading>, KernelError> {
        Ok(BTreeMap::new())
    }

    /// Names of the programs that are attached now; empty while no container is measured.
    pub fn attached(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// How often [`Kernel::add`] or [`Kernel::set_cgroups`] was refused because a table was full.
    pub fn refused_full(&self) -> u64 {
        0
    }
}
