//! Creating and limiting cgroups, in all hierarchies at once. Blocks for at most milliseconds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::group::{Group, Member};
use super::layout;
use super::mounts::{self, Hierarchy, Version};
use super::resources::Resources;
use super::usage::{Meters, NoMeter};

/// Controllers that a v2 hierarchy passes down to pods.
const V2_CONTROLLERS: [&str; 5] = ["cpu", "memory", "pids", "io", "cpuset"];
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
