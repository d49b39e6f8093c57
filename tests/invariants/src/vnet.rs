//! Packets as a device hands them over: with a virtio-net header, or an empty one.

use crate::judge;
use crate::world::{CHOICE_LEN, World};
use translator::{VNET_HEADER_LEN, VnetHeader};

/// Judges a choice of parameters, a virtio-net header and a packet.
///
/// # Panics
/// When an invariant is broken.
pub fn check(input: &[u8]) {
    let Some((choice, input)) = input.split_first_chunk::<CHOICE_LEN>() else { return };
    let Some((vnet, packet)) = input.split_first_chunk::<VNET_HEADER_LEN>() else { return };
    let vnet = VnetHeader::parse(vnet);
    let mut world = World::new(*choice);
    let outcome = world.run(vnet, packet);
    judge::judge(&world, vnet, packet, &outcome);
}

/// Judges a choice of parameters and a packet, and sends what crossed in again.
///
/// # Panics
/// When an invariant is broken.
pub fn check_plain(input: &[u8]) {
    let Some((choice, packet)) = input.split_first_chunk::<CHOICE_LEN>() else { return };
    check_packet(*choice, packet);
}

/// Judges a packet in the world that `choice` makes.
///
/// # Panics
/// When an invariant is broken.
pub fn check_packet(choice: [u8; CHOICE_LEN], packet: &[u8]) {
    let mut world = World::new(choice);
    let outcome = world.run(VnetHeader::default(), packet);
    judge::judge(&world, VnetHeader::default(), packet, &outcome);
    judge::there_and_back(&mut world, packet, &outcome);
}
