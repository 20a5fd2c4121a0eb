//! A container whose disk I/O is measured.

use std::fs;
use std::os::unix::fs::MetadataExt;

use probe_agent::hierarchy::Tree;
use probe_agent::kernel::{Kernel, Metric, Slot};

use crate::all_of;
use crate::cgroups::Cgroup;
use crate::scratch::Scratch;

pub(crate) const METRICS: [Metric; 2] = [Metric::DiskIoSize, Metric::DiskIoLatency];

/// A container's cgroups: the one that names it, and where block I/O has a tree of its own, one there.
pub(crate) struct Cgroups {
    own: Cgroup,
    io: Option<Cgroup>,
}

impl Cgroups {
    pub(crate) fn create(tree: Tree, name: &str) -> Self {
        let own = Cgroup::create(tree, name);
        let io = own.io_twin();
        Self { own, io }
    }

    pub(crate) fn all(&self) -> Vec<&Cgroup> {
        [Some(&self.own), self.io.as_ref()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Lets it issue so many writes per second to the disk of `scratch`; says whether the kernel can.
    pub(crate) fn limit_writes(&self, scratch: &Scratch, per_second: u64) -> bool {
        let device = fs::metadata(scratch.path()).expect("it exists").dev();
        let device = format!("{}:{}", libc::major(device), libc::minor(device));
        let outcome = match &self.io {
            Some(io) => fs::write(
                io.file("blkio.throttle.write_iops_device"),
                format!("{device} {per_second}"),
            ),
            None => fs::write(
                self.own.file("io.max"),
                format!("{device} wiops={per_second}"),
            ),
        };
        outcome
            .inspect_err(|error| println!("passed over: no limit of writes: {error}"))
            .is_ok()
    }

    pub(crate) fn measure(&self, kernel: &mut Kernel) -> Slot {
        let slot = kernel
            .add(&[self.own.id()], &all_of(&METRICS))
            .expect("it can be measured");
        if let (true, Some(io)) = (kernel.io_apart(), &self.io) {
            kernel
                .set_io_cgroups(slot, &[io.id()])
                .expect("there is room");
        }
        slot
    }
}
