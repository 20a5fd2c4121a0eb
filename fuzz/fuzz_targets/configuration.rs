//! See `fuzz_checks::configuration`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::configuration(bytes));
