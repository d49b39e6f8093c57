//! Packets as people write them.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::text::check_sketch(input));
