//! See `fuzz_checks::btf`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::btf(bytes));
