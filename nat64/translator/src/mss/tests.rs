use super::*;
use crate::next_hop::Mtu;
use crate::offload::VnetHeader;
use crate::testing::*;
use crate::translator::Params;
use crate::verdict::{Direction, Verdict};
use etherparse::{IpNumber, TcpHeader};

/// A segment with these flags and raw options, and a right checksum for IPv6.
fn segment6(syn: bool, options: &[u8]) -> Vec<u8> {
    let mut header = header(syn, options);
    header.checksum = header.calc_checksum_ipv6_raw(CLIENT.octets(), REMOTE_V6.octets(), b"").unwrap();
    header.to_bytes().to_vec()
}

/// The same for IPv4, as the other end answers.
fn segment4(syn: bool, options: &[u8]) -> Vec<u8> {
    let mut header = header(syn, options);
    header.ack = true;
    header.checksum = header.calc_checksum_ipv4_raw(REMOTE.octets(), LEASED.octets(), b"").unwrap();
    header.to_bytes().to_vec()
}

fn header(syn: bool, options: &[u8]) -> TcpHeader {
    let mut header = TcpHeader::new(40_000, 80, 1, 1024);
    header.syn = syn;
    header.set_options_raw(options).unwrap();
    header
}

fn world(clamp: MssClamp) -> World {
    World::with(|params| params.tcp_mss_clamp = clamp)
}

/// The options that a SYN with `options` leaves with, in each direction; the judge holds its checksum against them.
fn both(world: &mut World, options: &[u8]) -> [Vec<u8>; 2] {
    let out = world.forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &segment6(true, options)));
    let back = world.forward(&ipv4(REMOTE, LEASED, IpNumber::TCP, &segment4(true, options)));
    [out[40..].to_vec(), back[60..].to_vec()]
}

fn check(clamp: MssClamp, options: &[u8], expect: &[u8]) {
    assert_eq!(both(&mut world(clamp), options), [expect, expect], "{clamp:?} {options:?}");
}

#[test]
fn syn_and_syn_ack_are_lowered_both_ways_and_never_raised() {
    let mss = |value: u16| [&[2, 4][..], &value.to_be_bytes()].concat();
    check(MssClamp::Bytes(1220), &mss(1460), &mss(1220));
    check(MssClamp::Bytes(1220), &mss(1220), &mss(1220));
    check(MssClamp::Bytes(1220), &mss(536), &mss(536));
    check(MssClamp::Off, &mss(1460), &mss(1460));
    check(MssClamp::Bytes(1220), &[], &[]);
}

#[test]
fn clamp_to_the_mtu_takes_40_header_bytes_on_one_side_and_60_on_the_other() {
    let check = |mtu_v4: u16, mtu_v6: u16, expect: u16| {
        let mut world = World::with(|params| {
            *params = Params {
                tcp_mss_clamp: MssClamp::Mtu,
                mtu_v4: Mtu::Fixed(mtu_v4),
                mtu_v6: Mtu::Fixed(mtu_v6),
                ..params.clone()
            };
        });
        let [out, back] = both(&mut world, &[2, 4, 0xff, 0xff]);
        assert_eq!((word(&out, 2), word(&back, 2)), (expect, expect), "{mtu_v4} {mtu_v6}");
    };
    check(1500, 1500, 1440);
    check(1400, 1500, 1360);
    check(1500, 1400, 1340);
    check(1480, 1500, 1440);
    check(68, 1280, 28);
}

#[test]
fn options_around_the_one_of_interest_stay_and_it_may_stand_anywhere() {
    let clamp = MssClamp::Bytes(0x0456);
    // At an even offset, at an odd one, behind others, twice, and behind the end of the list.
    check(clamp, &[2, 4, 5, 0xb4, 1, 3, 3, 7], &[2, 4, 4, 0x56, 1, 3, 3, 7]);
    check(clamp, &[1, 2, 4, 5, 0xb4, 1, 4, 2], &[1, 2, 4, 4, 0x56, 1, 4, 2]);
    check(
        clamp,
        &[4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 2, 4, 5, 0xb4],
        &[4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 2, 4, 4, 0x56],
    );
    check(clamp, &[2, 4, 5, 0xb4, 2, 4, 5, 0xb4], &[2, 4, 4, 0x56, 2, 4, 4, 0x56]);
    check(clamp, &[0, 2, 4, 5, 0xb4, 0, 0, 0], &[0, 2, 4, 5, 0xb4, 0, 0, 0]);
}

