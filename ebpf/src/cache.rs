//! The page cache: pages of files that tasks ask for, and pages that had to be put there for it.
//!
//! One access has several events, and some events belong to no access:
//! - A long read asks in batches, each time for all that is left. So an event of the same thread for
//!   the same last page of the same file, further on than the one before, is the same access; and so
//!   is the next small read inside one page.
//! - A fault on a mapped file maps what the cache has around the page, if anything. If the page itself
//!   was not among it, a second event follows; and once it was read, the fault is taken again.
//! - A write puts pages into the cache, too. It makes each dirty before it adds the next one, and
//!   those are subtracted: they came from no device.
//! - Blocks of a file system's own tables are cached as pages of its device, without being asked for
//!   as pages: so pages of devices do not count, whether added or asked for.
//!
//! Pages are added by the task that asks, reading ahead included, so the current task is the right one.

use aya_ebpf::{
    helpers::generated::bpf_get_current_task_btf,
    macros::{btf_tracepoint, map},
    maps::PerCpuArray,
    programs::BtfTracePointContext,
};
use ebpf_common::{CacheCell, NEVER, access, index};

use crate::{
    event::recorded,
    read::{field, layout},
    stint,
};

/// `S_IFMT` and `S_IFBLK`: the type in a file's mode, and that of a block device.
const TYPE: u16 = 0o170_000;
const BLOCK_DEVICE: u16 = 0o060_000;

#[map]
static CACHE: PerCpuArray<CacheCell> = PerCpuArray::with_max_entries(1, 0);

/// The current task, where its container's accesses are counted, and how densely.
struct Accessor {
    cell: &'static mut CacheCell,
    task: u32,
    threshold: u32,
}

/// `mm_filemap_get_pages(mapping, first, last)`: a read has, or waits for, some pages from `first` on and
/// wants all up to `last`, even past the end of the file. Kernel 6.12 and later.
#[btf_tracepoint(function = "mm_filemap_get_pages")]
pub fn mm_filemap_get_pages(ctx: BtfTracePointContext) -> i32 {
    let Some(mut by) = accessor() else { return 0 };
    let mapping: *const u8 = ctx.arg(0);
    // SAFETY: an argument that the verifier types.
    if unsafe { is_device(mapping) } {
        return 0;
    }
    let (first, wanted): (u64, u64) = (ctx.arg(1), ctx.arg(2));
    // What was added was for this read.
    by.cell.pending = 0;
    if by.is_again(mapping, access::READ)
        && by.cell.last == wanted
        && (first > by.cell.first || (first == by.cell.first && first == wanted))
    {
        by.cell.first = first;
        return 0;
    }
    by.note(mapping, access::READ, first, wanted);
    // SAFETY: pointers that the verifier types.
    let size: u64 = unsafe {
        let inode: *const u8 = field(mapping, layout!(mapping_host));
        field(inode, layout!(inode_size))
    };
    let end = size.wrapping_sub(1) >> layout!(page_shift);
    let last = if wanted < end { wanted } else { end };
    if size > 0 && last >= first {
        by.access(last - first + 1);
    }
    0
}

/// `mm_filemap_fault(mapping, page)`: a fault needs a page that it could not map at once.
#[btf_tracepoint(function = "mm_filemap_fault")]
pub fn mm_filemap_fault(ctx: BtfTracePointContext) -> i32 {
    let Some(mut by) = accessor() else { return 0 };
    let (mapping, page): (*const u8, u64) = (ctx.arg(0), ctx.arg(1));
    // SAFETY: an argument that the verifier types.
    if unsafe { is_device(mapping) } {
        return 0;
    }
    let cell = &*by.cell;
    let again = (by.is_again(mapping, access::FAULT) && cell.first == page)
        || (by.is_again(mapping, access::MAPPED) && cell.first <= page && page <= cell.last);
    by.cell.pending = 0;
    by.note(mapping, access::FAULT, page, page);
    if !again {
        by.access(1);
    }
    0
}

