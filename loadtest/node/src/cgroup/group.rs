//! One cgroup: joining, killing and removing it, in all hierarchies at once.
//!
//! Everything here blocks for at most milliseconds, except [`Group::remove`], which waits for
//! killed processes to be gone: call that one off the async threads.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::mounts::Version;
use super::tree::{CgroupError, io_error};

/// How often removal looks again for processes that are still dying.
const REMOVE_POLL: Duration = Duration::from_millis(5);

/// One cgroup, as a directory in every hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(super) path: PathBuf,
    pub(super) members: Vec<Member>,
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) directory: PathBuf,
    pub(super) version: Version,
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
