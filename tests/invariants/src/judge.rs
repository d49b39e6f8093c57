//! The judgement of one run: what left must be well formed, be what came in, and suit the kernel.
//!
//! | verdict | must hold |
//! |---|---|
//! | forward | one packet of the other family: a hop less, the payload untouched, a checksum that is right if it came so |
//! | split | its fragments, which fit and make up that packet again |
//! | reply | one packet to the sender: an echo of the request, or an error that quotes the packet and is not too long |
//! | drop | nothing |
//!
//! In all of them, a packet that the kernel could have handed over becomes packets that it takes back.

mod error;
mod reply;

use crate::kernel;
use crate::view::{Checksum, ICMPV4, ICMPV6, TCP, UDP, View, word};
use crate::world::{Outcome, Sent, World};
use std::collections::BTreeMap;
use translator::{Class, Direction, Params, Reply, Verdict, VnetHeader};

/// Judges what became of `packet`, which came with `vnet`.
///
/// # Panics
/// When an invariant is broken.
pub fn judge(world: &World, vnet: VnetHeader, packet: &[u8], outcome: &Outcome) {
    let params = world.translator.params();
    if !kernel::is_plausible(vnet, packet) {
        // Nobody can say what such a packet is, but what leaves is well formed.
        for sent in &outcome.sent {
            let _ = View::of_whole(&sent.packet);
        }
        return;
    }
    let came = kernel::completed(vnet, packet);
    if kernel::accepts(vnet, packet).is_ok() {
        for sent in &outcome.sent {
            let taken = kernel::accepts(sent.vnet, &sent.packet);
            assert_eq!(taken, Ok(()), "the kernel refuses {:?} of {vnet:?}", sent.vnet);
        }
    }
    match (outcome.verdict, outcome.sent.as_slice()) {
        (Verdict::Drop(_), []) => {}
        (Verdict::Forward(direction), [sent]) => forward(world, direction, (vnet, &came), sent),
        (Verdict::Split(direction), fragments) if !fragments.is_empty() => {
            split(world, direction, (vnet, &came), fragments);
        }
        (Verdict::Reply(Reply::Echo), [sent]) => reply::echo(&came, sent),
        (Verdict::Reply(Reply::Error(reason)), [sent]) => {
            reply::error(params, reason, vnet, &came, sent);
        }
        (verdict, sent) => panic!("{verdict:?} with {} packets", sent.len()),
    }
}

/// A translated packet that is sent in again finds the same two hosts, and is then what it was at first.
///
/// # Panics
/// When it is not.
pub fn there_and_back(world: &mut World, packet: &[u8], outcome: &Outcome) {
    let (Verdict::Forward(_), [sent]) = (outcome.verdict, outcome.sent.as_slice()) else { return };
    let Some(came) = View::of(packet) else { return };
    if came.has_extras || !came.dont_fragment || came.is_fragment() || came.is_icmp_error() {
        return;
    }
    let back = world.run(VnetHeader::default(), &sent.packet);
    judge(world, VnetHeader::default(), &sent.packet, &back);
    let (Verdict::Forward(_), [back]) = (back.verdict, back.sent.as_slice()) else { return };
    let back = View::of_ours(&back.packet);
    if (back.src, back.dst) != (came.src, came.dst) {
        // Several addresses stand for this one.
        return;
    }
    assert_eq!((back.protocol, back.is_fragment()), (came.protocol, false));
    assert_eq!(back.ttl, came.ttl - 2, "two hops");
    if is_syn(&came) || came.checksum() == Checksum::Absent {
        return;
    }
    assert_eq!(with_one_zero(&back), with_one_zero(&came), "there and back");
}

/// The payload with the one of the two zeros of ones' complement that a translator writes.
fn with_one_zero(view: &View<'_>) -> Vec<u8> {
    let mut payload = view.payload.to_vec();
    if let Some(checksum) = view.checksum_at().and_then(|at| payload.get_mut(at..at + 2))
        && *checksum == [0xff, 0xff]
    {
        checksum.fill(0);
    }
    payload
}

/// Which sides of a crossing are IPv4.
const fn sides(direction: Direction) -> (bool, bool) {
    match direction {
        Direction::V6ToV4 => (false, true),
        Direction::V4ToV6 => (true, false),
        Direction::V6ToV6 => (false, false),
    }
}

