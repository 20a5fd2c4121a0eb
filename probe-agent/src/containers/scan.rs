//! Walking a tree of cgroups.

use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{Container, Inventory};
use crate::cgroup;
use crate::hierarchy::{Hierarchies, Tree};

/// How much of a tree is looked at, so that a runaway tree cannot hold up the samples.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Directories visited in one scan. A node of 250 pods has about 1,500.
    pub cgroups: usize,
    /// Levels below the mount. A systemd pod in kind in a pod is about 12 deep.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cgroups: 20_000,
            depth: 24,
        }
    }
}

/// A directory of cgroups could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the cgroup {path}: {source}")]
pub struct ScanError {
    path: PathBuf,
    source: io::Error,
}

/// Finds every container in the tree mounted at `mount`.
///
/// Cgroups that vanish during the walk are left out; only an unreadable mount is an error.
pub fn scan(mount: &Path, limits: Limits) -> Result<Inventory, ScanError> {
    let mut inventory = Inventory::default();
    let mut visited = 0;
    let mut queue = vec![Cgroup {
        relative: String::new(),
        depth: 0,
    }];
    while let Some(parent) = queue.pop() {
        let entries = match fs::read_dir(parent.absolute(mount)) {
            Ok(entries) => entries,
            Err(source) if parent.depth == 0 => {
                return Err(ScanError {
                    path: mount.to_path_buf(),
                    source,
                });
            }
            Err(_vanished) => continue,
        };
        if parent.may_bear_containers() {
            inventory.nurseries.push(parent.absolute(mount));
        }
        for entry in entries.flatten().filter(is_directory) {
            visited += 1;
            if visited > limits.cgroups || parent.depth >= limits.depth {
                inventory.truncated = true;
                break;
            }
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let child = Cgroup {
                relative: format!("{}/{name}", parent.relative),
                depth: parent.depth + 1,
            };
            inventory.add(&child.relative, entry.ino());
            queue.push(child);
        }
    }
    Ok(inventory)
}

/// The tree whose ids name containers on this host.
///
/// On a hybrid host that is version 2 as long as containers sit there, because only its ids also
/// own sockets; runtimes that fill version 1 only leave it empty. With no container at all the
/// answer is version 2, and worth asking again.
pub fn choose_tree(hierarchies: &Hierarchies, limits: Limits) -> Result<Tree, ScanError> {
    let holds_containers = |tree| -> Result<bool, ScanError> {
        match hierarchies.mount_of(tree) {
            Some(mount) => Ok(!scan(mount, limits)?.containers.is_empty()),
            None => Ok(false),
        }
    };
    if hierarchies.v2().is_none() {
        return Ok(Tree::V1Cpu);
    }
    let version_1_only = hierarchies.mount_of(Tree::V1Cpu).is_some()
        && !holds_containers(Tree::V2)?
        && holds_containers(Tree::V1Cpu)?;
    Ok(if version_1_only {
        Tree::V1Cpu
    } else {
        Tree::V2
    })
}

/// The id of the cgroup at `path`: its inode number.
pub fn cgroup_id(path: &Path) -> Result<u64, ScanError> {
    fs::metadata(path)
        .map(|metadata| metadata.ino())
        .map_err(|source| ScanError {
            path: path.to_path_buf(),
            source,
        })
}

/// The ids of the cgroup at `path` and of all its descendants, whatever their names.
pub fn subtree_ids(path: &Path, limits: Limits) -> Result<Vec<u64>, ScanError> {
    let mut ids = vec![cgroup_id(path)?];
    let mut queue = vec![path.to_path_buf()];
    while let Some(parent) = queue.pop() {
        let Ok(entries) = fs::read_dir(&parent) else {
            continue;
        };
        for entry in entries.flatten().filter(is_directory) {
            if ids.len() >= limits.cgroups {
                return Ok(ids);
            }
            ids.push(entry.ino());
            queue.push(entry.path());
        }
    }
    Ok(ids)
}

