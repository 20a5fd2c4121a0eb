//! See `fuzz_checks::cgroup_path`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::cgroup_path(bytes));
