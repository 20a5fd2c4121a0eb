//! Entry point: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    share_one_heap();
    probe_agent::cli::main()
}

/// Makes all threads allocate from one heap. glibc gives each its own, and what parsing the kernel's
/// types has left free in one of them is neither used by the others nor all given back: half of the
/// agent's resident memory. Its few threads seldom allocate at the same time.
fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` takes plain numbers; no other thread exists yet. A refusal changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
