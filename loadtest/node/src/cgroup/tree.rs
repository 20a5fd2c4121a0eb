//! Creating, limiting, joining, killing and removing cgroups, in all hierarchies at once.
//!
//! Everything here blocks for at most milliseconds, except [`Group::remove`], which waits for
//! killed processes to be gone: call that one off the async threads.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout;
use super::mounts::{self, Hierarchy, Version};
use super::resources::Resources;
use super::usage::{Meters, NoMeter};

/// Controllers that a v2 hierarchy passes down to pods.
const V2_CONTROLLERS: [&str; 5] = ["cpu", "memory", "pids", "io", "cpuset"];
/// How often removal looks again for processes that are still dying.
const REMOVE_POLL: Duration = Duration::from_millis(5);

/// What went wrong with a cgroup.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file or directory could not be read, written, made or removed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The verb: read, write, create, remove, join.
        action: &'static str,
        /// What it acted on.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// No hierarchy can limit CPU time, which is what the node is for.
    #[error(
        "no writable cgroup hierarchy with the cpu controller in /proc/mounts ({found}); \
         mount one (v2 with cpu in cgroup.controllers, or v1 cpu) or run where cgroups are writable"
    )]
    NoCpuController {
        /// The hierarchies that were found.
        found: String,
    },
    /// Processes or directories were still there at the deadline.
    #[error("cgroup {} is still in use after {waited:?} of killing its processes", path.display())]
    StillInUse {
        /// The directory.
        path: PathBuf,
        /// How long removal was tried.
        waited: Duration,
    },
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    move |source| CgroupError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// The hierarchies of this machine that pods of one node live in.
#[derive(Debug)]
pub(crate) struct Cgroups {
    node_name: String,
    hierarchies: Vec<Hierarchy>,
}

impl Cgroups {
    /// Detects the hierarchies and makes the node's directories in each. A hierarchy that refuses
    /// is left out with a note in the log, unless it is the one that limits CPU.
    ///
    /// # Errors
    /// When no hierarchy can limit CPU.
    pub(crate) fn open(node_name: &str) -> Result<Self, CgroupError> {
        let detected = detect()?;
        let found: Vec<_> = detected
            .iter()
            .map(|h| h.mount.display().to_string())
            .collect();
        let mut cgroups = Self {
            node_name: node_name.to_owned(),
            hierarchies: Vec::new(),
        };
        for hierarchy in detected {
            match cgroups.prepare(&hierarchy) {
                Ok(()) => cgroups.hierarchies.push(hierarchy),
                Err(error) => {
                    tracing::warn!(mount = %hierarchy.mount.display(), %error, "hierarchy left out");
                }
            }
        }
        if !cgroups
            .hierarchies
            .iter()
            .any(|hierarchy| hierarchy.has("cpu"))
        {
            return Err(CgroupError::NoCpuController {
                found: found.join(", "),
            });
        }
        if !cgroups
            .hierarchies
            .iter()
            .any(|hierarchy| hierarchy.has("memory"))
        {
            tracing::warn!("no memory controller: memory limits of pods are not enforced");
        }
        Ok(cgroups)
    }

    fn prepare(&self, hierarchy: &Hierarchy) -> Result<(), CgroupError> {
        let best_effort = layout::class_root(&self.node_name, super::Qos::BestEffort);
        for path in [
            &best_effort,
            &layout::class_root(&self.node_name, super::Qos::Burstable),
        ] {
            make_path(hierarchy, path)?;
        }
        let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let whole_node = Resources::weight(cpus * 1_000);
        apply(hierarchy, &layout::node_root(&self.node_name), &whole_node)?;
        apply(hierarchy, &layout::pods_root(&self.node_name), &whole_node)?;
        apply(hierarchy, &best_effort, &Resources::weight(0))
    }

    /// Where the usage of cgroups can be read.
    ///
    /// # Errors
    /// When no hierarchy accounts for CPU time, or none for memory.
    pub(crate) fn meters(&self) -> Result<Meters, NoMeter> {
        Meters::among(&self.hierarchies)
    }

