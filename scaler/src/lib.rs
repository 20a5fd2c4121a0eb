//! The controller of Viperscale: receives samples, evaluates policies, patches replica counts.
//!
//! ```text
//!                  policies/*.yaml                    API server
//!                        │                                │ watch Deployments, ReplicaSets, Pods
//!                        ▼                                ▼
//!                    policies ─────────┬───────────── workloads
//!                        │             │                  │
//!                        │             ▼                  │
//!  agents ◀─ targets ────│───────── ingest ◀──────────────┤ which pods live on that node
//!         ── reports ────│───────▶    │                   │
//!                        ▼            ▼                   ▼
//!                      controller: windows ─▶ scaler_core::Autoscaler::decide
//!                        │            │
//!              /decisions, log,       └─▶ apply ─▶ PATCH deployments/scale, Event
//!              /metrics (admin)
//! ```
//!
//! The modules in reading order:
//!
//! | module | what |
//! |---|---|
//! | [`cli`], [`config`] | the command line as typed, and as checked |
//! | [`run`] | starts everything, stops everything |
//! | [`check`] | `scaler check`: validates policy files |
//! | [`policies`] | files of a directory, reloaded when they change |
//! | [`cluster`] | the client of the API server, and its errors in plain words |
//! | [`workloads`] | pods to deployments, by owner references |
//! | [`ingest`] | the agents' streams |
//! | [`controller`] | fetch → decide → plan |
//! | [`apply`], [`events`] | the only writer |
//! | [`admin`], [`metrics`], [`telemetry`] | what operators see |
//! | [`clock`] | where time enters |
//!
//! Invariants: only [`apply`] writes replica counts; the controller task alone owns windows and
//! autoscalers; every queue is bounded and drops the newcomer when full, counted.

pub mod admin;
pub mod apply;
pub mod check;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod controller;
pub mod events;
pub mod ingest;
pub mod metrics;
pub mod policies;
pub mod run;
pub mod telemetry;
pub mod workloads;
