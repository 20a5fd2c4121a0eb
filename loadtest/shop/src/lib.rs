//! The demo shop: one small program that plays any role of Online Boutique.
//!
//! Same names, call graph, concurrency models and failure behaviour as the real shop, but the work of a request is a
//! number: so many CPU microseconds, so much fresh memory, so many bytes of answer. An autoscaler therefore sees on
//! every machine the load that the numbers say.
//!
//! ```text
//!  request ─▶ server      connections and requests in flight are bounded (503 when full)
//!          ─▶ handlers    what the role does: which services it calls, in which order
//!          ─▶ shop        burns the work where the role's concurrency model says
//!               ├─▶ work         CPU by the thread's clock, page faults by fresh mappings
//!               └─▶ interpreter  one lock around all work, for the role that is written in Python
//!          ─▶ client      calls to other roles: keep-alive, a deadline that travels along
//! ```
//!
//! Deliberately absent: gRPC (the local service proxy balances HTTP/1.1 requests), persistence, any randomness in the
//! work.

mod catalog;
mod client;
mod counters;
mod deadline;
mod failure;
mod handlers;
mod interpreter;
mod role;
mod server;
mod settings;
mod shop;
mod work;

pub use client::{CallError, Client};
pub use counters::Snapshot;
pub use deadline::{DEADLINE_HEADER, Deadline};
pub use interpreter::{InterpreterGuard, InterpreterLock};
pub use role::{Concurrency, Resources, Role};
pub use server::{ServeError, run, serve};
pub use settings::{Arguments, Settings, SettingsError};
pub use work::{Work, burn, burn_under, thread_cpu_time};
