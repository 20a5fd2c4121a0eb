//! DNS over UDP, from the first query to its answer.
//!
//! A query that is sent again, with the same id through the same socket, keeps the time of the first:
//! what its sender waited is what counts. DNS over TCP is not seen.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_get_socket_cookie, bpf_ktime_get_ns},
    macros::map,
    maps::{LruHashMap, PerCpuArray},
    programs::SkBuffContext,
};
use ebpf_common::{Departure, Distribution, NEVER, QUERIES as ENTRIES, QueryKey, index};

use crate::{
    container,
    event::{record, sampled},
    lost, packets,
};

const UDP: u8 = 17;
const PORT: u16 = 53;

/// The bit that tells an answer from a query, in the third byte of the DNS header.
const IS_ANSWER: u8 = 0x80;

/// After that long a query with the same id is another one: resolvers give up after 5 to 30 s.
const FORGOTTEN_NS: u64 = 30_000_000_000;

#[map]
static QUERIES: LruHashMap<QueryKey, Departure> = LruHashMap::with_max_entries(ENTRIES, 0);

#[map]
static DNS: PerCpuArray<Distribution> = PerCpuArray::with_max_entries(1, 0);

/// The start of a DNS message and what is in front of it.
struct Message {
    source: u16,
    destination: u16,
    id: u16,
    is_answer: bool,
}

/// Notes when a query leaves.
#[inline(always)]
pub(crate) fn query(packet: &SkBuffContext) {
    let Some(message) = parse(packet) else { return };
    if message.destination != PORT || message.is_answer {
        return;
    }
    let Some(at) = packets::owner(packet) else {
        return;
    };
    if !sampled(container::threshold(at, index::DNS_LATENCY)) {
        return;
    }
    let key = key(packet, message.id);
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    // SAFETY: an entry that is replaced meanwhile gives a wrong time for one query at worst.
    if let Some(first) = unsafe { QUERIES.get(&key) }
        && first.at == at
        && now.wrapping_sub(first.at_ns) < FORGOTTEN_NS
    {
        return;
    }
    let departure = Departure { at, at_ns: now };
    if QUERIES.insert(&key, &departure, 0).is_err() {
        lost::query();
    }
}

/// Counts the time since the query when its answer arrives.
#[inline(always)]
pub(crate) fn answer(packet: &SkBuffContext) {
    let Some(message) = parse(packet) else { return };
    if message.source != PORT || !message.is_answer {
        return;
    }
    let key = key(packet, message.id);
    // SAFETY: as above.
    let Some(query) = (unsafe { QUERIES.get(&key) }).copied() else {
        return;
    };
    // Fails when another CPU was faster: an answer that came twice counts once.
    if QUERIES.remove(&key).is_err() || container::threshold(query.at, index::DNS_LATENCY) == NEVER
    {
        return;
    }
    // SAFETY: the helper has no preconditions.
    let waited = unsafe { bpf_ktime_get_ns() }.wrapping_sub(query.at_ns);
    if let Some(cell) = DNS.get_ptr_mut(query.at.slot) {
        // SAFETY: a cell of this CPU, which this program alone writes.
        record(unsafe { &mut *cell }, waited);
    }
}

#[inline(always)]
fn key(packet: &SkBuffContext, id: u16) -> QueryKey {
    // SAFETY: the context is the packet that the helper wants.
    let socket = unsafe { bpf_get_socket_cookie(packet.as_ptr()) };
    QueryKey {
        socket,
        id: u64::from(id),
    }
}

/// Reads what may be a DNS message: an unfragmented UDP packet, from or to any port.
#[inline(always)]
fn parse(packet: &SkBuffContext) -> Option<Message> {
    // The shortest header, of version 4. A version 6 packet is longer.
    let header: [u8; 20] = packet.load(0).ok()?;
    let offset = match header[0] >> 4 {
        // The offset of a fragment is in the lower 13 bits of these two bytes.
        4 if header[9] == UDP && header[6] & 0x1f == 0 && header[7] == 0 => {
            usize::from(header[0] & 0xf) * 4
        }
        6 if header[6] == UDP => 40,
        _ => return None,
    };
    // Ports, length and checksum; then id and flags.
    let start: [u8; 12] = packet.load(offset).ok()?;
    Some(Message {
        source: u16::from_be_bytes([start[0], start[1]]),
        destination: u16::from_be_bytes([start[2], start[3]]),
        id: u16::from_be_bytes([start[8], start[9]]),
        is_answer: start[10] & IS_ANSWER != 0,
    })
}
