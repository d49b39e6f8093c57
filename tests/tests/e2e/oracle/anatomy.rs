//! A packet taken apart into named fields, as a person would read it. Takes anything: what cannot be read is a field
//! too. A checksum's field does not say its value but how it stands to the right one, so that two packets that differ in
//! one field differ in that field only.

use super::packet::{
    AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ICMPV4, ICMPV6, ROUTING, TCP, UDP,
    pseudo_header, sum,
};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The fields of one packet, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anatomy {
    fields: Vec<(String, String)>,
    /// What comes before the names, inside a quoted packet.
    inside: &'static str,
}

/// What the transport's checksum covers besides the transport.
struct Cover<'a> {
    src: &'a [u8],
    dst: &'a [u8],
    /// Whether all of the transport is at hand.
    is_whole: bool,
}

impl Anatomy {
    pub(crate) fn of(packet: &[u8]) -> Self {
        let mut anatomy = Self::default();
        anatomy.ip(packet);
        anatomy
    }

    pub(crate) fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// The value of a field; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The value of a field that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.get(name).parse().ok()
    }

    /// In a word or two: what of either family it is.
    pub(crate) fn kind(&self) -> String {
        let version = self.get("version");
        let error = if self.get("quoted.version").is_empty() { "" } else { " error" };
        let part = match (self.get("offset"), self.get("more")) {
            ("" | "0", "" | "false") => "",
            _ => " fragment",
        };
        match self.get("icmp.type") {
            "" => format!("v{version} protocol {}{part}", self.get("protocol")),
            kind => format!("v{version} icmp{error} {kind}/{}", self.get("icmp.code")),
        }
    }

    /// Whether the transport's checksum could be held against all that it covers, and was right.
    pub(crate) fn has_right_checksum(&self) -> bool {
        ["udp.checksum", "tcp.checksum", "icmp.checksum"].iter().any(|name| self.get(name) == "right")
    }

    fn add(&mut self, name: &str, value: impl fmt::Display) {
        self.fields.push((format!("{}{name}", self.inside), value.to_string()));
    }

    fn hex(&mut self, name: &str, bytes: &[u8]) {
        let digit = |nibble: u8| char::from_digit(nibble.into(), 16).expect("four bits");
        let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect();
        self.add(name, text);
    }

    fn ip(&mut self, packet: &[u8]) {
        match packet.first().map(|first| first >> 4) {
            Some(4) if packet.len() >= 20 => self.ipv4(packet),
            Some(6) if packet.len() >= 40 => self.ipv6(packet),
            _ => self.hex("unreadable", packet),
        }
    }

    fn ipv4(&mut self, packet: &[u8]) {
        let header_len = usize::from(packet[0] & 0xf) * 4;
        let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        let Some((header, rest)) = packet.split_at_checked(header_len).filter(|_| header_len >= 20) else {
            return self.hex("unreadable", packet);
        };
        let total = usize::from(word(2));
        self.add("version", 4);
        self.add("class", packet[1]);
        self.add("length", total);
        self.add("at hand", packet.len());
        self.add("id", word(4));
        self.add("df", word(6) & 0x4000 != 0);
        self.add("more", word(6) & 0x2000 != 0);
        self.add("offset", u32::from(word(6) & 0x1fff) * 8);
        self.add("hops", packet[8]);
        self.add("protocol", packet[9]);
        self.add("header checksum", standing(sum(&[header])));
        self.add("src", Ipv4Addr::from(*packet[12..].first_chunk().expect("20 bytes")));
        self.add("dst", Ipv4Addr::from(*packet[16..].first_chunk().expect("20 bytes")));
        self.hex("options", &header[20..]);
        let rest = &rest[..rest.len().min(total.saturating_sub(header_len))];
        let (place, offset) = (word(6) & 0x3fff, word(6) & 0x1fff);
        let is_whole = place == 0 && header_len + rest.len() == total;
        let cover = Cover { src: &packet[12..16], dst: &packet[16..20], is_whole };
        self.transport(packet[9], offset == 0, rest, &cover);
    }

    fn ipv6(&mut self, packet: &[u8]) {
        let word = u32::from_be_bytes(*packet.first_chunk().expect("40 bytes"));
        let claimed = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
        self.add("version", 6);
        self.add("class", word >> 20 & 0xff);
        self.add("flow", word & 0xf_ffff);
        self.add("length", claimed);
        self.add("at hand", packet.len());
        self.add("hops", packet[7]);
        self.add("src", Ipv6Addr::from(*packet[8..].first_chunk().expect("40 bytes")));
        self.add("dst", Ipv6Addr::from(*packet[24..].first_chunk().expect("40 bytes")));
        let rest = &packet[40..packet.len().min(40 + claimed)];
        let (mut next, mut at) = (packet[6], 0);
        let (mut is_whole, mut is_first) = (rest.len() == claimed, true);
        while let HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS = next {
            let Some(&[following, len, ..]) = rest.get(at..).filter(|bytes| bytes.len() >= 8) else { break };
            if next == FRAGMENT {
                let offset = u16::from_be_bytes([rest[at + 2], rest[at + 3]]);
                self.add("offset", offset & !7);
                self.add("more", offset & 1 != 0);
                self.hex("id", &rest[at + 4..at + 8]);
                is_first &= offset < 8;
                is_whole &= offset & 0xfff9 == 0;
                at += 8;
            } else {
                let end = at + 8 + usize::from(len) * 8;
                self.hex(&format!("extension {next}"), &rest[at..end.min(rest.len())]);
                at = end;
            }
            next = following;
        }
        self.add("protocol", next);
        let cover = Cover { src: &packet[8..24], dst: &packet[24..40], is_whole };
        self.transport(next, is_first, rest.get(at..).unwrap_or_default(), &cover);
    }

    fn transport(&mut self, protocol: u8, is_first: bool, bytes: &[u8], cover: &Cover<'_>) {
        self.add("transport length", bytes.len());
        match protocol {
            UDP if is_first && bytes.len() >= 8 => {
                self.hex("udp.ports", &bytes[..4]);
                self.hex("udp.length", &bytes[4..6]);
                self.checksum("udp.checksum", UDP, bytes, 6, cover);
                self.payload(&bytes[8..]);
            }
            TCP if is_first && bytes.len() >= 18 => {
                self.hex("tcp.header", &bytes[..16]);
                self.checksum("tcp.checksum", TCP, bytes, 16, cover);
                self.payload(&bytes[18..]);
            }
            ICMPV4 | ICMPV6 if is_first && bytes.len() >= 8 => self.icmp(protocol, bytes, cover),
            AUTHENTICATION => self.hex("ah", bytes),
            _ => self.payload(bytes),
        }
    }

    fn icmp(&mut self, protocol: u8, bytes: &[u8], cover: &Cover<'_>) {
        self.add("icmp.type", bytes[0]);
        self.add("icmp.code", bytes[1]);
        if protocol == ICMPV4 {
            let none = Cover { src: &[], dst: &[], is_whole: cover.is_whole };
            self.checksum("icmp.checksum", protocol, bytes, 2, &none);
        } else {
            self.checksum("icmp.checksum", protocol, bytes, 2, cover);
        }
        self.hex("icmp.rest", &bytes[4..8]);
        let is_error =
            if protocol == ICMPV4 { [3, 4, 5, 11, 12].contains(&bytes[0]) } else { bytes[0] < 128 };
        if !is_error || !self.inside.is_empty() {
            return self.payload(&bytes[8..]);
        }
        let (unit, words) = if protocol == ICMPV4 { (4, bytes[5]) } else { (8, bytes[4]) };
        // RFC 4884 §4: types 3, 11 and 12, and ICMPv6 types 1 and 3.
        let extensible: &[u8] = if protocol == ICMPV4 { &[3, 11, 12] } else { &[1, 3] };
        let words = if extensible.contains(&bytes[0]) { usize::from(words) * unit } else { 0 };
        let quoted = &bytes[8..];
        let (quoted, extension) = match quoted.split_at_checked(words) {
            Some(parts) if words > 0 => parts,
            _ => (quoted, &[][..]),
        };
        self.inside = "quoted.";
        self.ip(quoted);
        self.inside = "";
        self.hex("icmp.extension", extension);
    }

    fn checksum(&mut self, name: &str, protocol: u8, bytes: &[u8], at: usize, cover: &Cover<'_>) {
        let value = &bytes[at..at + 2];
        if value == [0, 0] && protocol == UDP {
            return self.add(name, "zero");
        }
        if !cover.is_whole {
            // Of a part only its own value can be told.
            return self.hex(name, value);
        }
        let pseudo = if cover.src.is_empty() {
            Vec::new()
        } else {
            pseudo_header(cover.src, cover.dst, protocol, bytes.len())
        };
        self.add(name, standing(sum(&[&pseudo, bytes])));
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.add("payload length", bytes.len());
        self.hex("payload", bytes);
    }
}

impl fmt::Display for Anatomy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.fields {
            match value.get(..64).filter(|_| value.len() > 64) {
                Some(front) => writeln!(f, "        {name}: {front}... ({} digits)", value.len())?,
                None => writeln!(f, "        {name}: {value}")?,
            }
        }
        Ok(())
    }
}

/// What the sum of all that a checksum covers, itself included, says of it.
fn standing(sum: u16) -> String {
    if sum == 0xffff { "right".to_owned() } else { format!("off by {:04x}", !sum) }
}
