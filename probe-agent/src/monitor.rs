//! Measures what a plan asks for: joins containers, kernel and samples. Blocking and single-threaded.
//!
//! ```text
//!  Selection ──┐
//!  Inventory ──┴▶ wanted ──reconcile──▶ Kernel slots ──sample──▶ Interval
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use viperscale_proto::v1;

use crate::containers::{self, Inventory, Limits, ScanError};
use crate::hierarchy::{Hierarchies, HierarchyError, Tree};
use crate::kernel::{Kernel, KernelError, Options, Settings, Slot};
use crate::node::NodeTotals;
use crate::plan::Selection;
use crate::sample::{Sample, Series};
use crate::throttling::{CpuStat, Throttling};

mod wanted;

use wanted::{Wanted, Wish};

/// Nothing can be measured on this host.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// No cgroups.
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
    /// The tree of cgroups is unreadable.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// No eBPF.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// `/proc/stat` is unreadable.
    #[error("cannot read /proc/stat: {0}; mount procfs at /proc")]
    Node(#[from] procfs::ProcError),
}

/// What happened on the node in one interval.
#[derive(Clone, Debug)]
pub struct Interval {
    /// How long it was.
    pub length: Duration,
    /// When it ended.
    pub ended_at: Instant,
    /// The revision of the plan that was in force during all of it.
    pub revision: u64,
    /// The node as a whole; times are changes over the interval.
    pub node: NodeTotals,
    /// Every container that was measured.
    pub containers: Vec<Measured>,
    /// What was asked for and not measured.
    pub missing: Vec<v1::MissingTarget>,
}

/// One container's interval.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Whose it is.
    pub label: Arc<Label>,
    /// What happened.
    pub sample: Sample,
}

/// How a container is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// UID of the pod; empty for a cgroup that is no container.
    pub pod_uid: String,
    /// The name that the scaler gave; else the container's id; empty for a bare cgroup.
    pub container: String,
    /// Its topmost cgroup, relative to the mount of the tree that names containers.
    pub path: String,
}

/// Measures containers with one [`Kernel`].
#[derive(Debug)]
pub struct Monitor {
    kernel: Kernel,
    hierarchies: Hierarchies,
    tree: Tree,
    limits: Limits,
    inventory: Inventory,
    selection: Selection,
    revision: u64,
    tracked: BTreeMap<String, Tracked>,
    missing: Vec<v1::MissingTarget>,
    node: NodeTotals,
    since: Instant,
    scratch: String,
}

/// A container that has a slot in the kernel.
#[derive(Debug)]
struct Tracked {
    slot: Slot,
    label: Arc<Label>,
    settings: Settings,
    cgroups: Vec<u64>,
    cpu_stat: CpuStat,
    series: Series,
}

impl Monitor {
    /// Finds the cgroups at or below `cgroup_root` and tries what the kernel can measure. Leaves
    /// nothing attached.
    pub fn open(cgroup_root: &Path) -> Result<Self, MonitorError> {
        let hierarchies = Hierarchies::detect(cgroup_root)?;
        let tree = containers::choose_tree(&hierarchies, Limits::default())?;
        Self::open_tree(hierarchies, tree)
    }

    /// The same with the tree given.
    pub fn open_tree(hierarchies: Hierarchies, tree: Tree) -> Result<Self, MonitorError> {
        Ok(Self {
            kernel: open_kernel(&hierarchies, tree)?,
            hierarchies,
            tree,
            limits: Limits::default(),
            inventory: Inventory::default(),
            selection: Selection::NOTHING,
            revision: 0,
            tracked: BTreeMap::new(),
            missing: Vec::new(),
            node: NodeTotals::read()?,
            since: Instant::now(),
            scratch: String::new(),
        })
    }

    /// The kernel's side, to ask what is supported and attached.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Whether anything is to be measured.
    pub fn is_idle(&self) -> bool {
        self.selection.is_empty()
    }

    /// Containers that are being measured.
    pub fn measured(&self) -> usize {
        self.tracked.len()
    }

    /// Directories to watch for cgroups that come and go.
    pub fn nurseries(&self) -> Vec<PathBuf> {
        match &self.selection {
            selection if selection.is_empty() => Vec::new(),
            Selection::Cgroups(paths, _) => paths.iter().map(|path| self.absolute(path)).collect(),
            _ => self.inventory.nurseries.clone(),
        }
    }

    /// Follows a new selection from now on: scans, then adds, changes and removes. Call it between
    /// two intervals.
    pub fn select(&mut self, revision: u64, selection: Selection) {
        (self.revision, self.selection) = (revision, selection);
        self.rescan();
        self.settle();
    }

    /// Begins a new interval now, throwing away what happened in the present one.
    pub fn restart_interval(&mut self, now: Instant) {
        let _ = self.sample(now);
    }

    /// Looks for containers, and begins to measure the wanted ones that are new. Ones that are gone
    /// stay until [`Monitor::settle`], so that their last interval is reported.
    pub fn rescan(&mut self) {
        if !self.selection.is_empty() && !matches!(self.selection, Selection::Cgroups(..)) {
            self.scan();
        }
        let wish = self.wish();
        self.missing = wish.missing;
        for wanted in wish.wanted {
            if let Err(error) = self.admit(&wanted) {
                self.missing.push(missed(&wanted.label, error.to_string()));
            }
        }
    }

    /// Ends measuring what is gone or no longer wanted. Call it after the interval was sampled.
    pub fn settle(&mut self) {
        let wish = self.wish();
        let kept: Vec<&str> = wish
            .wanted
            .iter()
            .map(|wanted| wanted.label.path.as_str())
            .collect();
        let kernel = &mut self.kernel;
        self.tracked.retain(|path, tracked| {
            let keep = kept.contains(&path.as_str());
            if !keep && let Err(error) = kernel.remove(tracked.slot) {
                tracing::warn!(%error, path, "cannot end measuring");
            }
            keep
        });
    }

