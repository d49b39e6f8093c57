//! Answers of upstreams, and what is made of them.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::dns::reply::check(input));
