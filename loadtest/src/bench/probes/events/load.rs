//! Loads that cause one kind of event, as fast as one thread can.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use super::ping_pong::PingPong;

const PAGE: usize = 4096;

/// Pages that are touched, read or written in turn.
const PAGES: usize = 256;

/// Events until it is dropped.
#[derive(Debug)]
pub(super) enum Load {
    Switches { _threads: PingPong },
    Repeated { _thread: Repeat },
}

/// A thread that does one thing again and again.
#[derive(Debug)]
pub(super) struct Repeat {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Repeat {
    /// Ends by itself when the thing fails, which shows as events that do not come.
    fn start(mut once: impl FnMut() -> Result<()> + Send + 'static) -> Result<Load> {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let repeat = move || {
            while !told.load(Ordering::Relaxed) {
                if let Err(error) = once() {
                    tracing::warn!(error = format!("{error:#}"), "the load has ended early");
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(repeat)
            .context("cannot start a thread")?;
        Ok(Load::Repeated {
            _thread: Self {
                over,
                thread: Some(thread),
            },
        })
    }
}

impl Drop for Repeat {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

pub(super) fn context_switches() -> Result<Load> {
    Ok(Load::Switches {
        _threads: PingPong::start()?,
    })
}

/// Touches pages and gives them back: a fault each, and a flush of the TLB per round of them.
pub(super) fn user_faults() -> Result<Load> {
    let mut memory = Fresh::map()?;
    Repeat::start(move || {
        for page in memory.bytes().chunks_exact_mut(PAGE) {
            // SAFETY: a valid reference; volatile, so that it happens.
            unsafe { std::ptr::write_volatile(&raw mut page[0], 1) };
        }
        memory.give_back()
    })
}

/// Has the kernel fill pages that it has to fault in, and gives them back.
pub(super) fn kernel_faults() -> Result<Load> {
    let mut memory = Fresh::map()?;
    let mut zeros = File::open("/dev/zero").context("cannot read /dev/zero")?;
    Repeat::start(move || {
        zeros.read_exact(memory.bytes())?;
        memory.give_back()
    })
}

/// Reads pages that are cached.
pub(super) fn cached_reads() -> Result<Load> {
    let mut file = tempfile::tempfile().context("cannot make a file")?;
    file.write_all(&vec![1; PAGES * PAGE])
        .context("cannot fill a file")?;
    let mut bytes = [0; PAGE];
    Repeat::start(move || {
        for page in 0..PAGES {
            file.read_exact_at(&mut bytes, (page * PAGE) as u64)?;
        }
        Ok(())
    })
}

/// Writes past the page cache, a page at a time.
pub(super) fn disk_writes() -> Result<Load> {
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let path = directory.path().join("pages");
    std::fs::write(&path, vec![1; PAGES * PAGE]).context("cannot fill a file")?;
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(libc_o_direct())
        .open(&path)
        .context("no disk below the temporary directory takes direct writes; set TMPDIR to one")?;
    file.sync_all().context("cannot settle a file")?;
    let block = Box::new(Aligned([1; PAGE]));
    let mut page = 0;
    Repeat::start(move || {
        // Kept as long as the load.
        let _directory = &directory;
        file.write_all_at(&block.0, (page * PAGE) as u64)?;
        page = (page + 1) % PAGES;
        Ok(())
    })
}

/// A message of a hundred bytes to oneself over TCP: one send, one receive.
pub(super) fn tcp_messages() -> Result<Load> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot bind a loopback port")?;
    let address = listener.local_addr().context("cannot read a bound port")?;
    let mut sender = TcpStream::connect(address).context("cannot connect to ourselves")?;
    sender.set_nodelay(true).context("cannot set up a socket")?;
    let (mut receiver, _) = listener.accept().context("cannot accept ourselves")?;
    let mut bytes = [0; 100];
    Repeat::start(move || {
        sender.write_all(&[1; 100])?;
        receiver.read_exact(&mut bytes)?;
        Ok(())
    })
}

/// A datagram of a hundred bytes to oneself; not to the port of DNS, as most are not.
pub(super) fn datagrams() -> Result<Load> {
    let socket = UdpSocket::bind("127.0.0.1:0").context("cannot bind a loopback port")?;
    let address = socket.local_addr().context("cannot read a bound port")?;
    let mut bytes = [0; 200];
    Repeat::start(move || {
        socket.send_to(&[1; 100], address)?;
        socket.recv(&mut bytes)?;
        Ok(())
    })
}

/// Memory for direct I/O.
#[repr(C, align(4096))]
struct Aligned([u8; PAGE]);

fn libc_o_direct() -> i32 {
    nix::fcntl::OFlag::O_DIRECT.bits()
}

/// A private mapping of [`PAGES`] pages, each of which is faulted in by itself; unmapped when dropped.
struct Fresh {
    start: std::ptr::NonNull<u8>,
}

// SAFETY: the mapping belongs to this value alone, wherever it is moved.
unsafe impl Send for Fresh {}

impl Fresh {
    fn map() -> Result<Self> {
        use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous};
        let length = std::num::NonZeroUsize::new(PAGES * PAGE).context("no pages")?;
        // SAFETY: a new mapping at an address that the kernel chooses, and advice about it.
        unsafe {
            let start = mmap_anonymous(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_PRIVATE,
            )
            .context("cannot map memory")?;
            let memory = Self {
                start: start.cast(),
            };
            // One fault per page, not per huge page.
            madvise(start, PAGES * PAGE, MmapAdvise::MADV_NOHUGEPAGE)
                .context("cannot advise the kernel about memory")?;
            Ok(memory)
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: a mapping of that many bytes, which read as zero when nobody wrote them, and this
        // value's alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), PAGES * PAGE) }
    }

    fn give_back(&mut self) -> Result<()> {
        use nix::sys::mman::{MmapAdvise, madvise};
        // SAFETY: the whole of our mapping, to which nobody has a reference now.
        unsafe { madvise(self.start.cast(), PAGES * PAGE, MmapAdvise::MADV_DONTNEED) }
            .context("cannot give memory back")
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // SAFETY: the whole of our mapping, which nobody uses any more.
        let unmapped = unsafe { nix::sys::mman::munmap(self.start.cast(), PAGES * PAGE) };
        if let Err(error) = unmapped {
            tracing::warn!(%error, "cannot unmap memory");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_goes_on_until_it_is_dropped() {
        use std::sync::atomic::AtomicU64;
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let load = Repeat::start(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        while count.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        drop(load);
        let after = count.load(Ordering::Relaxed);
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert_eq!(count.load(Ordering::Relaxed), after);
    }

    #[test]
    fn fresh_memory_is_zero_again_after_it_was_given_back() {
        let mut memory = Fresh::map().unwrap();
        memory.bytes()[PAGE] = 7;
        memory.give_back().unwrap();
        assert_eq!(memory.bytes()[PAGE], 0);
    }
}
