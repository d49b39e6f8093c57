//! Batches of packets, as a worker reads, translates and merges them.
//!
//! ```text
//!   choice 4 | protocols 1 | length 2, virtio-net header 10, packet | length 2, ... | ...
//! ```
//!
//! What leaves must be what each packet became by itself: in order within its flow, and, once the kernel has cut what
//! was merged, byte by byte, but for IPv4 identifications.

use crate::kernel;
use crate::view::{TCP, UDP, View, word};
use crate::world::{CHOICE_LEN, Sent, World};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use translator::{Coalescer, Frame, Merge, VNET_HEADER_LEN, VnetHeader, cut};

/// Packets of a batch; a worker takes as many.
const MOST: usize = 64;

thread_local! {
    /// A mebibyte of buffers, which would take longer to make for each input than all else.
    static COALESCER: RefCell<Coalescer> = RefCell::new(Coalescer::new(Merge::default()));
}

/// What keeps its order: addresses, protocol, ports. Fragments have no ports.
type Flow = (IpAddr, IpAddr, u8, Option<u16>, Option<u16>);

/// Judges a batch.
///
/// # Panics
/// When an invariant is broken.
pub fn check(input: &[u8]) {
    let Some((choice, input)) = input.split_first_chunk::<CHOICE_LEN>() else { return };
    let Some((&protocols, input)) = input.split_first() else { return };
    let merge = Merge { tcp: protocols & 1 == 0, udp: protocols & 2 == 0 };
    let packets = packets(input);
    if packets.iter().any(|&(vnet, packet)| !kernel::is_plausible(vnet, packet)) {
        return;
    }
    let (single, left) = COALESCER.with_borrow_mut(|coalescer| {
        coalescer.clear();
        coalescer.set_merge(merge);
        World::new(*choice).run_batch(coalescer, &packets)
    });
    let good = packets.iter().all(|&(vnet, packet)| kernel::accepts(vnet, packet).is_ok());
    for (sent, merged) in &left {
        View::of_whole(&sent.packet);
        if good {
            let taken = kernel::accepts(sent.vnet, &sent.packet);
            assert_eq!(taken, Ok(()), "the kernel refuses {:?} of {merged} packets", sent.vnet);
        }
    }
    let pieces: Vec<Sent> = left.iter().flat_map(|(sent, merged)| apart(sent, *merged)).collect();
    assert_eq!(flows(&single), flows(&pieces));
}

/// The packets of a batch.
fn packets(mut input: &[u8]) -> Vec<(VnetHeader, &[u8])> {
    let mut packets = Vec::new();
    while let Some((len, rest)) = input.split_first_chunk::<2>()
        && let Some((vnet, rest)) = rest.split_first_chunk::<VNET_HEADER_LEN>()
        && packets.len() < MOST
    {
        let (packet, rest) = rest.split_at(usize::from(u16::from_le_bytes(*len)).min(rest.len()));
        packets.push((VnetHeader::parse(vnet), packet));
        input = rest;
    }
    packets
}

/// What the kernel makes of a packet that `merged` packets were merged into.
fn apart(sent: &Sent, merged: u16) -> Vec<Sent> {
    if merged == 1 {
        return vec![sent.clone()];
    }
    let mut frame = Frame::with_capacity(sent.packet.len());
    frame.set_packet(&sent.packet);
    frame.vnet = sent.vnet;
    let mut pieces = Vec::new();
    let is_super = cut(&frame, &mut Frame::with_capacity(0), |piece| {
        pieces.push(Sent { vnet: piece.vnet, packet: piece.packet().to_vec() });
    });
    assert!(
        is_super && pieces.len() == usize::from(merged),
        "{merged} packets came apart into {}",
        pieces.len()
    );
    pieces
}

/// The packets of each flow in order, their checksums complete and without what differs by design.
fn flows(sent: &[Sent]) -> BTreeMap<Flow, Vec<Vec<u8>>> {
    let mut flows: BTreeMap<Flow, Vec<Vec<u8>>> = BTreeMap::new();
    for Sent { vnet, packet } in sent {
        let mut packet = kernel::completed(*vnet, packet);
        let view = View::of_whole(&packet);
        let port = |at| {
            let has_ports = [TCP, UDP].contains(&view.protocol) && !view.is_fragment();
            word(view.payload, at).filter(|_| has_ports)
        };
        let flow = (view.src, view.dst, view.protocol, port(0), port(2));
        if view.is_v4() {
            // Identification and header checksum.
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        }
        flows.entry(flow).or_default().push(packet);
    }
    flows
}
