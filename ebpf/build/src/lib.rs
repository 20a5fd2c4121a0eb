//! Builds the kernel programs into `ebpf/dist`, which is committed, so that nothing else needs an
//! eBPF toolchain.
//!
//! ```text
//!  ebpf/src, ebpf/common/src, manifests, lock file ──▶ digest ─────────────┐
//!          └─▶ toolchain (Debian or rustup) ──▶ compile ──▶ strip ──▶ dist: object + digests
//! ```
//!
//! `cargo ebpf` runs all of it, `cargo ebpf --check` compares only, `cargo ebpf setup` installs what
//! is missing. The object depends on the sources and the compiler alone, not on where they lie, so two
//! builds with the same toolchain have the same bytes; different compilers' differ.

mod compile;
mod dist;
mod setup;
mod strip;
mod toolchain;

use std::path::{Path, PathBuf};

pub use compile::compile;
pub use dist::{Dist, Freshness};
pub use setup::set_up;
pub use strip::strip_debug_information;
pub use toolchain::{Kind, Toolchain};

/// The folder `ebpf` of this repository.
///
/// cargo tells where this crate is when it runs it; that is right even when the executable was built
/// in another checkout with the same target directory.
pub fn ebpf_root() -> PathBuf {
    let crate_root = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    crate_root
        .parent()
        .map_or(crate_root.clone(), Path::to_path_buf)
}
