//! Real load: Locust, installed into a private environment, driven by a plan, watched request by request.
//!
//! ```text
//! Locust::ensure ─▶ python ─▶ install     on first use; one installation for all runs of this user
//! Locust::start  ─▶ plan   ─▶ run         one child process per run
//!                       run ─▶ event      one line of its output each: the step, every request
//! ```
//!
//! Deliberately absent: Locust's web pages and its workers. One process drives a few hundred requests a second, which
//! is more than a machine needs that also runs the whole shop.

mod child;
mod error;
mod event;
mod install;
mod plan;
mod python;
mod run;
mod spinner;

pub use error::LocustError;
pub use event::{Event, Request, RouteTotals, Totals};
pub use install::{Locust, version};
pub use plan::{AT_ONCE, LoadPlan, Stage};
pub use run::Run;
pub use spinner::Spinner;

/// The users' behaviour; see its head for the environment variables that steer it.
const LOCUSTFILE: &str = include_str!("../../locust/locustfile.py");

/// Locust and all that it needs, with versions.
const REQUIREMENTS: &str = include_str!("../../locust/requirements.txt");
