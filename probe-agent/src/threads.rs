//! How many threads a container has, from the files of its cgroup.
//!
//! Time off the CPU is the threads' time less their time on a CPU. The programs see threads only when
//! they run, so those that sleep must be counted here: at both ends of an interval.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hierarchy::{Hierarchies, Tree};

/// Where the number of one container's threads is read.
#[derive(Clone, Debug)]
pub struct Threads {
    /// The `pids` controller's count, descendants included, if that controller knows the container.
    counted: PathBuf,
    /// Else each cgroup lists its own.
    cgroup: PathBuf,
    list: &'static str,
}

/// The threads of a container over an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// The mean of both ends, rounded.
    pub threads: u64,
    /// That many threads' time over the interval.
    pub thread_ns: u64,
}

impl Threads {
    /// Those of the container at `path` (relative, as the scan found it) in `tree`.
    pub fn of(hierarchies: &Hierarchies, tree: Tree, path: &str) -> Self {
        let below = |mount: &Path| mount.join(path.trim_start_matches('/'));
        let own = below(hierarchies.mount_of(tree).unwrap_or(Path::new("/nowhere")));
        let pids = hierarchies.v1_pids().map_or_else(|| own.clone(), below);
        Self {
            counted: pids.join("pids.current"),
            cgroup: own,
            list: match tree {
                Tree::V2 => "cgroup.threads",
                Tree::V1Cpu => "tasks",
            },
        }
    }

    /// How many there are now; 0 when the container has ended.
    pub fn now(&self) -> u64 {
        let counted = fs::read_to_string(&self.counted).ok();
        counted
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or_else(|| listed(&self.cgroup, self.list))
    }
}

/// Threads listed in a cgroup and in those inside of it.
fn listed(cgroup: &Path, list: &str) -> u64 {
    let own = fs::read(cgroup.join(list)).unwrap_or_default();
    let inside = fs::read_dir(cgroup).into_iter().flatten().flatten();
    inside
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| listed(&entry.path(), list))
        .sum::<u64>()
        + own.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Presence {
    /// From the counts at both ends of an interval.
    pub fn between(earlier: u64, later: u64, length: Duration) -> Self {
        let both = earlier.saturating_add(later);
        let thread_ns = u128::from(both) * length.as_nanos() / 2;
        Self {
            threads: both.div_ceil(2),
            thread_ns: u64::try_from(thread_ns).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cgroup_of_a_container_counts() {
        let root = tempfile::tempdir().expect("a directory");
        let inside = root.path().join("a/b");
        fs::create_dir_all(&inside).expect("directories");
        fs::write(root.path().join("cgroup.threads"), "1\n2\n").expect("written");
        fs::write(inside.join("cgroup.threads"), "3\n").expect("written");
        let mut threads = Threads {
            counted: root.path().join("pids.current"),
            cgroup: root.path().to_path_buf(),
            list: "cgroup.threads",
        };
        assert_eq!(threads.now(), 3);
        fs::write(&threads.counted, "7\n").expect("written");
        assert_eq!(threads.now(), 7, "the controller's own number comes first");
        threads = Threads {
            counted: "/nowhere".into(),
            cgroup: "/nowhere".into(),
            list: "tasks",
        };
        assert_eq!(threads.now(), 0);
    }

    #[test]
    fn time_is_that_of_the_mean_number_of_threads() {
        let presence = Presence::between(2, 4, Duration::from_secs(2));
        assert_eq!((presence.threads, presence.thread_ns), (3, 6_000_000_000));
        let none = Presence::between(0, 0, Duration::from_secs(1));
        assert_eq!(none, Presence::default());
    }
}
