//! The first message of TLS.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::greeting::check_client_hello(input));
