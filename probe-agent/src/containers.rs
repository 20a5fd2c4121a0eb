//! Which containers live on this node, and every cgroup that is part of each.
//!
//! ```text
//!  mkdir/rmdir ──inotify──▶ watch ──nudge──▶ scan ──▶ Inventory: container id → pod, cgroup ids
//!                    every 10 s, whatever was seen ──▲
//! ```
//!
//! A scan is the truth; inotify only says when to scan at once, so a lost event costs at most the
//! time to the next regular scan.

mod scan;
mod watch;

use std::collections::HashMap;
use std::path::PathBuf;

pub use scan::{Limits, ScanError, cgroup_id, choose_tree, scan, subtree_ids};
pub use watch::{WatchError, Watcher};

use crate::cgroup::{ContainerId, PodUid};

/// The containers found by one scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Every container, the pods' pause containers included.
    pub containers: HashMap<ContainerId, Container>,
    /// Directories in which a container, or a cgroup inside one, could appear next.
    pub nurseries: Vec<PathBuf>,
    /// Whether [`Limits`] cut the scan short, so that containers may be absent from it.
    pub truncated: bool,
}

/// One container's place in the tree that was scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The pod that owns it, as its cgroup names it.
    pub pod: PodUid,
    /// Path of its topmost cgroup, relative to the mount, with a leading slash.
    pub path: String,
    /// The ids (inode numbers) of that cgroup and of all its descendants.
    pub cgroups: Vec<u64>,
}
