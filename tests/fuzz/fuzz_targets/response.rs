//! Responses of members.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::response::check(input));
