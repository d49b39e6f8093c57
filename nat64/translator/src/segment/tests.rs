use super::*;
use crate::offload::{GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, VnetHeader};
use crate::testing::*;
use etherparse::IpNumber;

/// A super-packet in a frame, whose checksum field holds whatever it came with.
fn super_packet(packet: &[u8], gso_type: u8, gso_size: u16) -> Frame {
    let mut frame = Frame::with_capacity(packet.len());
    frame.set_packet(packet);
    frame.vnet = VnetHeader { flags: NEEDS_CSUM, gso_type, gso_size, ..VnetHeader::default() };
    frame
}

fn segments(frame: &Frame) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    let is_cut = cut(frame, &mut Frame::with_capacity(0), |segment| {
        assert_eq!(segment.vnet, VnetHeader::default());
        segments.push(segment.packet().to_vec());
    });
    assert_eq!(is_cut, !segments.is_empty());
    segments
}

#[test]
fn datagrams_have_lengths_checksums_and_identifications_of_their_own() {
    let packet = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, &bytes(2500)), |header| {
        header.identification = 0xffff;
    });
    let segments = segments(&super_packet(&packet, GSO_UDP_L4, 1200));
    let seen: Vec<_> =
        segments.iter().map(|packet| (packet.len(), word(packet, 4), word(packet, 24))).collect();
    assert_eq!(seen, [(1228, 0xffff, 1208), (1228, 0, 1208), (128, 1, 108)]);
    let payload: Vec<_> = segments.iter().flat_map(|packet| packet[28..].to_vec()).collect();
    assert_eq!(payload, bytes(2500));
    for packet in &segments {
        judge(packet);
    }
}

#[test]
fn tcp_segments_count_bytes_and_only_the_last_pushes() {
    for (packet, gso_type, front) in [
        (ipv6(CLIENT, REMOTE_V6, IpNumber::TCP, &tcp6(CLIENT, REMOTE_V6, &bytes(300))), GSO_TCPV6, 40),
        (ipv4(REMOTE, LEASED, IpNumber::TCP, &tcp4(REMOTE, LEASED, &bytes(300))), GSO_TCPV4, 20),
    ] {
        let segments = segments(&super_packet(&packet, gso_type, 100));
        assert_eq!(segments.len(), 3);
        for (number, segment) in segments.iter().enumerate() {
            judge(segment);
            let header = Tcp::copy_from(&segment[front..]).expect("20 bytes");
            assert_eq!(header.sequence(), 0x0102_0304 + 100 * u32::try_from(number).unwrap());
            assert_eq!(header.flags(), if number == 2 { tcp::ACK | tcp::PSH } else { tcp::ACK });
            assert_eq!(segment[front + 32..], bytes(300)[number * 100..][..100]);
        }
    }
}

#[test]
fn congestion_is_told_to_be_reduced_once() {
    let mut packet = ipv4(REMOTE, LEASED, IpNumber::TCP, &tcp4(REMOTE, LEASED, &bytes(300)));
    packet[33] = 0x80 | 0x10 | 0x08 | 0x01;
    let flags: Vec<_> =
        segments(&super_packet(&packet, GSO_TCPV4 | 0x80, 100)).iter().map(|segment| segment[33]).collect();
    assert_eq!(flags, [0x90, 0x10, 0x19]);
}

#[test]
fn sequence_numbers_wrap() {
    let mut packet = ipv4(REMOTE, LEASED, IpNumber::TCP, &tcp4(REMOTE, LEASED, &bytes(20)));
    packet[24..28].fill(0xff);
    let second = &segments(&super_packet(&packet, GSO_TCPV4, 10))[1];
    assert_eq!(second[24..28], [0, 0, 0, 9]);
}

#[test]
fn what_is_no_super_packet_is_not_cut() {
    let udp = udp_out(&bytes(100));
    let fragment = ipv4_with(REMOTE, LEASED, IpNumber::UDP, &udp4(REMOTE, LEASED, &bytes(100)), |header| {
        header.more_fragments = true;
    });
    for (packet, gso_type, size) in [
        (&udp[..], 0, 10),
        (&udp, 9, 10),
        (&udp, GSO_UDP_L4, 0),
        (&udp, GSO_TCPV6, 10),
        (&udp[..47], GSO_UDP_L4, 10),
        (&udp[..30], GSO_UDP_L4, 10),
        (&fragment, GSO_UDP_L4, 10),
        (&udp_out(&[]), GSO_UDP_L4, 10),
    ] {
        assert!(segments(&super_packet(packet, gso_type, size)).is_empty(), "{gso_type} {size}");
    }
}
