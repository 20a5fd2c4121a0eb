//! The stock `HorizontalPodAutoscaler` (autoscaling/v2, Kubernetes 1.36) as pure functions: no I/O,
//! no clock, no cluster. `now` is an argument and everything a pass does comes back as data.
//!
//! ```text
//!  cumulative readings                                   pods, scale, other HPAs
//!        │                                                        │
//!  pipeline (cAdvisor schedule, metrics-server window)            │
//!        │ raw pod metrics                                        │
//!     client (per-pod samples, or an error) ──► reconcile ◄───────┤ history, status, spec
//!                                                  │
//!                     metrics ► replicas ► grouping, requests, ratio   (one proposal per metric)
//!                                                  │
//!                     normalize ► history (stabilise), limits (rate, bounds)
//!                                                  │
//!                     scale write wanted ──► outcome: status, events, labels
//! ```
//!
//! The arithmetic deliberately repeats the stock controller's, truncations included: whole-percent
//! utilisation, integer averages, doubles elsewhere. The test tables of upstream (`tests/tables.rs`)
//! are the reference; where they say nothing, the tests of each module do.

pub mod time;

pub mod quantity;

pub mod pod;

pub mod selector;

pub mod behavior;

pub mod spec;

pub mod settings;

pub mod client;

pub mod grouping;

pub mod requests;

pub mod ratio;

pub mod replicas;

pub mod history;

pub mod limits;

pub mod status;

pub mod normalize;

pub mod metrics;

pub mod reconcile;

pub mod k8s;

pub mod pipeline;

pub use behavior::{Behavior, ScalingRules};
pub use history::History;
pub use pod::Pod;
pub use quantity::Quantity;
pub use reconcile::{Observation, Outcome, Pass, reconcile};
pub use settings::{Features, Settings, Tolerance};
pub use spec::{Hpa, MetricSpec};
pub use status::Status;
pub use time::Moment;
