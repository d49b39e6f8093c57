//! The packet quoted in an ICMP error (RFC 792, RFC 4443 §3), which may end anywhere and may have been mangled on
//! its way.
//!
//! ```text
//!   | IP header, whole | transport, from 0 bytes on | padding to the RFC 4884 length | extensions |
//! ```
//! Only the IP header must be there, since without addresses nothing can be translated; every transport field is an
//! `Option`. Checksums and lengths are taken as they come.

use super::extension::{self, Chain};
use super::ipv4::Ipv4;
use super::ipv6::Ipv6;
use super::protocol::{TCP, UDP};
use super::{tcp, udp};
use crate::checksum::{Delta, for_udp};

/// A quoted IPv4 packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuotedIpv4<'a> {
    /// Its header.
    pub(crate) header: Ipv4<[u8; 20]>,
    /// As much of its payload as is quoted.
    pub(crate) payload: &'a [u8],
    /// Length of its whole payload in bytes, as its header claims.
    pub(crate) claimed: usize,
}

/// A quoted IPv6 packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuotedIpv6<'a> {
    /// Its headers.
    pub(crate) chain: Chain,
    /// As much of its transport as is quoted.
    pub(crate) payload: &'a [u8],
    /// Length of its whole transport in bytes, as its headers claim.
    pub(crate) claimed: usize,
}

/// Reads a quoted IPv4 packet; `None` when its header is not all there.
pub(crate) fn ipv4(bytes: &[u8]) -> Option<QuotedIpv4<'_>> {
    let header = Ipv4::copy_from(bytes)?;
    let header_len = header.header_len();
    if header.version_ihl() >> 4 != 4 || header_len < Ipv4::LEN {
        return None;
    }
    let claimed = usize::from(header.total_len()).saturating_sub(header_len);
    let payload = bytes.get(header_len..)?;
    Some(QuotedIpv4 { header, payload: &payload[..payload.len().min(claimed)], claimed })
}

/// Reads a quoted IPv6 packet; `None` when its headers up to the transport are not all there.
pub(crate) fn ipv6(bytes: &[u8]) -> Option<QuotedIpv6<'_>> {
    let chain = extension::walk(bytes).ok().filter(|chain| chain.ip.version() == 6)?;
    let claimed = usize::from(chain.ip.payload_len()).saturating_sub(chain.transport - Ipv6::LEN);
    let payload = bytes.get(chain.transport..)?;
    Some(QuotedIpv6 { chain, payload: &payload[..payload.len().min(claimed)], claimed })
}

/// Parts what follows the 8 bytes of an ICMP error into the quoted packet and the extension structure behind it.
///
/// `words` counts units of `unit` bytes (RFC 4884 §4); zero, or more than is there, means that all of it is the
/// quoted packet. Senders that quote less than the 128 bytes of RFC 4884 §5.1 are believed.
pub(crate) fn split_extension(body: &[u8], words: u8, unit: usize) -> (&[u8], &[u8]) {
    match body.split_at_checked(usize::from(words) * unit) {
        Some((quoted, extension)) if words != 0 => (quoted, extension),
        _ => (body, &[]),
    }
}

/// A transport header of which any part may be missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuotedTransport<'a>(pub(crate) &'a [u8]);

impl QuotedTransport<'_> {
    /// The byte at `at`.
    pub(crate) fn byte(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    /// The big-endian word at `at`.
    pub(crate) fn word(self, at: usize) -> Option<u16> {
        self.0.get(at..)?.first_chunk().map(|word| u16::from_be_bytes(*word))
    }
}

/// Sets the word at `at`, if it is there.
pub(crate) fn set_word(transport: &mut [u8], at: usize, value: u16) {
    if let Some(word) = transport.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *word = value.to_be_bytes();
    }
}

/// Adjusts the checksum of a quoted TCP or UDP header to new addresses, as far as it is there. A UDP checksum of zero
/// says that there is none, and stays.
pub(crate) fn adjust_ports_checksum(transport: &mut [u8], protocol: u8, delta: Delta) {
    let view = QuotedTransport(transport);
    match protocol {
        TCP => {
            if let Some(old) = view.word(tcp::CHECKSUM_AT) {
                set_word(transport, tcp::CHECKSUM_AT, delta.apply(old));
            }
        }
        UDP => {
            if let Some(old) = view.word(udp::CHECKSUM_AT).filter(|old| *old != 0) {
                set_word(transport, udp::CHECKSUM_AT, for_udp(delta.apply(old)));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Sum;

    fn header(total_len: u16) -> Vec<u8> {
        let mut header = Ipv4::zeroed();
        header.set_plain();
        header.set_total_len(total_len);
        header.bytes().to_vec()
    }

    #[test]
    fn quoted_ipv4_may_end_anywhere_behind_its_header() {
        let mut bytes = header(1500);
        for extra in 0..8 {
            let quoted = ipv4(&bytes).expect("header is whole");
            assert_eq!((quoted.payload.len(), quoted.claimed), (extra, 1480));
            bytes.push(0);
        }
        assert!(ipv4(&bytes[..19]).is_none());
    }

    #[test]
    fn padding_behind_the_claimed_length_is_no_payload() {
        let mut bytes = header(28);
        bytes.resize(128, 0);
        assert_eq!(ipv4(&bytes).expect("header is whole").payload.len(), 8);
        let mut mangled = header(3);
        mangled.resize(28, 0);
        assert_eq!(ipv4(&mangled).expect("header is whole").payload.len(), 0);
    }

    #[test]
    fn extension_starts_where_the_length_says() {
        let body = [7; 140];
        let check = |words: u8, unit: usize, expect: (usize, usize)| {
            let (quoted, extension) = split_extension(&body, words, unit);
            assert_eq!((quoted.len(), extension.len()), expect, "{words} of {unit}");
        };
        check(0, 4, (140, 0));
        check(32, 4, (128, 12));
        check(16, 8, (128, 12));
        check(35, 4, (140, 0));
        check(36, 4, (140, 0));
        check(255, 8, (140, 0));
        check(7, 4, (28, 112));
    }

    #[test]
    fn checksums_are_adjusted_only_where_they_are() {
        let delta = Delta { removed: Sum::word(1), added: Sum::word(2) };
        let mut eight = [0; 8];
        adjust_ports_checksum(&mut eight, TCP, delta);
        adjust_ports_checksum(&mut eight, UDP, delta);
        assert_eq!(eight, [0; 8], "no TCP checksum in 8 bytes, and a zero UDP checksum stays");
        eight[7] = 1;
        adjust_ports_checksum(&mut eight, UDP, delta);
        assert_eq!(eight[6..], [0xff, 0xff], "a computed zero is sent as all ones");
    }
}
