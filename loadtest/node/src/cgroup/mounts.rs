//! Which cgroup hierarchies this machine has, read from the text of `/proc/mounts` (pure).

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Controllers of cgroup v1, to tell them from other mount options.
const V1_CONTROLLERS: [&str; 14] = [
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "debug",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "misc",
    "net_cls",
    "perf_event",
    "pids",
    "rdma",
];

/// Interface version of a hierarchy; the file names differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// One hierarchy per controller or group of controllers.
    V1,
    /// The unified hierarchy, with or without controllers.
    V2,
}

/// One mounted cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Which files it has.
    pub version: Version,
    /// Controllers that act here. For v2 `/proc/mounts` does not say; whoever reads the machine
    /// fills it from `cgroup.controllers`.
    pub controllers: BTreeSet<String>,
}

impl Hierarchy {
    /// Whether `controller` acts in this hierarchy.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.contains(controller)
    }
}

/// The writable hierarchies listed in the text of `/proc/mounts`, each once: bind mounts repeat them.
pub(super) fn parse(mounts: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    let mut seen = BTreeSet::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(target), Some(kind), Some(options)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let options: BTreeSet<&str> = options.split(',').collect();
        if options.contains("ro") {
            continue;
        }
        let (version, identity, controllers) = match kind {
            "cgroup2" => (Version::V2, "v2".to_owned(), BTreeSet::new()),
            "cgroup" => {
                let controllers: BTreeSet<String> = options
                    .iter()
                    .filter(|option| V1_CONTROLLERS.contains(option))
                    .map(|option| (*option).to_owned())
                    .collect();
                let name = options.iter().find(|option| option.starts_with("name="));
                (Version::V1, format!("{controllers:?}{name:?}"), controllers)
            }
            _ => continue,
        };
        if seen.insert(identity) {
            found.push(Hierarchy {
                mount: unescape(target),
                version,
                controllers,
            });
        }
    }
    found
}

/// Undoes the octal escapes of `/proc/mounts` (`\040` is a space).
fn unescape(path: &str) -> PathBuf {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(start) = rest.find('\\') {
        let code = rest
            .get(start + 1..start + 4)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        out.push_str(&rest[..start]);
        match code {
            Some(code) => {
                out.push(char::from(code));
                rest = &rest[start + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[start + 1..];
            }
        }
    }
    out.push_str(rest);
    PathBuf::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn finds_hybrid_hierarchies() {
        let found = parse(
            "proc /proc proc rw 0 0\n\
             cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0\n\
             cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
             cgroup /sys/fs/cgroup/pids cgroup ro,relatime,pids 0 0\n\
             cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n\
             cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n\
             cgroup /elsewhere/memory cgroup rw,memory 0 0\n",
        );
        let mounts: Vec<_> = found.iter().map(|h| h.mount.as_path()).collect();
        assert_eq!(
            mounts,
            ["cpu,cpuacct", "memory", "systemd", "unified"]
                .map(|name| Path::new("/sys/fs/cgroup").join(name))
        );
        assert!(found[0].has("cpu") && found[0].has("cpuacct") && !found[0].has("memory"));
        assert_eq!(found[3].version, Version::V2);
    }

    #[test]
    fn finds_a_single_v2_hierarchy() {
        let found = parse("cgroup2 /sys/fs/cg\\040roup cgroup2 rw,nsdelegate 0 0\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].mount, Path::new("/sys/fs/cg roup"));
        assert_eq!(found[0].version, Version::V2);
    }

    #[test]
    fn finds_nothing_without_cgroups() {
        assert!(parse("proc /proc proc rw 0 0\nbroken\n\n").is_empty());
    }
}
