//! CPU time of the pods on this machine, from their cgroups.
//!
//! Read once a second, where the metrics chain samples every 10 to 20 s: what is reported must be
//! finer than what the autoscalers see. What a pod uses between the last reading and its end is
//! lost, at most a second of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

/// Below a node's directory, where pods of each class lie.
const CLASSES: [&str; 3] = ["kubepods", "kubepods/burstable", "kubepods/besteffort"];

/// A reader of the CPU clocks of one local node's pods.
#[derive(Debug)]
pub(crate) struct PodClocks {
    node: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl PodClocks {
    /// Of the pods of the local node `node_name`.
    ///
    /// # Errors
    /// When no hierarchy of cgroups counts CPU time.
    pub(crate) fn of_node(node_name: &str) -> Result<Self> {
        let mounts = procfs::mounts().context("cannot read the mount table")?;
        let mount = |version, matches: &dyn Fn(&procfs::MountEntry) -> bool| {
            let found = mounts.iter().find(|mount| matches(mount))?;
            Some((version, PathBuf::from(&found.fs_file)))
        };
        let (version, mount) = mount(Version::V1, &|mount| {
            mount.fs_vfstype == "cgroup" && mount.fs_mntops.contains_key("cpuacct")
        })
        .or_else(|| mount(Version::V2, &|mount| mount.fs_vfstype == "cgroup2"))
        .context("no mounted cgroup hierarchy counts CPU time")?;
        Ok(Self {
            node: mount.join(format!("viperscale-{node_name}")),
            version,
        })
    }

    /// Whether such a node runs, or ran until it was killed.
    pub(crate) fn is_there(&self) -> bool {
        self.node.is_dir()
    }

    /// CPU time of each pod that is there, by its UID.
    pub(crate) fn read(&self) -> BTreeMap<String, Duration> {
        let mut clocks = BTreeMap::new();
        for class in CLASSES {
            // A class without pods may have no directory.
            let Ok(entries) = fs::read_dir(self.node.join(class)) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let uid = name.to_str().and_then(|name| name.strip_prefix("pod"));
                // A pod that goes away meanwhile has no clock any more.
                if let (Some(uid), Some(clock)) = (uid, self.clock(&entry.path())) {
                    clocks.insert(uid.to_owned(), clock);
                }
            }
        }
        clocks
    }

    fn clock(&self, pod: &Path) -> Option<Duration> {
        match self.version {
            Version::V1 => {
                let text = fs::read_to_string(pod.join("cpuacct.usage")).ok()?;
                Some(Duration::from_nanos(text.trim().parse().ok()?))
            }
            Version::V2 => {
                let text = fs::read_to_string(pod.join("cpu.stat")).ok()?;
                let usage = text
                    .lines()
                    .find_map(|line| line.strip_prefix("usage_usec "))?;
                Some(Duration::from_micros(usage.trim().parse().ok()?))
            }
        }
    }
}

/// CPU time by deployment, pods that are gone included.
///
/// Grows with the number of pods that a trial ever has: some hundreds.
#[derive(Debug, Default)]
pub(in crate::compare) struct CpuTotals {
    pods: BTreeMap<String, (String, Duration)>,
}

impl CpuTotals {
    /// Takes a reading in; `deployment_of` tells whose a pod is, none when that is not known yet,
    /// and the pod counts from the next reading.
    pub(in crate::compare) fn add<'a>(
        &mut self,
        clocks: BTreeMap<String, Duration>,
        deployment_of: impl Fn(&str) -> Option<&'a str>,
    ) {
        for (uid, clock) in clocks {
            if let Some((_, known)) = self.pods.get_mut(&uid) {
                *known = clock.max(*known);
            } else if let Some(deployment) = deployment_of(&uid) {
                self.pods.insert(uid, (deployment.to_owned(), clock));
            }
        }
    }

    /// CPU seconds of every deployment since its first pod.
    pub(in crate::compare) fn by_deployment(&self) -> BTreeMap<String, f64> {
        let mut totals = BTreeMap::new();
        for (deployment, clock) in self.pods.values() {
            *totals.entry(deployment.clone()).or_insert(0.0) += clock.as_secs_f64();
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, file: &str, text: &str) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join(file), text).unwrap();
    }

    #[test]
    fn both_versions_are_read() {
        let node = tempfile::tempdir().unwrap();
        let pod = node.path().join("kubepods/burstable/podu1");
        write(&pod, "cpuacct.usage", "1500000000\n");
        write(&pod, "cpu.stat", "usage_usec 2500000\nuser_usec 1\n");
        write(&node.path().join("kubepods/podu2"), "other", "");
        for (version, seconds) in [(Version::V1, 1.5), (Version::V2, 2.5)] {
            let clocks = PodClocks {
                node: node.path().to_owned(),
                version,
            };
            let expected = BTreeMap::from([("u1".to_owned(), Duration::from_secs_f64(seconds))]);
            assert_eq!(clocks.read(), expected);
        }
    }

    #[test]
    fn a_pod_that_is_gone_keeps_its_time() {
        let reading = |pods: &[(&str, u64)]| {
            pods.iter()
                .map(|&(uid, seconds)| (uid.to_owned(), Duration::from_secs(seconds)))
                .collect()
        };
        let of = |uid: &str| match uid {
            "a" | "b" => Some("cart"),
            "c" => Some("ad"),
            _ => None,
        };
        let mut totals = CpuTotals::default();
        totals.add(reading(&[("a", 3), ("c", 1), ("stranger", 9)]), of);
        totals.add(reading(&[("b", 4), ("c", 2)]), of);
        let expected = BTreeMap::from([("cart".to_owned(), 7.0), ("ad".to_owned(), 2.0)]);
        assert_eq!(totals.by_deployment(), expected);
    }
}
