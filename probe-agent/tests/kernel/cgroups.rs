//! Cgroups that vanish with the test, and with the next one if this one is killed.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use probe_agent::hierarchy::Tree;

use crate::{eventually, hierarchies, trees};

/// Followed by the process id of the test run.
const PREFIX: &str = "viperscale-kernel-test-";

/// A cgroup of one tree, with the processes in it.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    pub(crate) fn create(tree: Tree, name: &str) -> Self {
        let mount = hierarchies().mount_of(tree).expect("mounted").to_path_buf();
        let path = mount
            .join(format!("{PREFIX}{}", std::process::id()))
            .join(name);
        fs::create_dir_all(&path).expect("root may create cgroups");
        Self { path }
    }

    /// A cgroup inside this one.
    pub(crate) fn child(&self, name: &str) -> Self {
        let path = self.path.join(name);
        fs::create_dir(&path).expect("root may create cgroups");
        Self { path }
    }

    /// The same name in the tree of the block I/O controller, where that is a tree of its own.
    pub(crate) fn io_twin(&self) -> Option<Self> {
        let found = hierarchies();
        let mount = found.io().filter(|mount| !self.path.starts_with(mount))?;
        let path = mount.join(self.relative());
        fs::create_dir_all(&path).expect("root may create cgroups");
        Some(Self { path })
    }

    /// Its path below the mount of its tree.
    pub(crate) fn relative(&self) -> PathBuf {
        self.path
            .ancestors()
            .find(|one| mounts().contains(&one.to_path_buf()))
            .and_then(|mount| self.path.strip_prefix(mount).ok())
            .expect("it is below a mount")
            .to_path_buf()
    }

    pub(crate) fn id(&self) -> u64 {
        fs::metadata(&self.path).expect("it exists").ino()
    }

    pub(crate) fn enter(&self, pid: nix::unistd::Pid) {
        fs::write(self.list(), pid.to_string()).expect("it takes the process");
    }

    /// The file that lists its processes, and takes new ones.
    pub(crate) fn list(&self) -> PathBuf {
        self.file("cgroup.procs")
    }

    /// One of the kernel's files in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.path);
        // The run's own directory goes with its last cgroup.
        if let Some(parent) = self.path.parent() {
            let _others_are_left = fs::remove_dir(parent);
        }
    }
}

/// Where each tree that tests use is mounted.
fn mounts() -> Vec<PathBuf> {
    let found = hierarchies();
    let own = trees().into_iter().filter_map(|tree| found.mount_of(tree));
    own.chain(found.io()).map(Path::to_path_buf).collect()
}

/// Removes what runs that no longer exist have left behind.
pub(crate) fn sweep() {
    for mount in mounts() {
        for entry in fs::read_dir(mount).expect("readable").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(run) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if !Path::new("/proc").join(run).exists() {
                remove_all(&entry.path());
            }
        }
    }
}

fn remove_all(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_all(&entry.path());
        }
    }
    remove(path);
}

/// Ends the processes inside, then removes it.
fn remove(path: &Path) {
    eventually("the cgroup can be removed", || {
        let inside = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        for pid in inside.lines().filter_map(|line| line.parse().ok()) {
            let _gone =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
        }
        match fs::remove_dir(path) {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    });
}
