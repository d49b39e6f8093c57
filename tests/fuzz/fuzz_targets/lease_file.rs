//! Files of leases.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::dns::names::check_leases(input));
