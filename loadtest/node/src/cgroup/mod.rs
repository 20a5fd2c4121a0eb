//! Cgroups: which hierarchies exist, where pods lie in them, what limits become, and the effects.
//!
//! `mounts`, `layout` and `resources` are pure; `tree`, `group` and `sweep` act on the kernel's files;
//! `usage` reads them.

mod group;
mod layout;
mod mounts;
mod resources;
mod sweep;
mod tree;
mod usage;

pub(crate) use group::Group;
pub(crate) use layout::{ContainerId, container, pod};
pub(crate) use resources::{Qos, Resources, milli_cpu_request};
pub use sweep::Swept;
pub(crate) use sweep::sweep_tree;
pub use tree::CgroupError;
pub(crate) use tree::Cgroups;
pub(crate) use usage::{Meters, Usage};
