//! Our own file.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::text::check_gateway_toml(input));
