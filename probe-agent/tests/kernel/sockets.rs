//! What the kernel itself tells of a socket, and a way to make one lose every packet.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

// As on every architecture that these programs run on; libc does not name them.
const SO_ATTACH_FILTER: libc::c_int = 26;
const SO_DETACH_FILTER: libc::c_int = 27;
const SO_MEMINFO: libc::c_int = 55;

/// Has the socket drop every packet that reaches it, data and acknowledgements alike, until
/// [`undeafen`]: a classic filter that accepts zero bytes. Needs no firewall and no module.
pub(crate) fn deafen(socket: BorrowedFd<'_>) -> io::Result<()> {
    const RETURN_CONSTANT: u16 = 0x06;
    let mut nothing = libc::sock_filter {
        code: RETURN_CONSTANT,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: &raw mut nothing,
    };
    set(socket, SO_ATTACH_FILTER, &program)
}

/// Ends [`deafen`].
pub(crate) fn undeafen(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, SO_DETACH_FILTER, &0_i32)
}

/// Packets that this socket has dropped, as `ss -m` shows them.
pub(crate) fn drops(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut info = [0_u32; 9];
    get(socket, libc::SOL_SOCKET, SO_MEMINFO, &mut info)?;
    Ok(u64::from(info[libc::SK_MEMINFO_DROPS as usize]))
}

/// Segments that this socket has sent again, as `ss -i` shows them.
pub(crate) fn retransmits(socket: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: numbers alone, for which zero is valid.
    let mut info: libc::tcp_info = unsafe { zeroed() };
    get(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info)?;
    Ok(u64::from(info.tcpi_total_retrans))
}

/// Sets how long a call on this socket may block.
pub(crate) fn patience(socket: BorrowedFd<'_>, milliseconds: u32) -> io::Result<()> {
    let time = libc::timeval {
        tv_sec: i64::from(milliseconds / 1_000),
        tv_usec: i64::from(milliseconds % 1_000) * 1_000,
    };
    set(socket, libc::SO_SNDTIMEO, &time)?;
    set(socket, libc::SO_RCVTIMEO, &time)
}

fn set<T>(socket: BorrowedFd<'_>, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: an open socket; the value is as large as is said, and outlives the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    outcome(done)
}

fn get<T>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: &mut T,
) -> io::Result<()> {
    // Older kernels fill a part of it, and say so; the rest stays zero.
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: an open socket; the kernel writes at most `length` bytes of the value.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_mut(value).cast(),
            &raw mut length,
        )
    };
    outcome(done)
}

fn outcome(done: libc::c_int) -> io::Result<()> {
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
