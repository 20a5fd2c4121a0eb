//! Who takes part in an election.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A name for this process that no other has, this one's next start included.
pub fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().take(200).collect();
    // Seeded by the operating system, unlike the generator of jitter, which tests may seed.
    let unique = RandomState::new().build_hasher().finish();
    format!("{host}_{:016x}-{}", unique, std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_starts_are_two_candidates() {
        assert_ne!(identity(), identity());
    }
}
