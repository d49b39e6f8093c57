//! Cutting packets: IPv4 packets without DF into IPv6 fragments (RFC 7915 §4.1), IPv6 packets of up to 1280 bytes into
//! IPv4 fragments for narrow links (RFC 7915 §5.1.1), and UDP super-packets into datagrams.
//!
//! Whatever is cut already has the checksum of the other side: fragments carry slices of a finished message.

use crate::checksum::{Pair, Summed};
use crate::offload::{Segment, SegmentKind};
use crate::segment::{self, Place};
use crate::state::WorkerState;
use crate::wire::field16;
use crate::wire::fragment::Fragment;
use crate::wire::ipv4::{Ipv4, MF};
use crate::wire::ipv6::Ipv6;
use crate::wire::protocol::{FRAGMENT, UDP};
use crate::wire::udp::Udp;

/// What a Fragment header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    /// Identification of the whole packet.
    pub(crate) identification: u32,
    /// Where the payload at hand starts in it, in bytes.
    pub(crate) offset: usize,
    /// Whether there is more of it than the payload at hand.
    pub(crate) more: bool,
}

/// Writes an IPv6 header with `payload_len` bytes behind it, and a Fragment header at its end if `position` is given,
/// to the front of `packet`. The header's next header names the transport.
pub(crate) fn write_v6_headers(
    packet: &mut [u8],
    header: &Ipv6<[u8; 40]>,
    position: Option<Position>,
    payload_len: usize,
) {
    let mut header = *header;
    let Some((front, rest)) = packet.split_first_chunk_mut() else { return };
    let mut extra = 0;
    if let (Some(position), Some(mut fragment)) = (position, Fragment::first_mut(rest)) {
        *fragment.0 = *Fragment::zeroed().bytes();
        fragment.set_next_header(header.next_header());
        fragment.set_offset(position.offset, position.more);
        fragment.set_identification(position.identification);
        header.set_next_header(FRAGMENT);
        extra = Fragment::LEN;
    }
    header.set_payload_len(field16(payload_len + extra));
    *front = *header.bytes();
}

/// Puts `payload` into IPv6 fragments of at most `limit` bytes each.
pub(crate) fn into_v6(
    state: &mut WorkerState,
    header: &Ipv6<[u8; 40]>,
    position: Position,
    payload: &[u8],
    limit: usize,
) {
    let front = Ipv6::LEN + Fragment::LEN;
    for (offset, piece, last) in pieces(payload, limit.saturating_sub(front)) {
        let position =
            Position { offset: position.offset + offset, more: position.more || !last, ..position };
        let packet = state.next_fragment().resize(front + piece.len());
        packet[front..].copy_from_slice(piece);
        write_v6_headers(packet, header, Some(position), piece.len());
    }
}

/// Puts `payload` into IPv4 fragments of at most `limit` bytes each. `header` says where the payload starts and
/// whether more follows.
pub(crate) fn into_v4(state: &mut WorkerState, header: &Ipv4<[u8; 20]>, payload: &[u8], limit: usize) {
    for (offset, piece, last) in pieces(payload, limit.saturating_sub(Ipv4::LEN)) {
        let more = header.more_fragments() || !last;
        let mut own = *header;
        own.set_fragment(header.fragment_offset() + offset, if more { MF } else { 0 });
        own.set_total_len(field16(Ipv4::LEN + piece.len()));
        own.fill_checksum();
        let packet = state.next_fragment().resize(Ipv4::LEN + piece.len());
        packet[Ipv4::LEN..].copy_from_slice(piece);
        packet[..Ipv4::LEN].copy_from_slice(own.bytes());
    }
}

