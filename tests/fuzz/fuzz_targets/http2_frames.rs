//! Frames of clients of HTTP/2.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::frames::check(input));
