//! What a cgroup has used so far, from its files. The arithmetic is cAdvisor's, because that is
//! what a kubelet reports: CPU time since the cgroup was made, and of the memory the working set,
//! which is everything but file pages that have not been used lately.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mounts::{Hierarchy, Version};

/// What a cgroup and all below it have used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time since it was made.
    pub(crate) cpu: Duration,
    /// Working set now, in bytes.
    pub(crate) memory_bytes: u64,
}

/// Where usage is read: one hierarchy accounts for CPU, one for memory, often the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meters {
    cpu: (PathBuf, Version),
    memory: (PathBuf, Version),
}

/// No hierarchy accounts for something that has to be measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no writable cgroup hierarchy accounts for {0}; mount one (v2 or v1 {0})")]
pub(crate) struct NoMeter(&'static str);

impl Meters {
    /// Chooses among the hierarchies that containers live in.
    ///
    /// # Errors
    /// When none accounts for CPU time, or none for memory.
    pub(super) fn among(hierarchies: &[Hierarchy]) -> Result<Self, NoMeter> {
        let with = |controller: &str| hierarchies.iter().find(|h| h.has(controller));
        // Version 2 accounts for CPU time in every hierarchy, with or without its controller.
        let unified = || hierarchies.iter().find(|h| h.version == Version::V2);
        let place = |hierarchy: &Hierarchy| (hierarchy.mount.clone(), hierarchy.version);
        Ok(Self {
            cpu: place(with("cpuacct").or_else(unified).ok_or(NoMeter("cpuacct"))?),
            memory: place(with("memory").ok_or(NoMeter("memory"))?),
        })
    }

    /// What the cgroup at `path`, relative to each mount, has used: two or three small reads.
    ///
    /// # Errors
    /// When a file cannot be read, for instance because the cgroup is gone, or says something else
    /// than the kernel's documentation.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Usage> {
        let (mount, version) = &self.memory;
        let directory = mount.join(path);
        let (total, inactive) = match version {
            Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::V2 => ("memory.current", "inactive_file"),
        };
        let used = read(&directory.join(total), |text| text.trim().parse().ok())?;
        let idle = read(&directory.join("memory.stat"), |text| field(text, inactive))?;
        Ok(Usage {
            cpu: self.cpu_time(path)?,
            memory_bytes: working_set(used, idle),
        })
    }

    /// What the whole machine has used.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn read_machine(&self) -> io::Result<Usage> {
        Ok(Usage {
            cpu: self.cpu_time(Path::new(""))?,
            memory_bytes: read(Path::new("/proc/meminfo"), machine_working_set)?,
        })
    }

    fn cpu_time(&self, path: &Path) -> io::Result<Duration> {
        let (mount, version) = &self.cpu;
        let directory = mount.join(path);
        match version {
            Version::V1 => read(&directory.join("cpuacct.usage"), |text| {
                text.trim().parse().ok().map(Duration::from_nanos)
            }),
            Version::V2 => read(&directory.join("cpu.stat"), |text| {
                field(text, "usage_usec").map(Duration::from_micros)
            }),
        }
    }
}

fn read<T>(path: &Path, parse: impl FnOnce(&str) -> Option<T>) -> io::Result<T> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(named)?;
    parse(&text).ok_or_else(|| named(io::Error::other("not understood")))
}

/// The number after `name` in lines of `name number`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

/// The two are read one after the other, so the part can exceed the whole for a moment.
fn working_set(used: u64, inactive_file: u64) -> u64 {
    used.saturating_sub(inactive_file)
}

/// From the text of `/proc/meminfo`, which is what cAdvisor falls back to where the root cgroup
/// does not say.
fn machine_working_set(text: &str) -> Option<u64> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    let used = bytes("MemTotal:")?.saturating_sub(bytes("MemFree:")?);
    Some(working_set(used, bytes("Inactive(file):")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn hierarchy(mount: &Path, version: Version, controllers: &[&str]) -> Hierarchy {
        Hierarchy {
            mount: mount.to_owned(),
            version,
            controllers: controllers
                .iter()
                .map(|&c| c.to_owned())
                .collect::<BTreeSet<_>>(),
        }
    }

    #[test]
    fn a_name_that_another_begins_with_is_not_taken_for_it() {
        let stat = "inactive_file_extra 1\ntotal_inactive_file 2\ninactive_file 3\n";
        assert_eq!(field(stat, "inactive_file"), Some(3));
        assert_eq!(field(stat, "total_inactive_file"), Some(2));
        assert_eq!(field(stat, "file"), None);
    }

    #[test]
    fn reads_both_versions_alike() {
        let directory = tempfile::tempdir().unwrap();
        let (v1, v2) = (directory.path().join("v1"), directory.path().join("v2"));
        for (mount, files) in [
            (
                &v1,
                [
                    ("cpuacct.usage", "2500000000\n"),
                    ("memory.usage_in_bytes", "10485760\n"),
                    (
                        "memory.stat",
                        "inactive_file 1\ntotal_inactive_file 2097152\n",
                    ),
                ],
            ),
            (
                &v2,
                [
                    ("cpu.stat", "usage_usec 2500000\nuser_usec 2000000\n"),
                    ("memory.current", "10485760\n"),
                    ("memory.stat", "anon 5\ninactive_file 2097152\n"),
                ],
            ),
        ] {
            fs::create_dir_all(mount.join("pod")).unwrap();
            for (name, text) in files {
                fs::write(mount.join("pod").join(name), text).unwrap();
            }
        }
        let expected = Usage {
            cpu: Duration::from_millis(2_500),
            memory_bytes: 8 << 20,
        };
        for hierarchies in [
            vec![hierarchy(&v1, Version::V1, &["cpuacct", "memory"])],
            vec![hierarchy(&v2, Version::V2, &["memory"])],
            vec![
                hierarchy(&v2, Version::V2, &[]),
                hierarchy(&v1, Version::V1, &["memory"]),
            ],
        ] {
            let meters = Meters::among(&hierarchies).unwrap();
            assert_eq!(
                meters.read(Path::new("pod")).unwrap(),
                expected,
                "{meters:?}"
            );
        }
        let meters = Meters::among(&[hierarchy(&v1, Version::V1, &["cpuacct", "memory"])]).unwrap();
        let error = meters.read(Path::new("gone")).unwrap_err();
        assert!(
            error.to_string().contains("gone/memory.usage_in_bytes"),
            "{error}"
        );
    }

    #[test]
    fn says_what_cannot_be_measured() {
        let v1 = |controllers: &[&str]| hierarchy(Path::new("/c"), Version::V1, controllers);
        assert_eq!(Meters::among(&[v1(&["memory"])]), Err(NoMeter("cpuacct")));
        assert_eq!(Meters::among(&[v1(&["cpuacct"])]), Err(NoMeter("memory")));
    }

    #[test]
    fn a_machine_s_working_set_leaves_out_idle_file_pages() {
        let text =
            "MemTotal:  1000 kB\nMemFree:  300 kB\nInactive:  250 kB\nInactive(file):  200 kB\n";
        assert_eq!(machine_working_set(text), Some(500 * 1024));
        assert_eq!(working_set(5, 9), 0);
    }
}
