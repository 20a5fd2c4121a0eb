//! `loadtest compare`: two autoscalers on the same load, trial by trial, with a report at the end.
//!
//! ```text
//!  args ─▶ job (checked: scenarios, machine, cluster, rights, --out) ─▶ trials that are still to be made
//!    each trial: rig up ─▶ at rest ─▶ load, with everything noted ─▶ record ─▶ rig down
//!  all records ─▶ crate `comparison` ─▶ verdict on the screen, report in --out
//! ```
//!
//! The autoscalers alternate over the trials. However it ends, nothing that was started or created stays, and complete
//! trials do: the same command goes on with the rest.

mod args;
mod clocks;
mod finish;
mod foreign;
mod inputs;
mod job;
mod machine;
mod observed;
mod out_dir;
mod progress;
mod rig;
mod rights;
mod run;
mod sampling;
mod series;
mod trial;

pub use args::{AgentsArg, AutoscalerArg, CompareArgs};
pub(crate) use run::run;
pub(crate) use sampling::{PodClocks, process_clock};
