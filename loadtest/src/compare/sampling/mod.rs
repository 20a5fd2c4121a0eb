//! What is looked at while a trial runs. Everything is light, because it shares the machine with what it measures:
//! watches instead of polls, one reading of clocks a second, and nothing written before the trial is over.

mod cpu;
mod hpa;
mod metrics_api;
mod overhead;
mod phase;
mod pods;

pub(super) use cpu::CpuTotals;
pub(crate) use cpu::PodClocks;
pub(super) use hpa::{Notice, announce as announce_hpas, decisions as hpa_decisions};
pub(super) use metrics_api::MetricsApi;
pub(crate) use overhead::process_clock;
pub(super) use phase::{Schedule, ask as ask_schedule};
pub(super) use pods::{Pods, announce as announce_pods};
