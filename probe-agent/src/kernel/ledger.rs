//! The scheduler program's ledger, as far as the agent writes it.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use ebpf_common::LEDGER_ENTRIES;

/// Zeroes all entries. Programs go on meanwhile: what they write at that moment is current and may
/// stay.
///
/// By mapping the map: one system call per entry would take ten milliseconds.
pub(super) fn clear(map: impl AsFd) -> io::Result<()> {
    let length = LEDGER_ENTRIES as usize * size_of::<u64>();
    // SAFETY: a new mapping at an address that the kernel chooses.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            map.as_fd().as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is `length` bytes long, writable and no one else's in this process; zero is
    // a valid entry. It is not used after it is unmapped.
    unsafe {
        address.write_bytes(0, length);
        libc::munmap(address, length);
    }
    Ok(())
}
