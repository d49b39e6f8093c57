//! Addresses in lines, as the standard library writes them, without its machinery. Pure.

use super::number::plain;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// Writes an address: of IPv6 in the form of RFC 5952, without brackets.
pub(super) fn write(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => v4(address, out),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => {
                out.extend_from_slice(b"::ffff:");
                v4(mapped, out);
            }
            None => v6(address, out),
        },
    }
}

fn v4(address: Ipv4Addr, out: &mut Vec<u8>) {
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        plain(octet.into(), out);
    }
}

fn v6(address: Ipv6Addr, out: &mut Vec<u8>) {
    let groups = address.segments();
    let gap = gap(&groups);
    let list = |groups: &[u16], out: &mut Vec<u8>| {
        for (place, group) in groups.iter().enumerate() {
            if place > 0 {
                out.push(b':');
            }
            hexadecimal(*group, out);
        }
    };
    if gap.is_empty() {
        return list(&groups, out);
    }
    list(&groups[..gap.start], out);
    out.extend_from_slice(b"::");
    list(&groups[gap.end..], out);
}

/// The first of the longest runs of zeroes, if it has two or more.
fn gap(groups: &[u16; 8]) -> Range<usize> {
    let (mut longest, mut start) = (0..0, 0);
    for (place, group) in groups.iter().enumerate() {
        if *group != 0 {
            start = place + 1;
        } else if place + 1 - start > longest.len() {
            longest = start..place + 1;
        }
    }
    if longest.len() > 1 { longest } else { 0..0 }
}

fn hexadecimal(group: u16, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = [12, 8, 4, 0].map(|shift| DIGITS[usize::from(group >> shift & 15)]);
    let hidden = usize::try_from(group.leading_zeros() / 4).unwrap_or(0).min(3);
    out.extend_from_slice(&digits[hidden..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(address: IpAddr) {
        let mut out = Vec::new();
        write(address, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), address.to_string());
    }

    #[test]
    fn gaps_are_where_the_standard_library_has_them() {
        for address in [
            "::",
            "::1",
            "1::",
            "1:0:2:0:3:0:4:0",
            "1:0:0:2:0:0:0:3",
            "0:0:1::",
            "1:0:0:2:3:0:0:4",
            "0:1:2:3:4:5:6:7",
            "::ffff:192.0.2.1",
            "::192.0.2.1",
            "2001:db8:10:200:3000:fff0:a:f",
            "192.0.2.255",
        ] {
            check(address.parse().unwrap());
        }
    }

    proptest! {
        #[test]
        fn addresses_are_as_the_standard_library_writes_them(
            groups in prop::array::uniform8(prop_oneof![Just(0), any::<u16>(), 0..20_u16]),
            octets in any::<[u8; 4]>(),
        ) {
            check(Ipv6Addr::from(groups).into());
            check(Ipv4Addr::from(octets).into());
        }
    }
}
