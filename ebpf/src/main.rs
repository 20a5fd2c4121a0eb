//! Programs that run inside the kernel and count, per container, what its tasks go through.
//!
//! ```text
//!  sched_switch ──┐                                          ┌─▶ SCHED[slot]
//!  flush_running ─┤   task ─▶ cgroup id ─▶ slot (container) ─┤
//!  page_fault_user┤                                          ├─▶ FAULTS[slot]
//!  sock_send_length ┘                                        └─▶ SENT[slot]
//!  cgroup egress ── packet ─▶ cgroup id ─▶ slot ────────────────▶ SENT[slot]  (older kernels)
//! ```
//!
//! Every cell belongs to one CPU and every program runs with pre-emption off, so plain additions are
//! enough. Programs never insert into a map: whatever happens on the node, they cannot fill one up,
//! fail to allocate, or wait for a lock.
#![no_std]
#![no_main]

mod container;
mod event;
mod memory;
mod net;
mod read;
mod sched;

/// The kernel lends its helpers to GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

/// Nothing panics: the verifier would refuse the program. The compiler wants a handler all the same.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
