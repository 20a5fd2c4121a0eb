//! A cgroup for this process to be measured in.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use probe_agent::hierarchy::{Hierarchies, Tree};

/// Followed by the process id.
const PREFIX: &str = "viperscale-bench-";

/// This process' stay in a cgroup of its own; it goes back where it was when this is dropped.
#[derive(Debug)]
pub(super) struct Stay {
    mount: PathBuf,
    tree: Tree,
    path: PathBuf,
    before: PathBuf,
    id: u64,
    /// In the tree of the block I/O controller, where that is a tree of its own.
    io: Option<IoStay>,
}

#[derive(Debug)]
struct IoStay {
    path: PathBuf,
    before: PathBuf,
    id: u64,
}

impl Stay {
    pub(super) fn in_new_cgroup() -> Result<Self> {
        let hierarchies = Hierarchies::detect(Path::new("/sys/fs/cgroup"))?;
        let (tree, mount) = match hierarchies.v2() {
            Some(mount) => (Tree::V2, mount.to_path_buf()),
            None => {
                let (tree, mount) = hierarchies.quota_tree();
                (tree, mount.to_path_buf())
            }
        };
        sweep(&mount);
        let before = mount.join(current(tree)?.trim_start_matches('/'));
        let path = mount.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let id = fs::metadata(&path).context("the new cgroup is gone")?.ino();
        let mut stay = Self {
            mount,
            tree,
            path,
            before,
            id,
            io: None,
        };
        enter(&stay.path)?;
        if let Some(mount) = hierarchies.io().filter(|mount| **mount != *stay.mount) {
            stay.io = Some(IoStay::below(mount)?);
        }
        Ok(stay)
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The id of the cgroup in the tree of the block I/O controller, where that is a tree of its own.
    pub(super) fn io_id(&self) -> Option<u64> {
        self.io.as_ref().map(|io| io.id)
    }

    pub(super) fn tree(&self) -> Tree {
        self.tree
    }

    pub(super) fn v2_mount(&self) -> Option<PathBuf> {
        (self.tree == Tree::V2).then(|| self.mount.clone())
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        leave(&self.path, &self.before);
    }
}

impl IoStay {
    fn below(mount: &Path) -> Result<Self> {
        sweep(mount);
        let of_blkio = |controllers: &str| controllers.split(',').any(|one| one == "blkio");
        let before = mount.join(path_where(of_blkio)?.trim_start_matches('/'));
        let path = mount.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let id = fs::metadata(&path).context("the new cgroup is gone")?.ino();
        let stay = Self { path, before, id };
        enter(&stay.path)?;
        Ok(stay)
    }
}

impl Drop for IoStay {
    fn drop(&mut self) {
        leave(&self.path, &self.before);
    }
}

/// Goes back, and removes what was left.
fn leave(path: &Path, before: &Path) {
    let left = enter(before).and_then(|()| Ok(fs::remove_dir(path)?));
    if let Err(error) = left {
        tracing::warn!(%error, cgroup = %path.display(), "left behind; remove it with rmdir");
    }
}

/// Removes what a killed run has left.
fn sweep(mount: &Path) {
    for entry in fs::read_dir(mount).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(run) = name.strip_prefix(PREFIX)
            && !Path::new("/proc").join(run).exists()
        {
            let _still_used = fs::remove_dir(entry.path());
        }
    }
}

/// The path of this process in `tree`.
fn current(tree: Tree) -> Result<String> {
    path_where(|controllers| match tree {
        Tree::V2 => controllers.is_empty(),
        Tree::V1Cpu => controllers.split(',').any(|one| one == "cpu"),
    })
}

/// The path of this process in the hierarchy whose controllers `fit`.
fn path_where(fit: impl Fn(&str) -> bool) -> Result<String> {
    let lines = fs::read_to_string("/proc/self/cgroup").context("cannot read /proc/self/cgroup")?;
    let found = lines.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        fit(controllers).then(|| path.to_owned())
    });
    found.context("this process is in no cgroup of the tree")
}

fn enter(path: &Path) -> Result<()> {
    fs::write(path.join("cgroup.procs"), std::process::id().to_string())
        .with_context(|| format!("cannot move this process to {}", path.display()))
}
