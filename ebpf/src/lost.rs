//! What could not be followed to its end: a table had no room, or the end was not seen.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use ebpf_common::LostCell;

#[map]
static LOST: PerCpuArray<LostCell> = PerCpuArray::with_max_entries(1, 0);

/// A disk request was not noted, or its end not seen.
#[inline(always)]
pub(crate) fn request() {
    if let Some(cell) = LOST.get_ptr_mut(0) {
        // SAFETY: a cell of this CPU, at a place that one program writes.
        unsafe { (*cell).requests += 1 };
    }
}

/// A DNS query was not noted.
#[inline(always)]
pub(crate) fn query() {
    if let Some(cell) = LOST.get_ptr_mut(0) {
        // SAFETY: as above.
        unsafe { (*cell).queries += 1 };
    }
}
