//! Files of BIND, imported.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::text::check_named_conf(input));
