//! Reverse names read as addresses (RFC 1035 §3.5, RFC 3596 §2.5).
//!
//! The labels next to the top of the tree say the leading bits. Owns the reading alone: what a name means is the affair
//! of [`crate::hosts`], [`crate::reverse`] and [`crate::special`].

use crate::name::WireName;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of an IPv4 address, a label each.
const OCTETS: usize = 4;

/// Nibbles of an IPv6 address, a label each.
const NIBBLES: usize = 32;

/// A name under `in-addr.arpa` or `ip6.arpa`, as far as it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partial {
    /// Its leading bits are those that the name says, the others 0.
    pub(crate) address: IpAddr,
    /// How many labels say bits; those behind the first that does not are not read.
    pub(crate) read: usize,
    /// How many labels stand in front of `in-addr.arpa` or `ip6.arpa`.
    pub(crate) labels: usize,
}

impl Partial {
    /// What `name` says; `None` for names of other trees.
    pub(crate) fn of(name: &WireName) -> Option<Self> {
        if let Some(labels) = name.labels_below(b"\x07in-addr\x04arpa\x00") {
            let (octets, read) = leading::<OCTETS>(name, labels, octet);
            return Some(Self { address: Ipv4Addr::from(octets).into(), read, labels });
        }
        let labels = name.labels_below(b"\x03ip6\x04arpa\x00")?;
        let (nibbles, read) = leading::<NIBBLES>(name, labels, nibble);
        let bits = nibbles.iter().fold(0, |bits, nibble| bits << 4 | u128::from(*nibble));
        Some(Self { address: Ipv6Addr::from_bits(bits).into(), read, labels })
    }

    /// The address, if the name is that of a whole one.
    pub(crate) fn whole(&self) -> Option<IpAddr> {
        (self.read == self.labels && self.read == self.units()).then_some(self.address)
    }

    /// The bits of a label.
    pub(crate) fn width(&self) -> usize {
        if self.address.is_ipv4() { 8 } else { 4 }
    }

    /// The labels of a whole address.
    pub(crate) fn units(&self) -> usize {
        if self.address.is_ipv4() { OCTETS } else { NIBBLES }
    }
}

/// What the last of `labels` labels say, and how many of them say something. The most significant stands last in the name
/// and first here.
fn leading<const UNITS: usize>(
    name: &WireName,
    labels: usize,
    read: impl Fn(&[u8]) -> Option<u8>,
) -> ([u8; UNITS], usize) {
    let near = labels.min(UNITS);
    let mut units = [0; UNITS];
    let mut count = 0;
    for (index, label) in name.labels().take(labels).skip(labels - near).enumerate() {
        match read(label) {
            Some(value) => {
                units[near - 1 - index] = value;
                count += 1;
            }
            None => count = 0,
        }
    }
    // What stands behind a label that says nothing is not read either.
    units[count..].fill(0);
    (units, count)
}

/// A number as reverse names write it: without zeros in front.
fn octet(label: &[u8]) -> Option<u8> {
    if label.len() > 1 && label[0] == b'0' || !label.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(label).ok()?.parse().ok()
}

fn nibble(label: &[u8]) -> Option<u8> {
    let [digit] = label else { return None };
    u8::try_from(char::from(*digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, usize, usize)> {
        let name = WireName::from_labels(text.split('.').map(str::as_bytes)).unwrap();
        Partial::of(&name).map(|partial| (partial.address.to_string(), partial.read, partial.labels))
    }

    #[test]
    fn names_are_read_from_the_top_as_far_as_they_go() {
        let check = |text: &str, address: &str, read_labels: usize, labels: usize| {
            assert_eq!(read(text), Some((address.to_owned(), read_labels, labels)), "{text}");
        };
        check("in-addr.arpa", "0.0.0.0", 0, 0);
        check("10.in-addr.ARPA", "10.0.0.0", 1, 1);
        check("4.3.2.1.in-addr.arpa", "1.2.3.4", 4, 4);
        check("x.4.3.2.1.in-addr.arpa", "1.2.3.4", 4, 5);
        check("4.x.2.1.in-addr.arpa", "1.2.0.0", 2, 4);
        for bad in ["256", "01", "-1", "+1", "1x"] {
            check(&format!("{bad}.1.in-addr.arpa"), "1.0.0.0", 1, 2);
        }
        check("8.B.d.0.1.0.0.2.ip6.arpa", "2001:db8::", 8, 8);
        check("10.2.ip6.arpa", "2000::", 1, 2);
        assert_eq!(read("example.arpa"), None);
    }

    #[test]
    fn a_whole_address_has_all_labels_and_no_more() {
        let whole = |text: &str| {
            let name = WireName::from_labels(text.split('.').map(str::as_bytes)).unwrap();
            Partial::of(&name).and_then(|partial| partial.whole()).map(|address| address.to_string())
        };
        assert_eq!(whole("4.3.2.1.in-addr.arpa").as_deref(), Some("1.2.3.4"));
        assert_eq!(whole(&format!("1.{}2.ip6.arpa", "0.".repeat(30))).as_deref(), Some("2000::1"));
        for part in ["3.2.1.in-addr.arpa", "x.4.3.2.1.in-addr.arpa", "x.3.2.1.in-addr.arpa", "2.ip6.arpa"] {
            assert_eq!(whole(part), None, "{part}");
        }
    }
}