/// `mm_filemap_map_pages(mapping, first, last)`: a fault mapped what the cache has of these pages.
#[btf_tracepoint(function = "mm_filemap_map_pages")]
pub fn mm_filemap_map_pages(ctx: BtfTracePointContext) -> i32 {
    let Some(mut by) = accessor() else { return 0 };
    let mapping: *const u8 = ctx.arg(0);
    // SAFETY: an argument that the verifier types.
    if unsafe { is_device(mapping) } {
        return 0;
    }
    let (first, last): (u64, u64) = (ctx.arg(1), ctx.arg(2));
    if by.is_again(mapping, access::FAULT) && first <= by.cell.first && by.cell.first <= last {
        // The fault that brought the page in, taken again.
        by.cell.kind = access::NONE;
        return 0;
    }
    by.note(mapping, access::MAPPED, first, last);
    by.access(1);
    0
}

/// `mm_filemap_add_to_page_cache(folio)`: some pages are put into the cache, to be read or written.
#[btf_tracepoint(function = "mm_filemap_add_to_page_cache")]
pub fn mm_filemap_add_to_page_cache(ctx: BtfTracePointContext) -> i32 {
    let Some(by) = accessor() else { return 0 };
    let folio: *const u8 = ctx.arg(0);
    // SAFETY: pointers that the verifier types; the order is that of a large folio only.
    let (mapping, pages) = unsafe {
        let mapping: *const u8 = field(folio, layout!(folio_mapping));
        if is_device(mapping) {
            return 0;
        }
        let large = field::<u64>(folio, layout!(folio_flags)) & layout!(folio_large) != 0;
        let order = if large {
            field::<u64>(folio, layout!(folio_order)) & 0x1f
        } else {
            0
        };
        (mapping, 1_u64 << order)
    };
    let pages = recorded(by.threshold, pages);
    // A fault reads what it adds, even if it makes the page dirty afterwards.
    let reads = by.is_again(mapping, access::FAULT);
    let cell = by.cell;
    cell.added += pages;
    cell.pending = if reads { 0 } else { folio as u64 };
    cell.pending_pages = pages;
    0
}

/// `writeback_dirty_folio(folio, mapping)`: a clean folio becomes dirty.
#[btf_tracepoint(function = "writeback_dirty_folio")]
pub fn writeback_dirty_folio(ctx: BtfTracePointContext) -> i32 {
    let Some(by) = accessor() else { return 0 };
    let cell = by.cell;
    if cell.pending == ctx.arg::<u64>(0) {
        cell.written += cell.pending_pages;
        cell.pending = 0;
    }
    0
}

/// Whether these are the pages of a block device.
///
/// # Safety
///
/// `mapping` must be an `address_space` that the verifier knows as such.
#[inline(always)]
unsafe fn is_device(mapping: *const u8) -> bool {
    // SAFETY: upheld by the caller.
    unsafe {
        let inode: *const u8 = field(mapping, layout!(mapping_host));
        field::<u16>(inode, layout!(inode_mode)) & TYPE == BLOCK_DEVICE
    }
}

/// The current task, if the page cache of its container is measured.
#[inline(always)]
fn accessor() -> Option<Accessor> {
    let by = stint::current()?;
    let threshold = by.config.thresholds[index::PAGE_CACHE];
    if threshold == NEVER {
        return None;
    }
    let cell = CACHE.get_ptr_mut(by.slot)?;
    // SAFETY: the helper has no preconditions, and the verifier types its result.
    let task = unsafe { field(bpf_get_current_task_btf().cast(), layout!(task_pid)) };
    Some(Accessor {
        // SAFETY: a cell of this CPU. An interrupt adds no pages and reads no files, so these programs
        // do not run inside of one another.
        cell: unsafe { &mut *cell },
        task,
        threshold,
    })
}

impl Accessor {
    /// Whether the container's last access here was one of this kind, by this task to this file.
    #[inline(always)]
    fn is_again(&self, mapping: *const u8, kind: u32) -> bool {
        let cell = &*self.cell;
        cell.kind == kind && cell.task == self.task && cell.mapping == mapping as u64
    }

    #[inline(always)]
    fn note(&mut self, mapping: *const u8, kind: u32, first: u64, last: u64) {
        self.cell.mapping = mapping as u64;
        self.cell.task = self.task;
        self.cell.kind = kind;
        self.cell.first = first;
        self.cell.last = last;
    }

    #[inline(always)]
    fn access(&mut self, pages: u64) {
        self.cell.accessed += recorded(self.threshold, pages);
    }
}
