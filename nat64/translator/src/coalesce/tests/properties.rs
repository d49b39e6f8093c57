//! Merging and segmentation give back what went in, for arbitrary mixes of flows.

use super::*;
use crate::checksum::Sum;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet, VecDeque};

/// One packet of a mix.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn on its own")]
struct Plan {
    is_v6: bool,
    is_tcp: bool,
    /// Which flow of its kind.
    flow: u16,
    payload: usize,
    fill: u8,
    /// TCP: where it starts behind where the last one of its flow ended.
    gap: u32,
    psh: bool,
    dont_fragment: bool,
    /// IPv4: whether the translator chose the identification, which then counts up over all flows.
    is_numbered: bool,
    tos: u8,
    damage: Damage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Nothing,
    /// The checksum is left to others.
    Partial,
    /// The same, with a wrong sum.
    WrongPartial,
    Checksum,
    Payload,
    Fragment,
    /// The protocol is one without ports.
    Unknown,
}

fn damages() -> impl Strategy<Value = Damage> {
    prop_oneof![
        8 => Just(Damage::Nothing),
        8 => Just(Damage::Partial),
        1 => Just(Damage::WrongPartial),
        1 => Just(Damage::Checksum),
        1 => Just(Damage::Payload),
        1 => Just(Damage::Fragment),
        1 => Just(Damage::Unknown),
    ]
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let often = |odd: u32| prop_oneof![9 => Just(false), odd => Just(true)];
    let plan = (
        (any::<bool>(), any::<bool>(), 0..3_u16),
        prop_oneof![8 => Just(100_usize), 1 => Just(0), 2 => 1..200_usize, 1 => Just(1400)],
        (any::<u8>(), prop_oneof![9 => Just(0_u32), 1 => any::<u32>()], often(1)),
        (often(3), any::<bool>(), prop_oneof![9 => Just(0_u8), 1 => Just(3)]),
        damages(),
    );
    let plan = plan.prop_map(
        |((is_v6, is_tcp, flow), payload, (fill, gap, psh), (df, is_numbered, tos), damage)| Plan {
            is_v6,
            is_tcp,
            flow,
            payload,
            fill,
            gap,
            psh,
            dont_fragment: df,
            is_numbered,
            tos,
            damage,
        },
    );
    prop::collection::vec(plan, 0..150)
}

/// Makes the packets of a mix.
#[derive(Default)]
struct Maker {
    sequences: HashMap<(bool, u16), u32>,
    identification: u16,
}

impl Maker {
    fn transport(&mut self, plan: &Plan) -> Vec<u8> {
        let payload = vec![plan.fill; plan.payload];
        if !plan.is_tcp {
            let mut datagram =
                if plan.is_v6 { udp6(REMOTE_V6, CLIENT, &payload) } else { udp4(LEASED, REMOTE, &payload) };
            let flow = plan.flow;
            let old = word(&datagram, 0);
            let checksum = word(&datagram, 6);
            set_word(&mut datagram, 0, flow);
            let delta = crate::checksum::Delta { removed: Sum::word(old), added: Sum::word(flow) };
            set_word(&mut datagram, 6, crate::checksum::for_udp(delta.apply(checksum)));
            return datagram;
        }
        let next = self.sequences.entry((plan.is_v6, plan.flow)).or_insert(u32::MAX - 1000);
        let mut header = TcpHeader::new(plan.flow, 80, next.wrapping_add(plan.gap), 512);
        *next = header.sequence_number.wrapping_add(u32::try_from(plan.payload).unwrap());
        header.ack = true;
        header.psh = plan.psh;
        header.checksum = if plan.is_v6 {
            header.calc_checksum_ipv6_raw(REMOTE_V6.octets(), CLIENT.octets(), &payload).unwrap()
        } else {
            header.calc_checksum_ipv4_raw(LEASED.octets(), REMOTE.octets(), &payload).unwrap()
        };
        [header.to_bytes().as_slice(), &payload].concat()
    }

