//! Any packet without a virtio-net header, in any world, there and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::vnet::check_plain(input));
