//! What a run could leave behind on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::programs;

/// What there is at a moment; equal before and after a run that leaves nothing behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// Command lines of live processes of ours.
    pub processes: Vec<String>,
    /// The node's cgroup trees in every hierarchy.
    pub cgroups: Vec<PathBuf>,
    /// Ids of loaded BPF programs.
    pub bpf_programs: BTreeSet<u32>,
    /// The mount table.
    pub mounts: String,
}

impl Traces {
    /// Looks at the machine; `dir` is the directory of the run.
    ///
    /// # Panics
    /// When the kernel does not tell.
    pub fn of(dir: &Path) -> Self {
        let programs = aya::programs::loaded_programs();
        Self {
            processes: processes_of(dir),
            cgroups: cgroups(),
            bpf_programs: programs.map(|program| program.unwrap().id()).collect(),
            mounts: fs::read_to_string("/proc/self/mounts").unwrap(),
        }
    }
}

/// Live processes of the run in `dir`: those that name it, and the shop's.
///
/// # Panics
/// When `/proc` cannot be read.
pub fn processes_of(dir: &Path) -> Vec<String> {
    let dir = dir.to_string_lossy();
    let shop = programs().demo_shop.to_string_lossy();
    let ours = |line: &String| line.contains(&*dir) || line.starts_with(&*shop);
    command_lines().filter(ours).collect()
}

/// How many pods of the shop run.
///
/// # Panics
/// When `/proc` cannot be read.
pub fn shop_processes() -> usize {
    let shop = programs().demo_shop.to_string_lossy();
    command_lines()
        .filter(|line| line.starts_with(&*shop))
        .count()
}

/// The node's cgroup trees in every hierarchy.
///
/// # Panics
/// When the mount table cannot be read.
pub fn cgroups() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let hierarchies = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let path = fields.next()?;
        fields
            .next()?
            .starts_with("cgroup")
            .then(|| PathBuf::from(path))
    });
    let tree = |mount: PathBuf| mount.join(format!("viperscale-{}", loadtest::local::NODE_NAME));
    hierarchies.map(tree).filter(|path| path.exists()).collect()
}

fn command_lines() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let read = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
    entries
        .filter_map(read)
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
}
