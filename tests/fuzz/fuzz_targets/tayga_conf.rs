//! Files of Tayga, imported.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::text::check_tayga_conf(input));
