//! Where containers are found, and the kernel opened for the tree that names them.

use std::path::Path;

use super::Monitor;
use crate::containers;
use crate::hierarchy::{Hierarchies, Tree};
use crate::kernel::{Kernel, KernelError, Options};

impl Monitor {
    /// Looks for containers; what cannot be read now is as it was.
    pub(super) fn scan(&mut self) {
        let limits = self.trees.limits;
        match self
            .trees
            .hierarchies
            .mount_of(self.trees.tree)
            .map(|mount| containers::scan(mount, limits))
        {
            Some(Ok(inventory)) => {
                if inventory.truncated && !self.inventory.truncated {
                    tracing::warn!(?limits, "too many cgroups: some are not looked at");
                }
                self.inventory = inventory;
            }
            Some(Err(error)) => tracing::warn!(%error, "keeping what the last scan found"),
            None => {}
        }
        if self.inventory.containers.is_empty() && self.trees.hierarchies.needs_choice() {
            self.reconsider_tree();
        }
    }

    /// On a hybrid host without containers the choice of tree was a guess; when the first ones show
    /// up in the other tree, move there.
    fn reconsider_tree(&mut self) {
        let Ok(tree) = containers::choose_tree(&self.trees.hierarchies, self.trees.limits) else {
            return;
        };
        if tree == self.trees.tree {
            return;
        }
        match open_kernel(&self.trees.hierarchies, tree, self.max_containers) {
            Ok(kernel) => {
                tracing::info!(from = ?self.trees.tree, to = ?tree, "containers sit in another cgroup tree");
                (self.kernel, self.trees.tree) = (kernel, tree);
                self.tracked.clear();
                self.scan();
            }
            Err(error) => tracing::error!(%error, ?tree, "cannot move to another cgroup tree"),
        }
    }
}

/// Opens it for containers that are cgroups of `tree`.
pub(super) fn open_kernel(
    hierarchies: &Hierarchies,
    tree: Tree,
    max_containers: u32,
) -> Result<Kernel, KernelError> {
    let v2_mount = hierarchies.v2().map(Path::to_path_buf);
    Kernel::open(Options {
        max_containers,
        ..Options::new(tree, v2_mount)
    })
}