    /// Gives the burstable class the weight of what its pods request together, as the kubelet does.
    ///
    /// # Errors
    /// When the kernel refuses the value.
    pub(crate) fn set_burstable_weight(&self, milli_cpu: u64) -> Result<(), CgroupError> {
        let path = layout::class_root(&self.node_name, super::Qos::Burstable);
        let resources = Resources::weight(milli_cpu);
        self.hierarchies
            .iter()
            .try_for_each(|hierarchy| apply(hierarchy, &path, &resources))
    }

    /// Makes the cgroup `path` (relative to each mount) with its limits, in every hierarchy.
    ///
    /// # Errors
    /// When a directory cannot be made or the CPU controller refuses a value; what was made so far
    /// is removed again.
    pub(crate) fn create(&self, path: &Path, resources: &Resources) -> Result<Group, CgroupError> {
        let group = Group {
            path: path.to_owned(),
            members: self
                .hierarchies
                .iter()
                .map(|h| Member {
                    directory: h.mount.join(path),
                    version: h.version,
                })
                .collect(),
        };
        let made = self.hierarchies.iter().try_for_each(|hierarchy| {
            make_path(hierarchy, path)?;
            apply(hierarchy, path, resources)
        });
        match made {
            Ok(()) => Ok(group),
            Err(error) => {
                for member in &group.members {
                    // Best effort: the reason for the failure is what the caller needs to see.
                    let _ = fs::remove_dir(&member.directory);
                }
                Err(error)
            }
        }
    }
}

/// The hierarchies in `/proc/mounts`, with the controllers of v2 filled in.
pub(super) fn detect() -> Result<Vec<Hierarchy>, CgroupError> {
    let path = Path::new("/proc/mounts");
    let text = fs::read_to_string(path).map_err(io_error("read", path))?;
    let mut hierarchies = mounts::parse(&text);
    for hierarchy in hierarchies.iter_mut().filter(|h| h.version == Version::V2) {
        let path = hierarchy.mount.join("cgroup.controllers");
        let names = fs::read_to_string(&path).map_err(io_error("read", &path))?;
        hierarchy.controllers = names.split_whitespace().map(str::to_owned).collect();
    }
    Ok(hierarchies)
}

/// Makes every directory of `path` below the mount, each able to pass controllers on.
fn make_path(hierarchy: &Hierarchy, path: &Path) -> Result<(), CgroupError> {
    let mut directory = hierarchy.mount.clone();
    for part in path {
        if hierarchy.version == Version::V2 {
            delegate(hierarchy, &directory)?;
        }
        let parent = directory.clone();
        directory.push(part);
        match fs::create_dir(&directory) {
            Ok(()) if hierarchy.has("cpuset") && hierarchy.version == Version::V1 => {
                inherit_cpuset(&parent, &directory)?;
            }
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("create", &directory)(error)),
        }
    }
    Ok(())
}

/// Lets children of a v2 cgroup have the controllers that it has itself.
fn delegate(hierarchy: &Hierarchy, directory: &Path) -> Result<(), CgroupError> {
    let path = directory.join("cgroup.subtree_control");
    for controller in V2_CONTROLLERS
        .iter()
        .filter(|controller| hierarchy.has(controller))
    {
        let written = fs::write(&path, format!("+{controller}"));
        match (written, *controller) {
            (Err(error), "cpu") => {
                return Err(io_error("enable the cpu controller in", &path)(error));
            }
            (Err(error), _) => {
                tracing::debug!(path = %path.display(), controller, %error, "not delegated")
            }
            (Ok(()), _) => {}
        }
    }
    Ok(())
}

/// A new v1 cpuset has no CPU and no memory node, and takes no process before it has both.
fn inherit_cpuset(parent: &Path, directory: &Path) -> Result<(), CgroupError> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (parent.join(file), directory.join(file));
        let value = fs::read_to_string(&from).map_err(io_error("read", &from))?;
        fs::write(&to, value.trim()).map_err(io_error("write", &to))?;
    }
    Ok(())
}

