//! Questions of clients, at the door of the resolver.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::dns::question::check(input));
