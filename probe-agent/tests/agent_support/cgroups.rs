//! Cgroups that are named as the kubelet names a container's, with a process that spins inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use probe_agent::hierarchy::{Hierarchies, Tree};

use super::{eventually, require_root};

const PREFIX: &str = "viperscale-agent-test-";

/// A container's cgroup in each tree of this host; removed, with its processes, when dropped.
#[derive(Debug)]
pub struct Container {
    pub pod_uid: String,
    pub id: String,
    /// Its path below every mount.
    pub path: PathBuf,
    top: PathBuf,
    mounts: Vec<PathBuf>,
    processes: Vec<Child>,
}

impl Container {
    /// Names for a container that does not exist yet.
    pub fn planned() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        require_root();
        let mounts = mounts();
        SWEEP.call_once(|| sweep(&mounts));
        let (process, number) = (std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let pod_uid = format!("{process:08x}-{number:04x}-4000-8000-000000000000");
        let id = format!("{process:032x}{number:032x}");
        let top = PathBuf::from(format!("{PREFIX}{process}-{number}"));
        let path = top
            .join("kubepods/burstable")
            .join(format!("pod{pod_uid}"))
            .join(&id);
        Self {
            pod_uid,
            id,
            path,
            top,
            mounts,
            processes: Vec::new(),
        }
    }

    /// Another container of the same pod, such as its pause container or one that initialised it. It
    /// must be dropped before this one.
    pub fn sibling(&self) -> Self {
        let other = Self::planned();
        let sibling = Self {
            pod_uid: self.pod_uid.clone(),
            path: self.path.with_file_name(&other.id),
            // Its own directory only: the pod is ours to remove.
            top: self.path.with_file_name(&other.id),
            id: other.id.clone(),
            mounts: self.mounts.clone(),
            processes: Vec::new(),
        };
        sibling.make();
        sibling
    }

    /// A cgroup inside the container, as a nested runtime or systemd makes them, with what is needed to
    /// put a process there. It must be dropped before this one.
    pub fn nested(&self, name: &str) -> Self {
        let nested = Self {
            pod_uid: self.pod_uid.clone(),
            path: self.path.join(name),
            top: self.path.join(name),
            id: self.id.clone(),
            mounts: self.mounts.clone(),
            processes: Vec::new(),
        };
        nested.make();
        nested
    }

    /// A container that exists.
    pub fn create() -> Self {
        let container = Self::planned();
        container.make();
        container
    }

    /// Makes the cgroups.
    pub fn make(&self) {
        for mount in &self.mounts {
            fs::create_dir_all(mount.join(&self.path)).expect("make a cgroup");
        }
    }

    /// Removes the cgroups with the processes inside; [`Container::make`] makes new ones.
    pub fn unmake(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        self.processes.clear();
        for mount in &self.mounts {
            remove_tree(&mount.join(&self.path));
        }
    }

    /// Starts a process in the container that never sleeps; returns its pid.
    pub fn spin(&mut self) -> u32 {
        let enter = self.entering();
        let child = Command::new("sh")
            .args(["-c", &format!("{enter} while :; do :; done")])
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell");
        let pid = child.id();
        self.processes.push(child);
        let own = format!("{}", self.path.display());
        eventually("the spinner is in its cgroup", || {
            fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .ok()
                .filter(|text| text.matches(&own).count() == self.mounts.len())
        });
        pid
    }

    /// A shell's commands that move it into the container: it moves itself, so that no work of the
    /// container happens outside of it.
    pub fn entering(&self) -> String {
        self.mounts
            .iter()
            .map(|mount| {
                format!(
                    "echo $$ > {}; ",
                    mount.join(&self.path).join("cgroup.procs").display()
                )
            })
            .collect()
    }

    /// Limits the container to this share of one CPU.
    pub fn limit(&self, percent: u32) {
        let directory = |tree| self.mount(tree).map(|mount| mount.join(&self.path));
        if let Some(cpu) = directory(Tree::V1Cpu) {
            fs::write(cpu.join("cpu.cfs_quota_us"), (percent * 1_000).to_string())
                .expect("a quota");
        } else if let Some(unified) = directory(Tree::V2) {
            fs::write(
                unified.join("cpu.max"),
                format!("{} 100000", percent * 1_000),
            )
            .expect("a quota");
        }
    }

    fn mount(&self, tree: Tree) -> Option<PathBuf> {
        hierarchies().mount_of(tree).map(Path::to_path_buf)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        for mount in &self.mounts {
            remove_tree(&mount.join(&self.top));
        }
    }
}

/// On-CPU time and time waiting for a CPU of a process, in ns, as the kernel itself counts them.
pub fn schedstat(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("schedstat");
    let mut numbers = text
        .split_whitespace()
        .map(|number| number.parse().expect("a number"));
    (
        numbers.next().expect("on-CPU time"),
        numbers.next().expect("waiting time"),
    )
}

fn hierarchies() -> Hierarchies {
    Hierarchies::detect(Path::new("/sys/fs/cgroup")).expect("cgroups are mounted")
}

fn mounts() -> Vec<PathBuf> {
    let hierarchies = hierarchies();
    [Tree::V2, Tree::V1Cpu]
        .into_iter()
        .filter_map(|tree| hierarchies.mount_of(tree).map(Path::to_path_buf))
        .collect()
}

/// Removes what test processes left that were killed.
fn sweep(mounts: &[PathBuf]) {
    for mount in mounts {
        for entry in fs::read_dir(mount).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').next());
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                remove_tree(&entry.path());
            }
        }
    }
}

/// Removes cgroups from the leaves up, ending what still runs in them.
fn remove_tree(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::write(path.join("cgroup.kill"), "1");
    for pid in fs::read_to_string(path.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
    {
        if let Ok(pid) = pid.parse() {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
    if path.is_dir() {
        // Killed processes take a moment to leave.
        eventually("the cgroup can be removed", || {
            (fs::remove_dir(path).is_ok() || !path.exists()).then_some(())
        });
    }
}