/// Writes limits. The CPU's must succeed; the others are noted when the kernel lacks them.
fn apply(hierarchy: &Hierarchy, path: &Path, resources: &Resources) -> Result<(), CgroupError> {
    for (file, value) in resources.writes(hierarchy) {
        let target = hierarchy.mount.join(path).join(file);
        match fs::write(&target, &value) {
            Ok(()) => {}
            Err(error) if file.starts_with("cpu.") => {
                return Err(io_error("write", &target)(error));
            }
            // Without swap accounting there is nothing to limit.
            Err(error) if file.contains("swap") || file.contains("memsw") => {
                tracing::debug!(file = %target.display(), %error, "swap is not limited");
            }
            Err(error) => {
                tracing::warn!(file = %target.display(), value, %error, "limit not enforced")
            }
        }
    }
    Ok(())
}

/// One cgroup, as a directory in every hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    path: PathBuf,
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    directory: PathBuf,
    version: Version,
}

impl Group {
    /// The path relative to each mount.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// One open `cgroup.procs` per hierarchy: a process that writes `0` to each is inside.
    ///
    /// # Errors
    /// When one cannot be opened, for instance because the cgroup was removed.
    pub(crate) fn entrances(&self) -> Result<Vec<File>, CgroupError> {
        self.members
            .iter()
            .map(|member| {
                let path = member.directory.join("cgroup.procs");
                OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .map_err(io_error("open", &path))
            })
            .collect()
    }

    /// Kills every process of the group and of groups below it. Does not wait.
    pub(crate) fn kill(&self) {
        for member in &self.members {
            kill_below(&member.directory, member.version);
        }
    }

    /// Kills what is inside and removes the directories, those below first.
    ///
    /// # Errors
    /// When a directory still cannot be removed at the deadline.
    pub(crate) fn remove(&self, patience: Duration) -> Result<(), CgroupError> {
        let start = Instant::now();
        loop {
            self.kill();
            let left = self
                .members
                .iter()
                .find(|member| !removed(&member.directory));
            match left {
                None => return Ok(()),
                Some(member) if start.elapsed() >= patience => {
                    return Err(CgroupError::StillInUse {
                        path: member.directory.clone(),
                        waited: start.elapsed(),
                    });
                }
                Some(_) => std::thread::sleep(REMOVE_POLL),
            }
        }
    }

    /// How often the kernel's out-of-memory killer struck in this group; 0 when it does not say.
    pub(crate) fn oom_kills(&self) -> u64 {
        let files = ["memory.oom_control", "memory.events"];
        self.members
            .iter()
            .flat_map(|member| files.map(|file| member.directory.join(file)))
            .filter_map(|file| fs::read_to_string(file).ok())
            .filter_map(|text| {
                text.lines()
                    .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())
            })
            .sum()
    }
}

/// Sends SIGKILL to every process at and below `directory`; returns how many were seen.
pub(super) fn kill_below(directory: &Path, version: Version) -> usize {
    let members = processes_below(directory);
    // cgroup.kill (v2, 5.14+) also catches what forks meanwhile; signals serve everywhere else.
    let whole = version == Version::V2 && fs::write(directory.join("cgroup.kill"), "1").is_ok();
    if !whole {
        for pid in &members {
            // ESRCH: it died by itself, which is what is wanted.
            let _ = kill(*pid, Signal::SIGKILL);
        }
    }
    members.len()
}

fn processes_below(directory: &Path) -> Vec<Pid> {
    let own = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<Pid> = own
        .lines()
        .filter_map(|line| line.parse().ok())
        .map(Pid::from_raw)
        .collect();
    for child in children(directory) {
        pids.extend(processes_below(&child));
    }
    // 0 stands for a process outside our PID namespace, and would signal our own group.
    pids.retain(|pid| pid.as_raw() > 0);
    pids
}

/// Removes the directory and all below it, depth first; true when it is gone.
pub(super) fn removed(directory: &Path) -> bool {
    for child in children(directory) {
        removed(&child);
    }
    match fs::remove_dir(directory) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

pub(super) fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
