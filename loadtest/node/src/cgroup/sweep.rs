//! Removing what a killed node left behind: its cgroup trees and the processes inside.

use std::path::Path;
use std::time::{Duration, Instant};

use super::group::{children, kill_below, removed};
use super::layout;
use super::tree::{CgroupError, detect};

/// How long killed processes may take to disappear.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look again meanwhile.
const POLL: Duration = Duration::from_millis(5);

/// What a sweep found and removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Processes that were killed.
    pub processes: usize,
    /// Directories that were removed, over all hierarchies.
    pub cgroups: usize,
}

/// Kills everything in the node's cgroup trees and removes them. The caller holds the node's lock:
/// this does not ask whether the node is alive. Blocks until the trees are gone.
///
/// # Errors
/// When `/proc/mounts` cannot be read, or a directory is still in use after 10 s.
pub(crate) fn sweep_tree(node_name: &str) -> Result<Swept, CgroupError> {
    let root = layout::node_root(node_name);
    let mut swept = Swept::default();
    for hierarchy in detect()? {
        let tree = hierarchy.mount.join(&root);
        let (directories, start) = (count(&tree), Instant::now());
        let mut killed = kill_below(&tree, hierarchy.version);
        while !removed(&tree) {
            if start.elapsed() >= PATIENCE {
                return Err(CgroupError::StillInUse {
                    path: tree,
                    waited: start.elapsed(),
                });
            }
            std::thread::sleep(POLL);
            killed = killed.max(kill_below(&tree, hierarchy.version));
        }
        // A process is in several hierarchies: count it where most are seen.
        swept.processes = swept.processes.max(killed);
        swept.cgroups += directories;
    }
    Ok(swept)
}

fn count(directory: &Path) -> usize {
    let below: usize = children(directory).iter().map(|child| count(child)).sum();
    below + usize::from(directory.is_dir())
}