/// The protocol number of the other family.
const fn crossed(protocol: u8) -> u8 {
    match protocol {
        ICMPV4 => ICMPV6,
        ICMPV6 => ICMPV4,
        other => other,
    }
}

fn is_syn(view: &View<'_>) -> bool {
    view.protocol == TCP && view.payload.get(13).is_some_and(|flags| flags & 2 != 0)
}

/// The payload with zeros for what a translator must change: the checksum, and the type of an ICMP message.
fn masked(view: &View<'_>) -> Vec<u8> {
    let mut payload = view.payload.to_vec();
    let is_first = view.offset == 0;
    if let Some(at) = view.checksum_at().filter(|_| is_first)
        && let Some(checksum) = payload.get_mut(at..at + 2)
    {
        checksum.fill(0);
    }
    if let Some(kind) = payload.first_mut().filter(|_| is_first && view.is_icmp()) {
        *kind = 0;
    }
    payload
}

/// What holds of the headers of a packet that crossed, and of a fragment of one.
fn headers(params: &Params, direction: Direction, came: &View<'_>, sent: &View<'_>) {
    assert_eq!((came.is_v4(), sent.is_v4()), sides(direction));
    assert_eq!(sent.ttl.checked_add(1), Some(came.ttl), "one hop");
    let octet = |rule: Class, class: u8| match rule {
        Class::Copy => class,
        Class::Set(class) => class,
    };
    // A packet that turns around is translated twice in one step.
    let class = match direction {
        Direction::V6ToV4 => octet(params.tos, came.class),
        Direction::V4ToV6 => octet(params.traffic_class, came.class),
        Direction::V6ToV6 => octet(params.traffic_class, octet(params.tos, came.class)),
    };
    assert_eq!(sent.class, class, "the traffic class");
    let own = |view: &View<'_>| view.dst == params.own_v4 || view.dst == params.own_v6;
    assert!(!own(sent) && !own(came), "packets to the translator end here");
    let turns = direction == Direction::V6ToV6;
    let protocol = if came.is_icmp() && !turns { crossed(came.protocol) } else { came.protocol };
    assert_eq!(sent.protocol, protocol);
}

fn forward(world: &World, direction: Direction, (vnet, came): (VnetHeader, &[u8]), sent: &Sent) {
    let params = world.translator.params();
    let whole = kernel::completed(sent.vnet, &sent.packet);
    let (came, sent_view) = (view_of(came), View::of_whole(&whole));
    assert!(direction == Direction::V6ToV6 || !sent_view.has_extras, "{sent_view:?}");
    headers(params, direction, &came, &sent_view);
    // Fragments cross as they are, each by itself.
    assert_eq!((sent_view.offset, sent_view.more), (came.offset, came.more));
    fits(world, sent);
    if came.is_icmp_error() {
        return error::crossed(&came, &sent_view);
    }
    assert_eq!(came.payload.len(), sent_view.payload.len(), "the length of the payload");
    if !is_syn(&came) {
        assert_eq!(masked(&came), masked(&sent_view), "the payload");
    }
    same_checksum(params, vnet, &came, &sent_view);
}

fn view_of(packet: &[u8]) -> View<'_> {
    View::of(packet).unwrap_or_else(|| panic!("crossed and is no packet: {packet:02x?}"))
}

/// A wrong checksum stays wrong, and a right one right.
fn same_checksum(params: &Params, vnet: VnetHeader, came: &View<'_>, sent: &View<'_>) {
    let expected = match (came.checksum(), params.udp_zero_checksum) {
        (Checksum::Unknown, _) => return,
        (Checksum::Wrong, _) if came.is_all_zero() => return,
        (Checksum::Absent, translator::UdpZeroChecksum::Drop) => {
            panic!("a datagram without a checksum crossed")
        }
        // A datagram shorter than its packet is summed over its own length.
        (Checksum::Absent, translator::UdpZeroChecksum::Calculate)
            if word(came.payload, 4).map(usize::from) != Some(came.payload.len()) =>
        {
            return;
        }
        (Checksum::Absent, translator::UdpZeroChecksum::Calculate) => Checksum::Right,
        (same, _) => same,
    };
    assert_eq!(sent.checksum(), expected, "the checksum: {vnet:?} {came:?} became {sent:?}");
    if came.protocol == UDP && came.checksum() != Checksum::Absent {
        assert_ne!(word(sent.payload, 6), Some(0), "a computed zero says that there is no checksum");
    }
}