#[test]
fn options_that_cannot_be_read_are_left_alone() {
    let clamp = MssClamp::Bytes(500);
    for options in [
        [2, 0, 5, 0xb4],
        [2, 1, 5, 0xb4],
        [2, 3, 5, 0xb4],
        [2, 5, 5, 0xb4],
        [1, 2, 4, 5],
        [1, 1, 1, 2],
        [3, 0, 2, 4],
        [3, 200, 2, 4],
    ] {
        check(clamp, &options, &options);
    }
}

#[test]
fn other_segments_are_not_touched() {
    let mut world = world(MssClamp::Bytes(500));
    let options = [2, 4, 5, 0xb4];
    let out = world.forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &segment6(false, &options)));
    assert_eq!(out[40..], options);
    let udp = ipv6(CLIENT, REMOTE_V6, IpNumber::UDP, &udp6(CLIENT, REMOTE_V6, &segment6(true, &options)));
    assert_eq!(world.forward(&udp)[28..], segment6(true, &options));
}

#[test]
fn header_length_beyond_the_packet_ends_the_search() {
    let mut segment = segment6(true, &[2, 4, 5, 0xb4]);
    segment[12] = 0xf0;
    clamp(&mut segment, 500, true);
    assert_eq!(segment[20..], [2, 4, 1, 0xf4]);
    segment[12] = 0x40;
    clamp(&mut segment, 400, true);
    assert_eq!(segment[20..], [2, 4, 1, 0xf4], "a header shorter than TCP's has no options");
    clamp(&mut segment[..19], 400, true);
}

#[test]
fn partial_checksum_does_not_cover_the_option() {
    let mut packet = ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &segment6(true, &[2, 4, 5, 0xb4]));
    let sum = crate::checksum::Pair { src: CLIENT, dst: REMOTE_V6 }.pseudo_header(TCP, 24).folded();
    set_word(&mut packet, 56, sum);
    let mut world = world(MssClamp::Bytes(1000));
    world.frame.set_packet(&packet);
    world.frame.vnet = VnetHeader { flags: 1, csum_start: 40, csum_offset: 16, ..VnetHeader::default() };
    assert_eq!(world.run(), Verdict::Forward(Direction::V6ToV4));
    crate::offload::complete(&mut world.frame);
    judge(world.frame.packet());
    assert_eq!(word(world.frame.packet(), 42), 1000);
}

#[test]
fn first_fragments_are_lowered_and_later_ones_are_not_read() {
    let mut world = world(MssClamp::Bytes(1000));
    let mut header = header(true, &[2, 4, 5, 0xb4]);
    let data = bytes(8);
    header.checksum = header.calc_checksum_ipv6_raw(CLIENT.octets(), REMOTE_V6.octets(), &data).unwrap();
    let segment = [&header.to_bytes()[..], &data].concat();
    let mut send = |offset, more, piece: &[u8]| {
        let payload = fragmented(IpNumber::TCP, offset, more, 7, piece);
        world.forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::IPV6_FRAGMENTATION_HEADER, &payload))[20..].to_vec()
    };
    let first = send(0, true, &segment[..24]);
    assert_eq!(word(&first, 22), 1000);
    assert_eq!(send(24, false, &segment), segment);
    let whole = [&first[..], &segment[24..]].concat();
    judge(&ipv4(LEASED, REMOTE, IpNumber::TCP, &whole));
}

#[test]
fn wrong_checksum_stays_wrong_by_the_same_amount() {
    let mut segment = segment6(true, &[2, 4, 5, 0xb4]);
    let right = world(MssClamp::Bytes(1000)).forward(&ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &segment));
    segment[17] = segment[17].wrapping_add(1);
    let mut world = world(MssClamp::Bytes(1000));
    world.verdict(&ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &segment));
    assert_eq!(word(world.frame.packet(), 36), word(&right, 36) + 1);
}
