//! The controller of Viperscale: receives samples, evaluates policies, patches replica counts.
//!
//! ```text
//!            policies/*.yaml, ScalingPolicy objects     API server
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
//!              /metrics (admin)                        PATCH scalingpolicies/status
//! ```
//!
//! The modules in reading order:
//!
//! | module | what |
//! |---|---|
//! | [`cli`], [`config`] | the command line as typed, and as checked |
//! | [`run`] | the process: sockets, signals, the directory of policies |
//! | [`parts`] | starts everything between those edges |
//! | [`check`] | `scaler check`: validates policy files |
//! | [`convert`] | `scaler convert`: an HPA becomes a policy |
//! | [`crd`] | ScalingPolicy as a custom resource: its definition (`scaler crd`) and its status |
//! | [`policies`] | files of a directory and objects of the cluster, followed as they change |
//! | [`cluster`] | the client of the API server, and its errors in plain words |
//! | [`api_health`] | whether the API server can be used |
//! | [`election`] | which of several scalers leads |
//! | [`workloads`] | pods to deployments, by owner references |
//! | [`rivals`] | other autoscalers of the same deployments |
//! | [`ingest`] | the agents' streams |
//! | [`controller`] | fetch → decide → plan |
//! | [`recording`] | everything that was seen and decided, in bounded files |
//! | [`replay`], [`explain`] | `scaler replay`, `scaler explain` |
//! | [`apply`], [`events`] | the only writer |
//! | [`admin`], [`metrics`], [`telemetry`] | what operators see |
//! | `text`, [`clock`] | the sentences that log, Events and statuses share; where time enters |
//! | `descriptors` | a connection for every node |
//!
//! Of several scalers one leads; the others keep everything but decisions up to date.
//!
//! Invariants: only [`apply`] writes replica counts; the controller task alone owns windows and
//! autoscalers; every queue is bounded and drops the newcomer when full, counted.

pub mod admin;
pub mod api_health;
pub mod apply;
pub mod check;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod controller;
pub mod convert;
pub mod crd;
mod descriptors;
pub mod election;
pub mod events;
pub mod explain;
pub mod ingest;
pub mod metrics;
pub mod parts;
pub mod policies;
pub mod recording;
pub mod replay;
pub mod rivals;
pub mod run;
pub mod telemetry;
mod text;
pub mod workloads;
