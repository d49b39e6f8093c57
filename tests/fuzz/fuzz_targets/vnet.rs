//! Any virtio-net header and packet, in any world.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::vnet::check(input));
