//! Where cgroups are mounted, and which tree's ids name a container.
//!
//! Today's nodes have version 2 only. Hybrid hosts have one tree per version 1 controller and a
//! version 2 tree without controllers; recent runtimes fill that too, older ones do not. Ids
//! (inode numbers) collide **across** trees, so exactly one tree provides them.

use std::fmt;
use std::path::{Path, PathBuf};

use procfs::{MountEntry, ProcError};

/// The cgroup trees of this host that matter to the agent. At least one is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchies {
    v2: Option<PathBuf>,
    v1_cpu: Option<PathBuf>,
    v1_io: Option<PathBuf>,
    v1_pids: Option<PathBuf>,
}

/// What kind of cgroup host this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Version 2 only.
    Unified,
    /// Version 1 controllers and a version 2 tree beside them.
    Hybrid,
    /// Version 1 only: bytes per container cannot be told apart.
    Legacy,
}

/// The tree whose directories' inode numbers are the ids of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// The version 2 tree.
    V2,
    /// The version 1 `cpu` controller's tree.
    V1Cpu,
}

/// No usable tree of cgroups.
#[derive(Debug, thiserror::Error)]
pub enum HierarchyError {
    /// The list of mounts is unreadable.
    #[error("cannot read /proc/self/mounts: {0}; mount procfs at /proc")]
    Mounts(#[source] ProcError),
    /// Neither version is mounted where it was looked for.
    #[error(
        "no cgroup hierarchy is mounted at or below {0}; mount one \
         (`mount -t cgroup2 none {0}`), or in a pod mount the host's /sys/fs/cgroup and point \
         --cgroup-root at it"
    )]
    NotMounted(PathBuf),
}

impl Hierarchies {
    /// Looks for mounted trees at or below `root`, usually `/sys/fs/cgroup`.
    pub fn detect(root: &Path) -> Result<Self, HierarchyError> {
        Self::among(root, procfs::mounts().map_err(HierarchyError::Mounts)?)
    }

    /// The same, from a given list of mounts.
    pub fn among(
        root: &Path,
        mounts: impl IntoIterator<Item = MountEntry>,
    ) -> Result<Self, HierarchyError> {
        let mut found = Self {
            v2: None,
            v1_cpu: None,
            v1_io: None,
            v1_pids: None,
        };
        for mount in mounts {
            let path = PathBuf::from(&mount.fs_file);
            if !path.starts_with(root) {
                continue;
            }
            if mount.fs_vfstype == "cgroup2" {
                keep_shorter(&mut found.v2, path);
                continue;
            }
            for (controller, tree) in [
                ("cpu", &mut found.v1_cpu),
                ("blkio", &mut found.v1_io),
                ("pids", &mut found.v1_pids),
            ] {
                if mount.fs_vfstype == "cgroup" && mount.fs_mntops.contains_key(controller) {
                    keep_shorter(tree, path.clone());
                }
            }
        }
        if found.v2.is_none() && found.v1_cpu.is_none() {
            return Err(HierarchyError::NotMounted(root.to_path_buf()));
        }
        Ok(found)
    }

    /// What kind of host this is.
    pub fn mode(&self) -> Mode {
        match (&self.v2, &self.v1_cpu) {
            (Some(_), None) => Mode::Unified,
            (Some(_), Some(_)) => Mode::Hybrid,
            (None, _) => Mode::Legacy,
        }
    }

    /// Whether more than one tree could name containers.
    pub fn needs_choice(&self) -> bool {
        self.mode() == Mode::Hybrid
    }

    /// Where the version 2 tree is mounted.
    pub fn v2(&self) -> Option<&Path> {
        self.v2.as_deref()
    }

    /// Where `tree` is mounted, if it is.
    pub fn mount_of(&self, tree: Tree) -> Option<&Path> {
        match tree {
            Tree::V2 => self.v2.as_deref(),
            Tree::V1Cpu => self.v1_cpu.as_deref(),
        }
    }

    /// Where the tree is mounted whose ids block devices know; `None` if its controller is nowhere.
    pub fn io(&self) -> Option<&Path> {
        self.v1_io.as_deref().or(self.v2())
    }

    /// Where the version 1 controller that counts threads is mounted.
    pub fn v1_pids(&self) -> Option<&Path> {
        self.v1_pids.as_deref()
    }

    /// The tree that enforces CPU quotas and counts throttling.
    pub fn quota_tree(&self) -> (Tree, &Path) {
        match (&self.v1_cpu, &self.v2) {
            (Some(path), _) => (Tree::V1Cpu, path),
            (None, Some(path)) => (Tree::V2, path),
            (None, None) => unreachable!("`among` refuses hosts without any tree"),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unified => "v2 (unified)",
            Self::Hybrid => "hybrid (v1 controllers, v2 tree)",
            Self::Legacy => "v1 only",
        })
    }
}

/// The same tree can be mounted again further down, inside a container's root file system for example;
/// the shortest path is the host's own.
fn keep_shorter(slot: &mut Option<PathBuf>, path: PathBuf) {
    let shorter = slot
        .as_ref()
        .is_none_or(|kept| path.as_os_str().len() < kept.as_os_str().len());
    if shorter {
        *slot = Some(path);
    }
}

#[cfg(test)]
mod tests {
    use procfs::FromBufRead;

    use super::*;

    const HYBRID: &str = "\
proc /proc proc rw 0 0
tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0
cgroup /sys/fs/cgroup/blkio cgroup rw,relatime,blkio 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
";
    const UNIFIED: &str = "\
cgroup2 /var/lib/machines/a/sys/fs/cgroup cgroup2 rw 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0
cgroup2 /sys/fs/cgroup/again cgroup2 rw,nosuid 0 0
";

    fn among(root: &str, mounts: &str) -> Result<Hierarchies, HierarchyError> {
        let mounts = Vec::<MountEntry>::from_buf_read(mounts.as_bytes()).expect("mounts");
        Hierarchies::among(Path::new(root), mounts)
    }

    #[test]
    fn a_unified_host_has_one_tree_for_everything() {
        let found = among("/sys/fs/cgroup", UNIFIED).expect("mounted");
        assert_eq!(found.mode(), Mode::Unified);
        assert_eq!(found.mount_of(Tree::V2), Some(Path::new("/sys/fs/cgroup")));
        assert_eq!(found.quota_tree(), (Tree::V2, Path::new("/sys/fs/cgroup")));
    }

    #[test]
    fn a_hybrid_host_counts_quotas_in_version_1() {
        let found = among("/sys/fs/cgroup", HYBRID).expect("mounted");
        assert_eq!(found.mode(), Mode::Hybrid);
        assert_eq!(found.v2(), Some(Path::new("/sys/fs/cgroup/unified")));
        let v1 = Path::new("/sys/fs/cgroup/cpu,cpuacct");
        assert_eq!(found.quota_tree(), (Tree::V1Cpu, v1));
        assert_eq!(found.io(), Some(Path::new("/sys/fs/cgroup/blkio")));
        assert_eq!(found.v1_pids(), None);
    }

    #[test]
    fn nothing_mounted_says_what_to_do() {
        let error = among("/sys/fs/cgroup", "proc /proc proc rw 0 0\n").expect_err("no cgroups");
        assert!(error.to_string().contains("mount -t cgroup2"), "{error}");
        assert!(
            among("/nowhere", UNIFIED).is_err(),
            "mounts elsewhere do not count"
        );
    }
}