/// Packets that no router may fragment fit the next link.
fn fits(world: &World, sent: &Sent) {
    let view = View::of_whole(&sent.packet);
    let on_link = match usize::from(sent.vnet.gso_size) {
        0 => sent.packet.len(),
        size => usize::from(sent.vnet.hdr_len) + size,
    };
    let limit = world.mtu(view.dst);
    let may_be_cut = view.is_v4() && !view.dont_fragment;
    // Below an MTU of about 150, headers leave too little room for a segment.
    let is_small_segment = sent.vnet.gso_size > 0 && limit < 256;
    assert!(
        on_link <= limit || may_be_cut || is_small_segment,
        "{on_link} bytes on a link of {limit}: {view:?}"
    );
}

fn split(world: &World, direction: Direction, (vnet, came): (VnetHeader, &[u8]), fragments: &[Sent]) {
    let came = view_of(came);
    let params = world.translator.params();
    // The fragments of one packet have one identification; a UDP super-packet has one for each datagram.
    let mut packets: Vec<BTreeMap<usize, View<'_>>> = Vec::new();
    for sent in fragments {
        assert_eq!(sent.vnet, VnetHeader::default(), "a fragment is no super-packet");
        let view = View::of_ours(&sent.packet);
        headers(params, direction, &came, &view);
        let limit =
            world.mtu(view.dst).min(if view.is_v4() { usize::MAX } else { params.ipv6_min_mtu.into() });
        assert!(sent.packet.len() <= limit, "{} bytes on a link of {limit}", sent.packet.len());
        let begins_anew = packets
            .last()
            .and_then(|packet| packet.values().next_back())
            .is_none_or(|last| last.id != view.id || !last.more);
        if begins_anew {
            packets.push(BTreeMap::new());
        }
        if let Some(packet) = packets.last_mut() {
            assert!(packet.insert(view.offset, view).is_none(), "two fragments for one place");
        }
    }
    let wholes: Vec<Vec<u8>> = packets.iter().map(|packet| reassembled(packet, came.offset)).collect();
    let last = packets.last().and_then(|packet| packet.values().next_back());
    assert_eq!(last.map(|last| last.more), Some(came.more), "whether more fragments follow");
    let is_super = came.payload.len().saturating_sub(8) > vnet.gso_size.into();
    if vnet.gso_type != 0 && came.protocol == UDP && is_super {
        return datagrams(&came, &packets, &wholes);
    }
    let [whole] = wholes.as_slice() else { panic!("{} packets of one", wholes.len()) };
    let Some(first) = packets[0].values().next() else { return };
    let whole = View { payload: whole, more: came.more, offset: came.offset, ..first.clone() };
    assert_eq!(came.payload.len(), whole.payload.len(), "the length of the payload");
    if !is_syn(&came) {
        assert_eq!(masked(&came), masked(&whole), "the payload");
    }
    same_checksum(params, vnet, &came, &whole);
}

/// The payload that the fragments make up, which begins at `start`.
fn reassembled(fragments: &BTreeMap<usize, View<'_>>, start: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    let last = fragments.len() - 1;
    for (index, (offset, view)) in fragments.iter().enumerate() {
        assert_eq!(*offset, start + payload.len(), "a gap between fragments");
        assert!(view.more || index == last, "a last fragment in the middle");
        assert!(index == last || view.payload.len() % 8 == 0, "a fragment with more to come: {view:?}");
        payload.extend_from_slice(view.payload);
    }
    payload
}

/// The datagrams that a UDP super-packet falls into: its payload in order, each with a right checksum.
fn datagrams(came: &View<'_>, packets: &[BTreeMap<usize, View<'_>>], wholes: &[Vec<u8>]) {
    let joined: Vec<u8> = wholes.iter().flat_map(|whole| whole[8..].to_vec()).collect();
    assert_eq!(joined, came.payload[8..], "the payload of the datagrams");
    for (fragments, whole) in packets.iter().zip(wholes) {
        let Some(first) = fragments.values().next() else { continue };
        let datagram = View { payload: whole, more: false, offset: 0, ..first.clone() };
        if came.checksum() == Checksum::Right {
            assert_eq!(datagram.checksum(), Checksum::Right, "a datagram of a super-packet");
        }
    }
}
