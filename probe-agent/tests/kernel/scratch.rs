//! A file on a real disk, written and settled before a test begins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(crate) const PAGE: usize = 4096;

/// Removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    pages: usize,
}

impl Scratch {
    /// A file of so many pages whose blocks are allocated and on the disk, so that overwriting it
    /// needs no journal.
    ///
    /// In the build's own directory, unless `VIPERSCALE_TEST_DISK` names another: it must be on a disk.
    pub(crate) fn create(name: &str, pages: usize) -> Self {
        let directory = std::env::var_os("VIPERSCALE_TEST_DISK")
            .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        fs::create_dir_all(&directory).expect("a directory for test files");
        let path = directory.join(format!("viperscale-{}-{name}", std::process::id()));
        let mut file = File::create(&path).expect("a file");
        for page in 0..pages {
            file.write_all(&[page as u8; PAGE])
                .expect("room on the disk");
        }
        file.sync_all().expect("a disk");
        Self { path, pages }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it past the page cache.
    pub(crate) fn open_direct(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(&self.path)
    }

    /// Asks the kernel to forget its pages from `first` on; those that it shares with pages before may
    /// stay.
    pub(crate) fn forget(&self, first: usize) {
        let file = File::open(&self.path).expect("it exists");
        file.sync_all().expect("a disk");
        let (from, length) = (first * PAGE, (self.pages - first) * PAGE);
        // SAFETY: an open file; advice changes no memory of ours.
        let outcome = unsafe {
            libc::posix_fadvise(
                file.as_raw_fd(),
                from as libc::off_t,
                length as libc::off_t,
                libc::POSIX_FADV_DONTNEED,
            )
        };
        assert_eq!(outcome, 0, "the kernel takes the advice");
    }

    /// How many of its pages are in the page cache, by `mincore`.
    pub(crate) fn resident(&self) -> u64 {
        let file = File::open(&self.path).expect("it exists");
        let length = self.pages * PAGE;
        let mut pages = vec![0_u8; self.pages];
        // SAFETY: a new mapping of the whole file, which is not touched; the vector has a byte for
        // each of its pages.
        unsafe {
            let mapping = libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            );
            assert_ne!(mapping, libc::MAP_FAILED, "it can be mapped");
            assert_eq!(libc::mincore(mapping, length, pages.as_mut_ptr()), 0);
            libc::munmap(mapping, length);
        }
        pages.iter().filter(|page| *page & 1 == 1).count() as u64
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}

/// A block device whose content is a scratch file; gone when nobody has it open.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    path: PathBuf,
    _open: File,
}

/// As `struct loop_config` up to the flags, and the rest of its 304 bytes.
#[repr(C)]
struct LoopConfig {
    file: u32,
    before_flags: [u32; 14],
    flags: u32,
    rest: [u32; 60],
}

const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4c82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4c0a;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

impl LoopDevice {
    /// # Errors
    /// Where the kernel has no such devices, or had not before 5.8 all that this needs.
    pub(crate) fn over(scratch: &Scratch) -> io::Result<Self> {
        const { assert!(size_of::<LoopConfig>() == 304) }
        let control = File::open("/dev/loop-control")?;
        // SAFETY: takes no argument.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let (device, file) = (File::open(&path)?, File::open(scratch.path())?);
        let config = LoopConfig {
            file: file.as_raw_fd().cast_unsigned(),
            before_flags: [0; 14],
            flags: LO_FLAGS_AUTOCLEAR,
            rest: [0; 60],
        };
        // SAFETY: reads a config of the size that is asserted above.
        let done = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
        match done {
            0 => Ok(Self {
                path,
                _open: device,
            }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Memory for direct I/O: aligned to a page.
#[repr(C, align(4096))]
pub(crate) struct Aligned(pub(crate) [u8; 16 * PAGE]);

impl Aligned {
    pub(crate) const fn filled() -> Self {
        Self([7; 16 * PAGE])
    }
}
