//! What a run could leave behind on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::programs;

/// How long the kernel may take to free a BPF program whose last descriptor is closed.
const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// What there is at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// Command lines of live processes of ours.
    pub processes: BTreeSet<String>,
    /// The node's cgroup trees in every hierarchy.
    pub cgroups: BTreeSet<PathBuf>,
    /// Ids of loaded BPF programs.
    pub bpf_programs: BTreeSet<u32>,
    /// Lines of the mount table.
    pub mounts: BTreeSet<String>,
}

impl Traces {
    /// Looks at the machine; `dir` is the directory of the run.
    ///
    /// # Panics
    /// When the kernel does not tell.
    pub fn of(dir: &Path) -> Self {
        let programs = aya::programs::loaded_programs();
        Self {
            processes: processes_of(dir).into_iter().collect(),
            cgroups: cgroups().into_iter().collect(),
            bpf_programs: programs.map(|program| program.unwrap().id()).collect(),
            mounts: mount_table().lines().map(str::to_owned).collect(),
        }
    }

    /// What there is and was not there `before`: nothing, after a run that leaves nothing behind. What an earlier run
    /// left when the machine went down under it may be gone: starting cleans up.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            processes: &self.processes - &before.processes,
            cgroups: &self.cgroups - &before.cgroups,
            bpf_programs: &self.bpf_programs - &before.bpf_programs,
            mounts: &self.mounts - &before.mounts,
        }
    }
}

/// What the run in `dir` has left, of what was not there `before`. BPF programs have a moment to go: the kernel frees
/// them after a grace period. Everything else must be gone already.
///
/// # Panics
/// When the kernel does not tell.
#[must_use]
pub fn left_since(dir: &Path, before: &Traces) -> Traces {
    let deadline = Instant::now() + GRACE_PERIOD;
    loop {
        let left = Traces::of(dir).since(before);
        let programs_only = Traces {
            bpf_programs: left.bpf_programs.clone(),
            ..Traces::default()
        };
        if left.bpf_programs.is_empty() || left != programs_only || Instant::now() > deadline {
            return left;
        }
        thread::sleep(Duration::from_millis(50));
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
    let mounts = mount_table();
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

fn mount_table() -> String {
    fs::read_to_string("/proc/self/mounts").unwrap()
}

fn command_lines() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let read = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
    entries
        .filter_map(read)
        .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "))
}
