//! Cookies that name members.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::cookies::check(input));
