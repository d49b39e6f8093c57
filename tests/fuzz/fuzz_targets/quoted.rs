//! ICMP errors around any quote.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::quoted::check(input));
