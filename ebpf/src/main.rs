//! Programs that run inside the kernel and count, per container, what its tasks go through.
//!
//! ```text
//!  where                          whose                                  cell
//!  sched_switch, flush_running    task that leaves the CPU            ─▶ SCHED[slot], page faults too
//!  page_fault_kernel, tlb_flush   current task                        ─▶ COUNTS[slot]
//!  mm_filemap_*, dirty_folio      current task                        ─▶ CACHE[slot]
//!  block_rq_issue ─ REQUESTS ─┐   cgroup of the request's bio         ─▶ DISK[slot]
//!    block_rq_requeue ─▲      │
//!           block_rq_complete ┘
//!  sock_send/recv_length          current task                        ─▶ NET[slot]
//!  tcp_retransmit_*, kfree_skb    cgroup of the socket                ─▶ COUNTS[slot]
//!  cgroup_egress ─── QUERIES ─┐   cgroup of the socket                ─▶ DNS[slot], and NET[slot]
//!             cgroup_ingress ─┘                                          on kernels before 6.3
//! ```
//!
//! Work that the kernel does in interrupts and its own threads is charged to whom the socket or the
//! request belongs to, never to the task that happened to run.
//!
//! Every cell belongs to one CPU and every program runs with pre-emption off, so plain additions are
//! enough. Tables that programs insert into hold what is under way and are preallocated: none can
//! grow, and what does not fit is counted in `LOST`.
#![no_std]
#![no_main]

mod cache;
mod container;
mod count;
mod disk;
mod dns;
mod event;
mod faults;
mod lost;
mod memory;
mod net;
mod packets;
mod read;
mod sched;
mod stint;
mod tcp;

/// The kernel lends its helpers to GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";

/// Nothing panics: the verifier would refuse the program. The compiler wants a handler all the same.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