/// Cuts the UDP super-packet `message` into datagrams with complete checksums and hands each to `send`, together with
/// its number from 0 on. `datagram` is reused for each.
pub(crate) fn datagrams<A: Summed>(
    message: &[u8],
    segment: Segment,
    pair: Pair<A>,
    datagram: &mut Vec<u8>,
    mut send: impl FnMut(u16, &[u8]),
) {
    let Some((header, payload)) = message.split_at_checked(Udp::LEN) else { return };
    let size = usize::from(segment.size).max(1);
    for (number, piece) in payload.chunks(size).enumerate() {
        datagram.clear();
        datagram.extend_from_slice(header);
        datagram.extend_from_slice(piece);
        let place = Place { offset: number * size, is_last: (number + 1) * size >= payload.len() };
        let pseudo_header = pair.pseudo_header(UDP, datagram.len());
        segment::finish(datagram, SegmentKind::Udp, place, pseudo_header);
        send(field16(number), datagram);
    }
}

/// `payload` in pieces of at most `room` bytes, all but the last a multiple of 8: offset, bytes, whether it is last.
fn pieces(payload: &[u8], room: usize) -> impl Iterator<Item = (usize, &[u8], bool)> {
    let room = (room & !7).max(8);
    payload
        .chunks(room)
        .enumerate()
        .map(move |(index, piece)| (index * room, piece, index * room + piece.len() == payload.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> WorkerState {
        WorkerState::new(0, 1)
    }

    #[test]
    fn ipv6_fragments_of_1280_bytes_carry_1232_bytes_each() {
        let mut state = state();
        let mut header = Ipv6::zeroed();
        header.set_class(0);
        header.set_next_header(17);
        let payload = crate::testing::bytes(3000);
        into_v6(&mut state, &header, Position { identification: 7, offset: 0, more: false }, &payload, 1280);
        let sizes: Vec<_> = state.fragments().iter().map(|frame| frame.packet().len()).collect();
        assert_eq!(sizes, [1280, 1280, 48 + 536]);
        let mut whole = Vec::new();
        for (index, frame) in state.fragments().iter().enumerate() {
            let packet = frame.packet();
            let fragment = Fragment::copy_from(&packet[40..]).expect("48 bytes");
            assert_eq!((packet[6], fragment.next_header(), fragment.identification()), (44, 17, 7));
            assert_eq!((fragment.offset(), fragment.more()), (whole.len(), index < 2));
            whole.extend_from_slice(&packet[48..]);
        }
        assert_eq!(whole, payload);
    }

    #[test]
    fn a_fragment_that_is_cut_keeps_its_place_and_its_successors() {
        let mut state = state();
        let header = Ipv6::zeroed();
        into_v6(
            &mut state,
            &header,
            Position { identification: 7, offset: 1480, more: true },
            &[0; 1480],
            1280,
        );
        let seen: Vec<_> = state
            .fragments()
            .iter()
            .map(|frame| Fragment::copy_from(&frame.packet()[40..]).expect("48 bytes"))
            .map(|fragment| (fragment.offset(), fragment.more()))
            .collect();
        assert_eq!(seen, [(1480, true), (2712, true)]);
    }

    #[test]
    fn an_ipv4_fragment_that_is_cut_keeps_its_place_and_its_successors() {
        let mut state = state();
        let mut header = Ipv4::zeroed();
        header.set_plain();
        header.set_fragment(1200, MF);
        into_v4(&mut state, &header, &[1; 1200], 820);
        let seen: Vec<_> = state
            .fragments()
            .iter()
            .map(|frame| crate::wire::ipv4::parse(frame.packet()).expect("valid"))
            .map(|header| (header.fragment_offset(), header.more_fragments()))
            .collect();
        assert_eq!(seen, [(1200, true), (2000, true)]);
    }

    #[test]
    fn ipv4_fragments_have_checksums_and_lengths_of_their_own() {
        let mut state = state();
        let mut header = Ipv4::zeroed();
        header.set_plain();
        header.set_identification(9);
        into_v4(&mut state, &header, &[1; 1200], 576);
        let seen: Vec<_> = state
            .fragments()
            .iter()
            .map(|frame| crate::wire::ipv4::parse(frame.packet()).expect("valid"))
            .map(|header| (header.fragment_offset(), header.more_fragments(), header.total_len()))
            .collect();
        assert_eq!(seen, [(0, true, 572), (552, true, 572), (1104, false, 116)]);
    }
}
