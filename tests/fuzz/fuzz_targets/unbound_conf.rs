//! Files of Unbound, imported.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::text::check_unbound_conf(input));
