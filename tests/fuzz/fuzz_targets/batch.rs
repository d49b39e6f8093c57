//! Batches of packets, translated and merged as a worker does.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::batch::check(input));
