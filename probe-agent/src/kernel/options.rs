//! What the kernel's side is opened with.

use std::path::PathBuf;

use super::Features;
use crate::hierarchy::Tree;

/// What [`Kernel::open`](super::Kernel::open) needs to know about the host.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tree whose cgroup ids will be given to [`Kernel::add`](super::Kernel::add).
    pub tree: Tree,
    /// Where the version 2 tree is mounted, if it is. DNS latency and the degraded way to count bytes
    /// need it.
    pub v2_mount: Option<PathBuf>,
    /// Containers that can be measured at once; cells are allocated for all of them, about 2.3 KiB
    /// per container and possible CPU.
    pub max_containers: u32,
    /// What may be used of what the kernel has.
    pub features: Features,
}

impl Options {
    /// Room for so many containers, unless said otherwise.
    pub const MAX_CONTAINERS: u32 = 512;

    /// The defaults: room for [`Options::MAX_CONTAINERS`], and whatever the kernel has.
    pub fn new(tree: Tree, v2_mount: Option<PathBuf>) -> Self {
        Self {
            tree,
            v2_mount,
            max_containers: Self::MAX_CONTAINERS,
            features: Features::all(),
        }
    }
}