    /// Ends the interval at `now` and begins the next.
    pub fn sample(&mut self, now: Instant) -> Interval {
        let mut missing = self.missing.clone();
        let mut measured = Vec::with_capacity(self.tracked.len());
        match if self.tracked.is_empty() {
            Ok(BTreeMap::new())
        } else {
            self.kernel.read()
        } {
            Ok(readings) => {
                for tracked in self.tracked.values_mut() {
                    let Some(reading) = readings.get(&tracked.slot) else {
                        continue;
                    };
                    let throttling = throttling(&tracked.cpu_stat, &mut self.scratch);
                    match tracked.series.advance(reading, throttling) {
                        Some(sample) => measured.push(Measured {
                            label: Arc::clone(&tracked.label),
                            sample,
                        }),
                        None => missing.push(missed(
                            &tracked.label,
                            "its cells could not be read when the interval began".to_owned(),
                        )),
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the kernel's cells");
                missing.extend(self.tracked.values_mut().map(|tracked| {
                    tracked.series.miss();
                    missed(&tracked.label, error.to_string())
                }));
            }
        }
        let node = NodeTotals::read().unwrap_or(self.node);
        let change = node.since(self.node);
        self.node = node;
        let length = now.saturating_duration_since(self.since);
        self.since = now;
        Interval {
            length,
            ended_at: now,
            revision: self.revision,
            node: change,
            containers: measured,
            missing,
        }
    }

    /// Measures a wanted container, or adjusts how it is measured.
    fn admit(&mut self, wanted: &Wanted) -> Result<(), KernelError> {
        if let Some(tracked) = self.tracked.get_mut(&wanted.label.path) {
            if tracked.cgroups != wanted.cgroups {
                self.kernel.set_cgroups(tracked.slot, &wanted.cgroups)?;
                tracked.cgroups.clone_from(&wanted.cgroups);
            }
            if tracked.settings != wanted.settings {
                self.kernel.configure(tracked.slot, &wanted.settings)?;
                tracked.settings.clone_from(&wanted.settings);
            }
            if *tracked.label != wanted.label {
                tracked.label = Arc::new(wanted.label.clone());
            }
            return Ok(());
        }
        let slot = self.kernel.add(&wanted.cgroups, &wanted.settings)?;
        let (quota_tree, quota_mount) = self.hierarchies.quota_tree();
        let cpu_stat = CpuStat::of(quota_tree, quota_mount, &wanted.label.path);
        let throttling = throttling(&cpu_stat, &mut self.scratch);
        self.tracked.insert(
            wanted.label.path.clone(),
            Tracked {
                slot,
                label: Arc::new(wanted.label.clone()),
                settings: wanted.settings.clone(),
                cgroups: wanted.cgroups.clone(),
                cpu_stat,
                series: Series::starting(throttling),
            },
        );
        Ok(())
    }

    fn wish(&self) -> Wish {
        match &self.selection {
            Selection::Targets(targets) => {
                wanted::targets(targets, &self.inventory, self.kernel.support())
            }
            Selection::EveryContainer(settings) => {
                wanted::every_container(&self.inventory, settings)
            }
            Selection::Cgroups(paths, settings) => wanted::cgroups(paths, settings, |path| {
                containers::subtree_ids(&self.absolute(path), self.limits)
            }),
        }
    }

    fn scan(&mut self) {
        match self
            .hierarchies
            .mount_of(self.tree)
            .map(|mount| containers::scan(mount, self.limits))
        {
            Some(Ok(inventory)) => {
                if inventory.truncated && !self.inventory.truncated {
                    tracing::warn!(limits = ?self.limits, "too many cgroups: some are not looked at");
                }
                self.inventory = inventory;
            }
            Some(Err(error)) => tracing::warn!(%error, "keeping what the last scan found"),
            None => {}
        }
        if self.inventory.containers.is_empty() && self.hierarchies.needs_choice() {
            self.reconsider_tree();
        }
    }

    /// On a hybrid host without containers the choice of tree was a guess; when the first ones show
    /// up in the other tree, move there.
    fn reconsider_tree(&mut self) {
        let Ok(tree) = containers::choose_tree(&self.hierarchies, self.limits) else {
            return;
        };
        if tree == self.tree {
            return;
        }
        match open_kernel(&self.hierarchies, tree) {
            Ok(kernel) => {
                tracing::info!(from = ?self.tree, to = ?tree, "containers sit in another cgroup tree");
                (self.kernel, self.tree) = (kernel, tree);
                self.tracked.clear();
                self.scan();
            }
            Err(error) => tracing::error!(%error, ?tree, "cannot move to another cgroup tree"),
        }
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        let mount = self
            .hierarchies
            .mount_of(self.tree)
            .unwrap_or(Path::new("/"));
        mount.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn missed(label: &Label, reason: String) -> v1::MissingTarget {
    v1::MissingTarget {
        pod_uid: label.pod_uid.clone(),
        container_name: label.container.clone(),
        reason,
    }
}

/// The totals of now, if they can be read.
fn throttling(of: &CpuStat, scratch: &mut String) -> Option<Throttling> {
    of.read(scratch)
        .inspect_err(|error| tracing::debug!(%error, ?of, "cannot read throttling"))
        .ok()
}

fn open_kernel(hierarchies: &Hierarchies, tree: Tree) -> Result<Kernel, KernelError> {
    Kernel::open(Options::new(tree, hierarchies.v2().map(Path::to_path_buf)))
}
