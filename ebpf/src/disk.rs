//! Requests to block devices.
//!
//! Both events come from wherever the kernel happens to be, an interrupt or a thread of its own, so a
//! request is charged by what it carries: the cgroup that its first bio was made for. Sizes count when
//! the device gets the request, merged or split as the block layer saw fit; flushes and discards,
//! which move no data, do not count.
//!
//! A driver without room hands a request back, and it is issued again later. It is one request: its size
//! counts the first time, its latency from the last. In between it stands in the table without a time.

use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::{HashMap, PerCpuArray},
    programs::BtfTracePointContext,
};
use ebpf_common::{Departure, DiskCell, HANDED_BACK, NEVER, REQUESTS as ENTRIES, index};

use crate::{
    container,
    event::{record, sampled},
    lost,
    read::{field, layout},
};

/// Operations that move data, in the lowest byte of a request's flags.
const READ: u32 = 0;
const WRITE: u32 = 1;
const ZONE_APPEND: u32 = 7;

#[map]
static REQUESTS: HashMap<u64, Departure> = HashMap::with_max_entries(ENTRIES, 0);

#[map]
static DISK: PerCpuArray<DiskCell> = PerCpuArray::with_max_entries(1, 0);

/// `block_rq_issue(rq)`: the device gets a request.
#[btf_tracepoint(function = "block_rq_issue")]
pub fn block_rq_issue(ctx: BtfTracePointContext) -> i32 {
    issue(ctx.arg(0))
}

/// `block_rq_issue(q, rq)`, as kernels before 5.11 had it.
#[btf_tracepoint(function = "block_rq_issue")]
pub fn block_rq_issue_5_10(ctx: BtfTracePointContext) -> i32 {
    issue(ctx.arg(1))
}

#[inline(always)]
fn issue(request: *const u8) -> i32 {
    // SAFETY: an argument that the verifier types.
    let (operation, at, bytes) = unsafe {
        (
            field::<u32>(request, layout!(request_flags)) & 0xff,
            container::of_request(request),
            field::<u32>(request, layout!(request_length)),
        )
    };
    let counts = operation == READ || operation == WRITE || operation == ZONE_APPEND;
    let measured = match at {
        Some(at) if counts => container::config(at).map(|config| (at, config)),
        _ => None,
    };
    let earlier = forget(request);
    let Some((at, config)) = measured else {
        return 0;
    };
    let again = matches!(earlier, Some(Departure { at: whose, at_ns: HANDED_BACK }) if whose == at);
    if !again
        && sampled(config.thresholds[index::DISK_IO_SIZE])
        && let Some(cell) = DISK.get_ptr_mut(at.slot)
    {
        // SAFETY: a cell of this CPU, whose sizes one program writes.
        record(unsafe { &mut (*cell).sizes }, u64::from(bytes));
    }
    if sampled(config.thresholds[index::DISK_IO_LATENCY]) {
        let departure = Departure {
            at,
            // SAFETY: the helper has no preconditions.
            at_ns: unsafe { bpf_ktime_get_ns() },
        };
        if REQUESTS.insert(&(request as u64), &departure, 0).is_err() {
            lost::request();
        }
    }
    0
}

/// Removes what the table has of this address: the same request that was handed back, or an earlier one
/// whose end was not seen, and which is lost; a later end would be taken for its own.
#[inline(always)]
fn forget(request: *const u8) -> Option<Departure> {
    let key = request as u64;
    // A look-up takes no lock, and there is hardly ever anything to remove.
    // SAFETY: no other request has this address, so nobody else changes or removes the entry.
    let earlier = (unsafe { REQUESTS.get(&key) }).copied()?;
    let _gone = REQUESTS.remove(&key);
    if earlier.at_ns != HANDED_BACK {
        lost::request();
    }
    Some(earlier)
}

/// `block_rq_requeue(rq)`: the driver had no room for a request that it was given.
#[btf_tracepoint(function = "block_rq_requeue")]
pub fn block_rq_requeue(ctx: BtfTracePointContext) -> i32 {
    hand_back(ctx.arg(0))
}

/// `block_rq_requeue(q, rq)`, as kernels before 5.11 had it.
#[btf_tracepoint(function = "block_rq_requeue")]
pub fn block_rq_requeue_5_10(ctx: BtfTracePointContext) -> i32 {
    hand_back(ctx.arg(1))
}

#[inline(always)]
fn hand_back(request: *const u8) -> i32 {
    // SAFETY: an argument that the verifier types.
    let Some(at) = (unsafe { container::of_request(request) }) else {
        return 0;
    };
    let departure = Departure {
        at,
        at_ns: HANDED_BACK,
    };
    if REQUESTS.insert(&(request as u64), &departure, 0).is_err() {
        lost::request();
    }
    0
}

/// `block_rq_complete(rq, error, bytes)`: so many bytes of a request are done, perhaps not all.
#[btf_tracepoint(function = "block_rq_complete")]
pub fn block_rq_complete(ctx: BtfTracePointContext) -> i32 {
    let request: *const u8 = ctx.arg(0);
    let done = ctx.arg::<u64>(2) as u32;
    // SAFETY: an argument that the verifier types.
    if done < unsafe { field::<u32>(request, layout!(request_length)) } {
        return 0;
    }
    let key = request as u64;
    // SAFETY: no other request has this address until this one is complete.
    let Some(departure) = (unsafe { REQUESTS.get(&key) }).copied() else {
        return 0;
    };
    let _gone = REQUESTS.remove(&key);
    if container::threshold(departure.at, index::DISK_IO_LATENCY) == NEVER {
        return 0;
    }
    // SAFETY: the helper has no preconditions.
    let took = unsafe { bpf_ktime_get_ns() }.wrapping_sub(departure.at_ns);
    if let Some(cell) = DISK.get_ptr_mut(departure.at.slot) {
        // SAFETY: a cell of this CPU, whose latencies one program writes.
        record(unsafe { &mut (*cell).latencies }, took);
    }
    0
}
