//! Targets of requests through rules.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::heads::check_target(input));