    fn frame(&mut self, plan: &Plan) -> Frame {
        let transport = self.transport(plan);
        let protocol = match (plan.damage, plan.is_tcp) {
            (Damage::Unknown, _) => IpNumber(132),
            (_, true) => IpNumber::TCP,
            (_, false) => IpNumber::UDP,
        };
        let mut made = if plan.is_v6 {
            frame(&ipv6_with(REMOTE_V6, CLIENT, protocol, &transport, |header| {
                header.traffic_class = plan.tos;
            }))
        } else {
            let is_fragment = plan.damage == Damage::Fragment;
            self.identification = self.identification.wrapping_add(1);
            let mut made = frame(&ipv4_with(LEASED, REMOTE, protocol, &transport, |header| {
                header.identification = self.identification;
                header.dont_fragment = plan.dont_fragment && !is_fragment;
                header.more_fragments = is_fragment;
                header.ecn = etherparse::IpEcn::try_new(plan.tos).unwrap();
            }));
            made.is_numbered = plan.is_numbered && !plan.dont_fragment && !is_fragment;
            made
        };
        let front = if plan.is_v6 { 40 } else { 20 };
        let checksum = if plan.is_tcp { 16 } else { 6 };
        match plan.damage {
            Damage::Partial if plan.payload > 0 => made = partial(made, u16::try_from(checksum).unwrap()),
            Damage::WrongPartial if plan.payload > 0 => {
                made = partial(made, u16::try_from(checksum).unwrap());
                made.packet_mut()[front + checksum] ^= 0x40;
            }
            Damage::Nothing | Damage::Partial | Damage::WrongPartial | Damage::Fragment | Damage::Unknown => {
            }
            Damage::Checksum => made.packet_mut()[front + checksum] ^= 0x40,
            Damage::Payload => *made.packet_mut().last_mut().unwrap() ^= 0x40,
        }
        made
    }
}

/// What a receiver sees of a frame: checksums complete.
fn on_the_wire(frame: &Frame) -> Vec<u8> {
    let mut frame = frame.clone();
    offload::complete(&mut frame);
    frame.packet().to_vec()
}

/// The packet without what segmentation may change: the identification, and the header checksum that covers it.
fn without_identification(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet[0] >> 4 == 4 {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    packet
}

/// Whether the two must stay in order.
fn are_ordered(a: &[u8], b: &[u8]) -> bool {
    let [a, b] = [a, b].map(|packet| Flow::of(packet).unwrap());
    a.addresses == b.addresses && (a == b || a.ports.is_none() || b.ports.is_none())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// But for identifications, every packet comes out as it went in, behind those it followed, whatever its checksum.
    #[test]
    fn what_was_merged_comes_apart_into_the_same_packets(plans in plans(), batch in 1..70_usize) {
        let (mut bench, mut maker) = (Bench::new(), Maker::default());
        let sent: Vec<Frame> = plans.iter().map(|plan| maker.frame(plan)).collect();
        for frames in sent.chunks(batch) {
            for frame in frames {
 bench.push(frame);
}
            bench.flush();
        }
        let mut received = Vec::new();
        for Left { frame, packets } in &bench.left {
            let before = received.len();
            let mut piece = Frame::with_capacity(0);
            if !cut(frame, &mut piece, |segment| received.push(segment.packet().to_vec())) {
                received.push(on_the_wire(frame));
            }
            prop_assert_eq!(received.len() - before, usize::from(*packets));
        }
        prop_assert_eq!(received.len(), sent.len());

        // The packets of a flow are matched in their order.
        let sent: Vec<_> = sent.iter().map(|frame| (on_the_wire(frame), frame.is_numbered)).collect();
        let mut flows: HashMap<_, VecDeque<usize>> = HashMap::new();
        for (place, packet) in received.iter().enumerate() {
            flows.entry(Flow::of(packet).unwrap()).or_default().push_back(place);
        }
        let mut places = Vec::new();
        for (packet, is_numbered) in &sent {
            let place = flows.get_mut(&Flow::of(packet).unwrap()).and_then(VecDeque::pop_front);
            prop_assert!(place.is_some(), "lost: {packet:02x?}");
            let out = &received[place.unwrap()];
            // Only an identification of the translator's own choice, or one behind DF, may be another one.
            let may_differ = packet[0] >> 4 == 4 && (*is_numbered || word(packet, 6) & 0x4000 != 0);
            if may_differ {
                prop_assert_eq!(without_identification(out), without_identification(packet));
            } else {
                prop_assert_eq!(out, packet);
            }
            places.extend(place);
        }
        // What has no ports keeps its place among all between its addresses.
        for (later, (packet, _)) in sent.iter().enumerate() {
            for (earlier, (other, _)) in sent[..later].iter().enumerate() {
                prop_assert!(!are_ordered(other, packet) || places[earlier] < places[later], "out of order");
            }
        }
    }

    /// Without DF no identification is used twice between two addresses.
    #[test]
    fn identifications_are_used_once(plans in plans(), batch in 1..70_usize) {
        let (mut bench, mut maker) = (Bench::new(), Maker::default());
        for plans in plans.chunks(batch) {
            for plan in plans {
 bench.push(&maker.frame(plan));
}
            bench.flush();
        }
        let mut seen = HashSet::new();
        for Left { frame, packets } in &bench.left {
            let packet = frame.packet();
            if packet[0] >> 4 == 4 && word(packet, 6) & 0x4000 == 0 {
                for number in 0..*packets {
                    prop_assert!(seen.insert((packet[9], word(packet, 4).wrapping_add(number))));
                }
            }
        }
    }
}
