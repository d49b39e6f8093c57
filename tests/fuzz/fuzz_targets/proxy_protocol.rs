//! PROXY headers, versions 1 and 2.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::greeting::check_proxy_protocol(input));
