//! The only user of eBPF: what this kernel can measure, and measuring it.
//!
//! ```text
//!  Kernel::open ── BTF ──▶ findings (offsets) ── trial load ──▶ ways (hooks of each metric), SupportTable
//!  add / configure / set_cgroups / remove ──▶ slots, config cells, cgroup ids
//!                                         └─▶ hooks attached while some container needs them
//!  read ── flush running tasks ──▶ cells (summed over CPUs) ──▶ estimate ──▶ Reading of each container
//! ```
//!
//! Everything here blocks (system calls, verifier runs of tens of milliseconds): callers keep it off
//! async threads. A [`Kernel`] is `Send`; it has one owner at a time. Dropping it detaches and
//! unloads everything.

mod features;
mod options;
mod settings;
mod support;
mod totals;

mod btf;
mod findings;
mod hook;
mod probe;
mod ways;

mod accuracy;
mod cache;
mod cells;
mod estimate;
mod owners;
mod slots;

mod error;
mod handle;
mod ledger;
mod maps;
mod object;
mod reading;

use ebpf_common::SlotRef;

pub use accuracy::relative_error;
pub use error::KernelError;
pub use features::{Feature, Features};
pub use findings::offsets_in;
pub use handle::Kernel;
pub use object::OBJECT;
pub use options::Options;
pub use settings::{SamplingRate, SamplingRateError, Settings, SettingsError};
pub use support::{Support, SupportTable};
pub use totals::{Reading, Scheduling, Totals};
/// The key of everything that is measured.
pub use viperscale_proto::v1::Metric;

/// One measured container; valid from [`Kernel::add`] to [`Kernel::remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    index: u32,
    generation: u32,
}

impl Slot {
    fn reference(self) -> SlotRef {
        SlotRef {
            slot: self.index,
            generation: self.generation,
        }
    }
}
