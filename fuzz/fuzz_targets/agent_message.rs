//! See `fuzz_checks::agent_message`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_checks::agent_message(bytes));
