//! A small Kubernetes-compatible API server and its controllers, for the local cluster.
//!
//! ```text
//!              kubectl, kube clients, the node, the scaler        controllers (clients, too)
//!                                   │ HTTPS, bearer token              │
//!  server (TLS, connections) ─▶ http (routes, negotiation) ─▶ discovery│
//!                                   │          └─▶ aggregation ─▶ extension servers
//!                                   │                                  │
//!        resource (what is served)  │  patch, selector, table ◀────────┘
//!                                   ▼
//!   lifecycle (create, modify, delete, scale, bind) ─▶ admission (defaults, validation, addresses)
//!                                   │                      └─▶ schema (of custom resources)
//!                                   │ one transaction
//!                                   ▼
//!                store (objects, one revision, history ring) ─▶ cursors ─▶ watches
//! ```
//!
//! [`run_control_plane`] is all of it; [`serve`] is the server alone, which [`Running::load`] fills
//! with the objects of a load test. Both write `kubeconfig` into the directory of the run, which is
//! the only way in: clients of any language work with it.
//! [`InProcess`] is the server without sockets, for tests that simulate the network.
//!
//! # Invariants
//! - One revision counter and one lock: a watch that starts at the resourceVersion of a list
//!   misses nothing and repeats nothing. See the `store` module.
//! - Every request is one atomic step; patches need no retry loop and never conflict, unless the
//!   client names a resourceVersion.
//! - A change that changes nothing writes nothing and wakes nobody.
//! - Memory is bounded: objects per kind, changes kept per kind, events (by count and age),
//!   request bodies, connections and exchanges with extension servers. Watchers have no buffers; slow ones are told to list again
//!   (`410 Gone`).
//! - Controllers know the server only as clients do. They act on what they read just now, so a
//!   stale cache cannot make them act twice.
//! - Groups that other servers serve (`APIService`) are reached through this one: it authenticates
//!   the caller, names it to the extension server under a certificate that only this server has,
//!   and never passes on the caller's own credentials. Groups served here cannot be taken over.
//! - Pods on a node are finally removed by that node (`gracePeriodSeconds: 0`), as with a kubelet.
//!
//! # Deliberately absent
//! Persistence (a restart is an empty cluster), RBAC and service account tokens (one user, who may
//! do everything), admission and conversion webhooks, the estimated cost of validation rules,
//! conflicts between field managers, protobuf (kubectl's imperative `create namespace`
//! and the like need it; `apply -f` and `create -f` do not), exec, attach, port-forward and logs,
//! quotas, stateful sets, daemon sets and jobs, HTTP/2, upgrades to and OpenAPI documents of
//! extension servers, access from other machines. For those, use
//! a real cluster: nothing outside this crate can tell the difference otherwise.

mod admission;
mod aggregation;
mod api;
mod auth;
mod bootstrap;
mod config;
mod control_plane;
mod controllers;
mod discovery;
mod error;
mod expiry;
mod http;
mod in_process;
mod kubeconfig;
mod lifecycle;
mod object;
mod patch;
mod resource;
mod schema;
mod seed;
mod selector;
mod server;
mod store;
mod table;
mod tls;

pub use config::{Config, StoreLimits};
pub use control_plane::{ControlPlaneError, run_control_plane};
pub use in_process::InProcess;
pub use seed::LoadError;
pub use server::{Running, ServeError, serve};
pub use tls::TlsError;
