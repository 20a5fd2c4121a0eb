//! Measures what a plan asks for: joins containers, kernel and samples. Blocking and single-threaded.
//!
//! ```text
//!  Selection ──┐
//!  Inventory ──┴▶ wanted ──reconcile──▶ Kernel slots ──sample──▶ Interval
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use viperscale_proto::v1;

use crate::containers::{self, Inventory, Limits, ScanError};
use crate::hierarchy::{Hierarchies, HierarchyError, Tree};
use crate::kernel::{Kernel, KernelError};
use crate::node::NodeTotals;
use crate::plan::Selection;

mod interval;
mod scan;
mod tracked;
mod wanted;

pub use interval::{Interval, Label, Measured};
use scan::open_kernel;
use tracked::{Tracked, Trees};
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

/// Measures containers with one [`Kernel`].
#[derive(Debug)]
pub struct Monitor {
    kernel: Kernel,
    max_containers: u32,
    trees: Trees,
    inventory: Inventory,
    selection: Selection,
    revision: u64,
    tracked: BTreeMap<String, Tracked>,
    missing: Vec<v1::MissingTarget>,
    /// Whether a container had to be refused because a table was full.
    full: bool,
    node: NodeTotals,
    since: Instant,
    scratch: String,
}

impl Monitor {
    /// Finds the cgroups at or below `cgroup_root` and tries what the kernel can measure, of
    /// `max_containers` at once. Leaves nothing attached.
    pub fn open(cgroup_root: &Path, max_containers: u32) -> Result<Self, MonitorError> {
        let hierarchies = Hierarchies::detect(cgroup_root)?;
        let tree = containers::choose_tree(&hierarchies, Limits::default())?;
        Self::open_tree(hierarchies, tree, max_containers)
    }

    /// The same with the tree given.
    pub fn open_tree(
        hierarchies: Hierarchies,
        tree: Tree,
        max_containers: u32,
    ) -> Result<Self, MonitorError> {
        Ok(Self {
            kernel: open_kernel(&hierarchies, tree, max_containers)?,
            max_containers,
            trees: Trees {
                hierarchies,
                tree,
                limits: Limits::default(),
            },
            inventory: Inventory::default(),
            selection: Selection::NOTHING,
            revision: 0,
            tracked: BTreeMap::new(),
            missing: Vec::new(),
            full: false,
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
        self.admit_wanted();
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
        if self.full {
            // There may be room now.
            self.admit_wanted();
        }
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
                    match tracked.sample(reading, now, &mut self.scratch) {
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
                    tracked.miss();
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

    /// Measures every wanted container, or says why not.
    fn admit_wanted(&mut self) {
        let wish = self.wish();
        (self.missing, self.full) = (wish.missing, false);
        for wanted in wish.wanted {
            if let Err(error) = self.admit(&wanted) {
                self.full |= matches!(
                    error,
                    KernelError::Full { .. } | KernelError::TooManyCgroups { .. }
                );
                self.missing.push(missed(&wanted.label, error.to_string()));
            }
        }
    }

    /// Measures a wanted container, or adjusts how it is measured.
    fn admit(&mut self, wanted: &Wanted) -> Result<(), KernelError> {
        let now = Instant::now();
        if let Some(tracked) = self.tracked.get_mut(&wanted.label.path) {
            return tracked.adjust(&mut self.kernel, &self.trees, wanted, now);
        }
        let tracked = Tracked::begin(
            &mut self.kernel,
            &self.trees,
            wanted,
            now,
            &mut self.scratch,
        )?;
        self.tracked.insert(wanted.label.path.clone(), tracked);
        Ok(())
    }

    fn wish(&self) -> Wish {
        match &self.selection {
            Selection::Targets(targets) => {
                wanted::targets(targets, &self.inventory, self.kernel.support())
            }
            Selection::EveryContainer(wishes) => wanted::every_container(&self.inventory, wishes),
            Selection::Cgroups(paths, wishes) => wanted::cgroups(paths, wishes, |path| {
                containers::subtree_ids(&self.absolute(path), self.trees.limits)
            }),
        }
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        let mount = self
            .trees
            .hierarchies
            .mount_of(self.trees.tree)
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
