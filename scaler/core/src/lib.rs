//! The decision core of Viperscale: from samples to a replica count, with a reason.
//!
//! ```text
//!  ContainerSample, NodeSample ─▶ windows ─▶ statistic ─┐
//!                                                       ├─▶ response ─▶ behavior ─▶ Decision
//!  policy text ─▶ policy ─▶ ScalingPolicy ──────────────┘
//! ```
//!
//! Invariant: this crate does no I/O and reads no clock. `now` is an argument everywhere, policies
//! arrive as text, and what shall happen leaves as data ([`Decision`]). The same inputs in the same
//! order always give the same decisions, so a recording can be replayed.
//!
//! The modules in reading order:
//!
//! | module | what |
//! |---|---|
//! | [`time`] | [`Timestamp`]: a moment on the scaler's own clock |
//! | [`unit`] | [`Unit`] and [`Quantity`]: numbers that know what they count |
//! | [`metric`] | [`Metric`]: the table of what can be measured |
//! | [`statistic`] | [`Statistic`]: which number stands for a window of events |
//! | [`histogram`] | [`Log2Histogram`]: mergeable distributions |
//! | [`sample`] | what the node agents send, per interval |
//! | [`windows`] | [`Windows`]: the recent past of every container and node, bounded |
//! | [`alarm`] | is one sample reason to decide now? |
//! | [`policy`] | [`ScalingPolicy`]: what the user wants, read from YAML and checked |
//! | [`circumstances`] | [`Circumstances`]: what forbids writing, whatever the metrics say |
//! | [`observation`] | [`Observation`]: one deployment's pods as Kubernetes describes them |
//! | [`response`] | one metric's value to one replica count |
//! | [`behavior`] | stabilisation and rate limits, as in `autoscaling/v2` |
//! | [`fallback`] | [`fallback::Fallback`]: what happens when data stays away |
//! | [`decision`] | [`Decision`]: the outcome, its reason and its evidence |
//! | [`idleness`] | [`idleness::spare_the_busy`]: which pods a scale-down should take |
//! | [`autoscaler`] | [`Autoscaler`]: all of it for one policy, with its bounded memory |

pub mod alarm;
pub mod autoscaler;
pub mod behavior;
pub mod circumstances;
mod contradiction;
pub mod decision;
mod doubts;
mod explain;
pub mod fallback;
pub mod histogram;
pub mod idleness;
mod measure;
pub mod metric;
pub mod observation;
mod outcome;
mod pods;
pub mod policy;
pub mod response;
pub mod sample;
mod saturation;
pub mod statistic;
pub mod time;
pub mod unit;
pub mod windows;

pub use autoscaler::{Autoscaler, Learned, Memory};
pub use circumstances::{Circumstances, Rival, RivalKind};
pub use decision::{Condition, ConditionKind, Decision, Evidence, Limit, PodCounts, Reason};
pub use histogram::Log2Histogram;
pub use metric::Metric;
pub use observation::{ContainerObservation, Observation, PodObservation, PodPhase};
pub use policy::{Mode, PolicyError, ScalingPolicy};
pub use sample::{ContainerSample, MetricDelta, NodeSample, PodUid, Scheduling};
pub use statistic::Statistic;
pub use time::Timestamp;
pub use unit::{Quantity, Unit};
pub use windows::Windows;
