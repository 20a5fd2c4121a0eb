//! CFS throttling of a container, from the `cpu.stat` file of its cgroup.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::hierarchy::Tree;

/// Totals since the cgroup was created. All zero for a container without a CPU limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Quota periods in which the container wanted to run.
    pub periods: u64,
    /// Periods in which it used up its quota.
    pub throttled_periods: u64,
    /// Time its threads' CPUs were held back, summed over CPUs.
    pub throttled_ns: u64,
}

/// The `cpu.stat` of one container. It is opened for each read: an open file would keep a removed
/// cgroup alive.
#[derive(Debug)]
pub struct CpuStat {
    path: PathBuf,
    tree: Tree,
}

impl CpuStat {
    /// The file of the container at `path` (relative, as the scan found it) in the tree that
    /// enforces quotas, mounted at `mount`.
    pub fn of(tree: Tree, mount: &Path, path: &str) -> Self {
        Self {
            path: mount.join(path.trim_start_matches('/')).join("cpu.stat"),
            tree,
        }
    }

    /// Reads the totals, using `buffer` as scratch space. An absent file is zero throttling: the
    /// container just ended, or it has no cgroup under the CPU controller.
    pub fn read(&self, buffer: &mut String) -> io::Result<Throttling> {
        buffer.clear();
        match File::open(&self.path).and_then(|mut file| file.read_to_string(buffer)) {
            Ok(_) => Ok(parse(self.tree, buffer)),
            Err(error) if is_gone(&error) => Ok(Throttling::default()),
            Err(error) => Err(error),
        }
    }
}

/// Reads `cpu.stat`. Unknown and missing keys are ignored: kernels add keys, and the version 2 root
/// and trees without the CPU controller lack some.
pub fn parse(tree: Tree, text: &str) -> Throttling {
    let mut totals = Throttling::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        let Ok(value) = value.trim().parse::<u64>() else {
            continue;
        };
        match (tree, key) {
            (_, "nr_periods") => totals.periods = value,
            (_, "nr_throttled") => totals.throttled_periods = value,
            (Tree::V1Cpu, "throttled_time") => totals.throttled_ns = value,
            (Tree::V2, "throttled_usec") => totals.throttled_ns = value.saturating_mul(1_000),
            _ => {}
        }
    }
    totals
}

/// ENODEV is what an open file of a removed cgroup reads as.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

impl Throttling {
    /// What happened since `earlier`; zero where a counter went back, because a new cgroup took the
    /// path.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            periods: self.periods.saturating_sub(earlier.periods),
            throttled_periods: self
                .throttled_periods
                .saturating_sub(earlier.throttled_periods),
            throttled_ns: self.throttled_ns.saturating_sub(earlier.throttled_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_read_as_nanoseconds() {
        let v1 = "nr_periods 40\nnr_throttled 30\nthrottled_time 2000000000\nnr_bursts 0\n";
        let v2 = "usage_usec 9\nnr_periods 40\nnr_throttled 30\nthrottled_usec 2000000\n";
        let expected = Throttling {
            periods: 40,
            throttled_periods: 30,
            throttled_ns: 2_000_000_000,
        };
        assert_eq!(parse(Tree::V1Cpu, v1), expected);
        assert_eq!(parse(Tree::V2, v2), expected);
    }

    #[test]
    fn strange_lines_are_passed_over() {
        let text = "usage_usec\nnr_periods many\nnr_throttled 2\n\u{0}";
        assert_eq!(parse(Tree::V2, text).throttled_periods, 2);
        assert_eq!(parse(Tree::V2, ""), Throttling::default());
    }

    #[test]
    fn a_container_without_the_file_is_not_throttled() {
        let stat = CpuStat::of(Tree::V2, Path::new("/nowhere"), "/kubepods/pod/x");
        assert_eq!(
            stat.read(&mut String::new()).expect("absent"),
            Throttling::default()
        );
    }

    #[test]
    fn a_counter_that_went_back_counts_nothing() {
        let earlier = Throttling {
            periods: 10,
            throttled_periods: 5,
            throttled_ns: 100,
        };
        let later = Throttling {
            periods: 12,
            throttled_periods: 1,
            throttled_ns: 50,
        };
        let change = later.since(earlier);
        assert_eq!(
            (
                change.periods,
                change.throttled_periods,
                change.throttled_ns
            ),
            (2, 0, 0)
        );
    }
}