struct Cgroup {
    /// Path below the mount, with a leading slash; empty for the mount itself.
    relative: String,
    depth: usize,
}

impl Cgroup {
    fn absolute(&self, mount: &Path) -> PathBuf {
        mount.join(self.relative.trim_start_matches('/'))
    }

    /// Whether this is on the way to containers, or inside one. The first levels count, because the
    /// kubelet may yet create its tree there.
    fn may_bear_containers(&self) -> bool {
        self.depth <= 1 || self.relative.contains("kubepods") || self.relative.contains("kubelet")
    }
}

impl Inventory {
    fn add(&mut self, path: &str, id: u64) {
        let Some(found) = cgroup::membership(path) else {
            return;
        };
        let container = self
            .containers
            .entry(found.container)
            .or_insert_with(|| Container {
                pod: found.pod,
                path: found.root.to_owned(),
                cgroups: Vec::new(),
            });
        container.cgroups.push(id);
    }
}

/// cgroupfs states the type in the directory entry: no `stat` per file.
fn is_directory(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "2f6a9b1c-3d4e-4f50-8a6b-7c8d9e0f1a2b";
    const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

    /// Plain directories have inode numbers too, so the walk needs no cgroups to be tested.
    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for path in paths {
            fs::create_dir_all(root.path().join(path)).expect("a directory");
        }
        root
    }

    #[test]
    fn a_container_has_the_ids_of_all_its_cgroups_and_no_other() {
        let container = format!("kubepods/burstable/pod{UID}/{ID}");
        let inner = format!("{container}/container/deeper");
        let root = tree(&[&inner, "system.slice/sshd.service"]);
        let found = scan(root.path(), Limits::default()).expect("readable");

        let id = cgroup::ContainerId::parse(ID).expect("an id");
        assert_eq!(found.containers.len(), 1);
        let mut ids = found.containers[&id].cgroups.clone();
        ids.sort_unstable();
        let mut expected = ["", "/container", "/container/deeper"]
            .map(|below| cgroup_id(&root.path().join(format!("{container}{below}"))).expect("id"));
        expected.sort_unstable();
        assert_eq!(ids, expected);
        assert_eq!(found.containers[&id].path, format!("/{container}"));

        let whole = subtree_ids(&root.path().join(&container), Limits::default()).expect("ids");
        assert_eq!(whole.len(), 3);
    }

    #[test]
    fn new_cgroups_are_expected_where_containers_can_appear() {
        let container = format!("kubepods/burstable/pod{UID}/{ID}");
        let root = tree(&[&container, "system.slice/a.service/b"]);
        let nurseries = scan(root.path(), Limits::default())
            .expect("readable")
            .nurseries;
        for expected in ["", "kubepods", "kubepods/burstable", &container] {
            let expected = if expected.is_empty() {
                root.path().into()
            } else {
                root.path().join(expected)
            };
            assert!(nurseries.contains(&expected), "{expected:?}");
        }
        assert!(!nurseries.contains(&root.path().join("system.slice/a.service")));
    }

    #[test]
    fn limits_cut_the_walk_and_say_so() {
        let root = tree(&["a/b/c", "d"]);
        for limits in [
            Limits {
                cgroups: 2,
                depth: 9,
            },
            Limits {
                cgroups: 9,
                depth: 1,
            },
        ] {
            assert!(
                scan(root.path(), limits).expect("readable").truncated,
                "{limits:?}"
            );
        }
        assert!(
            !scan(root.path(), Limits::default())
                .expect("readable")
                .truncated
        );
    }

    #[test]
    fn a_missing_mount_is_an_error_that_names_it() {
        let error = scan(Path::new("/nowhere/cgroup"), Limits::default()).expect_err("missing");
        assert!(error.to_string().contains("/nowhere/cgroup"));
    }
}
