//! See `fuzz_checks::policy_yaml`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::policy_yaml(bytes));
