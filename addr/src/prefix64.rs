//! The translation prefix: IPv4 addresses embedded in IPv6 ones (RFC 6052 §2).
//!
//! Owns the six legal prefix lengths, the octet positions of RFC 6052 §2.4, and the rule that octet 8 (bits 64 to
//! 71, called `u`) is zero when embedding and ignored when extracting. Does not route and does not judge private
//! addresses by itself: [`Prefix64::may_embed`] states RFC 6052 §3.1 and the caller applies it.

use crate::special;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IPv6 prefix that IPv4 addresses are embedded in: `Pref64::/n` (RFC 6052 §2.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix64 {
    addr: Ipv6Addr,
    len: u8,
}

/// Why an address and a length are no translation prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Prefix64Error {
    /// Not `address/length`.
    #[error("not an IPv6 prefix in the form address/length")]
    Syntax,
    /// A length RFC 6052 §2.2 does not define.
    #[error("prefix length {0} is not 32, 40, 48, 56, 64 or 96")]
    Length(u8),
    /// Bits set beyond the length.
    #[error("bits are set beyond the prefix length /{0}")]
    HostBits(u8),
    /// Bits 64 to 71 set, which only a /96 can have (RFC 6052 §2.2).
    #[error("bits 64 to 71 of the prefix must be zero")]
    UOctet,
}

/// Octet 8 holds bits 64 to 71.
const U_OCTET: usize = 8;

impl Prefix64 {
    /// The Well-Known Prefix `64:ff9b::/96` (RFC 6052 §2.1).
    pub const WELL_KNOWN: Self = Self { addr: Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), len: 96 };

    /// The legal lengths in bits, shortest first.
    pub const LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

    /// A prefix of `len` bits.
    ///
    /// # Errors
    /// [`Prefix64Error::Length`], [`Prefix64Error::UOctet`] or [`Prefix64Error::HostBits`], checked in that order.
    pub fn new(addr: Ipv6Addr, len: u8) -> Result<Self, Prefix64Error> {
        if !Self::LENGTHS.contains(&len) {
            return Err(Prefix64Error::Length(len));
        }
        if addr.octets()[U_OCTET] != 0 {
            return Err(Prefix64Error::UOctet);
        }
        if addr.to_bits() & !network_mask(len) != 0 {
            return Err(Prefix64Error::HostBits(len));
        }
        Ok(Self { addr, len })
    }

    /// The prefix with every bit beyond its length zero.
    pub const fn addr(self) -> Ipv6Addr {
        self.addr
    }

    /// The length in bits: one of [`Prefix64::LENGTHS`].
    pub const fn prefix_len(self) -> u8 {
        self.len
    }

    /// Whether this is `64:ff9b::/96`.
    pub fn is_well_known(self) -> bool {
        self == Self::WELL_KNOWN
    }

    /// Whether `addr` lies in the prefix.
    pub const fn contains(self, addr: Ipv6Addr) -> bool {
        (addr.to_bits() ^ self.addr.to_bits()) & network_mask(self.len) == 0
    }

    /// The IPv6 address that stands for `v4`: the `u` octet and the suffix are zero (RFC 6052 §2.2).
    pub const fn embed(self, v4: Ipv4Addr) -> Ipv6Addr {
        let bits = v4.to_bits() as u128;
        let embedded = match self.len {
            96 => bits,
            64 => bits << 24,
            // From /56 to /32 the address stands on both sides of the u octet: `high` bits end at bit 63.
            len => {
                let below = len as u32 - 32;
                let high = bits >> below;
                let low = bits & ((1 << below) - 1);
                (high << 64) | (low << (56 - below))
            }
        };
        Ipv6Addr::from_bits(self.addr.to_bits() | embedded)
    }

    /// How many octets at the front of an address the prefix, the IPv4 address and the `u` octet take; what stands
    /// behind them is the suffix (RFC 6052 §2.2).
    pub const fn octets_before_suffix(self) -> u8 {
        let u_octet = if self.len <= 64 { 1 } else { 0 };
        self.len / 8 + 4 + u_octet
    }

    /// Whether `suffix` has no bit where the prefix, the `u` octet or an IPv4 address stands.
    pub const fn takes_suffix(self, suffix: Ipv6Addr) -> bool {
        match u128::MAX.checked_shr(8 * self.octets_before_suffix() as u32) {
            Some(free) => suffix.to_bits() & !free == 0,
            None => suffix.to_bits() == 0,
        }
    }

    /// The IPv4 address that `v6` stands for, or `None` outside the prefix.
    ///
    /// The `u` octet and the suffix are ignored, as RFC 6052 §2.2 asks of a receiver.
    pub const fn extract(self, v6: Ipv6Addr) -> Option<Ipv4Addr> {
        if !self.contains(v6) {
            return None;
        }
        let bits = v6.to_bits();
        let v4 = match self.len {
            96 => bits,
            64 => bits >> 24,
            len => {
                let below = len as u32 - 32;
                let high = (bits >> 64) << below;
                let low = (bits >> (56 - below)) & ((1 << below) - 1);
                high | low
            }
        };
        // Truncation drops the prefix bits above the 32 that carry the address.
        Some(Ipv4Addr::from_bits((v4 & 0xffff_ffff) as u32))
    }

    /// Whether `v4` may stand in this prefix: the Well-Known Prefix must not represent non-global IPv4 addresses
    /// (RFC 6052 §3.1) unless `allow_private` says that the operator accepts it. Other prefixes carry any address.
    pub fn may_embed(self, v4: Ipv4Addr, allow_private: bool) -> bool {
        allow_private || !self.is_well_known() || special::is_global_v4(v4)
    }
}

/// The mask of a prefix of `len` bits, for lengths from 1 to 128.
const fn network_mask(len: u8) -> u128 {
    u128::MAX << (128 - len as u32)
}

// === impl text forms ===

impl FromStr for Prefix64 {
    type Err = Prefix64Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (addr, len) = text.split_once('/').ok_or(Prefix64Error::Syntax)?;
        let addr = addr.parse().map_err(|_| Prefix64Error::Syntax)?;
        let len = len.parse().map_err(|_| Prefix64Error::Syntax)?;
        Self::new(addr, len)
    }
}

impl fmt::Display for Prefix64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

impl fmt::Debug for Prefix64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 6052 §2.4, table 2: prefix, and the address that 192.0.2.33 becomes.
    const VECTORS: [(&str, &str); 7] = [
        ("2001:db8::/32", "2001:db8:c000:221::"),
        ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
        ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
        ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
        ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
    ];

    /// For each legal length, the octets of the IPv6 address that carry the IPv4 address (RFC 6052 §2.2, Figure 1).
    const LAYOUTS: [(u8, [usize; 4]); 6] = [
        (32, [4, 5, 6, 7]),
        (40, [5, 6, 7, 9]),
        (48, [6, 7, 9, 10]),
        (56, [7, 9, 10, 11]),
        (64, [9, 10, 11, 12]),
        (96, [12, 13, 14, 15]),
    ];

    fn layout(prefix: Prefix64) -> [usize; 4] {
        LAYOUTS.iter().find(|(len, _)| *len == prefix.prefix_len()).expect("a legal length").1
    }

    fn prefix(text: &str) -> Prefix64 {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn embeds_and_extracts_the_rfc_6052_table() {
        let v4 = Ipv4Addr::new(192, 0, 2, 33);
        for (text, expect) in VECTORS {
            let expect: Ipv6Addr = expect.parse().unwrap();
            assert_eq!(prefix(text).embed(v4), expect, "{text}");
            assert_eq!(prefix(text).extract(expect), Some(v4), "{text}");
        }
    }

    #[test]
    fn a_suffix_stands_behind_everything_else() {
        let check = |text: &str, octets: u8, good: &str, bad: &str| {
            let prefix = prefix(text);
            assert_eq!(prefix.octets_before_suffix(), octets, "{text}");
            assert!(prefix.takes_suffix(good.parse().unwrap()), "{text} {good}");
            assert!(!prefix.takes_suffix(bad.parse().unwrap()), "{text} {bad}");
        };
        check("2001:db8::/32", 9, "::ff:ffff:ffff:ffff", "::100:0:0:0");
        check("2001:db8:100::/40", 10, "::ffff:ffff:ffff", "::1:0:0:0");
        check("2001:db8:122::/48", 11, "::ff:ffff:ffff", "::100:0:0");
        check("2001:db8:122:300::/56", 12, "::ffff:ffff", "::1:0:0");
        check("2001:db8:122:344::/64", 13, "::ff:ffff", "::100:0");
        check("64:ff9b::/96", 16, "::", "::1");
    }

    #[test]
    fn embedding_fills_the_octets_of_the_rfc_6052_figure() {
        for (text, _) in VECTORS {
            let octets = prefix(text).embed(Ipv4Addr::new(0xa1, 0xb2, 0xc3, 0xd4)).octets();
            assert_eq!(layout(prefix(text)).map(|i| octets[i]), [0xa1, 0xb2, 0xc3, 0xd4], "{text}");
        }
    }

    #[test]
    fn refuses_what_rfc_6052_does_not_define() {
        let check = |text: &str, expect: Prefix64Error| {
            assert_eq!(text.parse::<Prefix64>(), Err(expect), "{text}");
        };
        check("2001:db8::/95", Prefix64Error::Length(95));
        check("2001:db8::/0", Prefix64Error::Length(0));
        check("2001:db8::/129", Prefix64Error::Length(129));
        check("2001:db8::1/96", Prefix64Error::HostBits(96));
        check("2001:db8:1::/32", Prefix64Error::HostBits(32));
        check("fd9f:590a:b158:ffff:ffff:ffff::/96", Prefix64Error::UOctet);
        check("2001:db8::", Prefix64Error::Syntax);
        check("192.0.2.0/96", Prefix64Error::Syntax);
        check("2001:db8::/-1", Prefix64Error::Syntax);
    }

    #[test]
    fn well_known_prefix_refuses_private_addresses_unless_allowed() {
        let private = Ipv4Addr::new(10, 0, 0, 1);
        let global = Ipv4Addr::new(9, 9, 9, 9);
        assert!(!Prefix64::WELL_KNOWN.may_embed(private, false));
        assert!(Prefix64::WELL_KNOWN.may_embed(private, true));
        assert!(Prefix64::WELL_KNOWN.may_embed(global, false));
        assert!(prefix("2001:db8::/32").may_embed(private, false));
        assert!(prefix("64:ff9b:1::/48").may_embed(private, false), "RFC 8215 local-use prefix");
    }

    fn any_prefix() -> impl Strategy<Value = Prefix64> {
        (any::<u128>(), prop::sample::select(Prefix64::LENGTHS.to_vec())).prop_map(|(bits, len)| {
            let u_octet = 0xff_u128 << 56;
            Prefix64::new(Ipv6Addr::from_bits(bits & network_mask(len) & !u_octet), len).expect("masked")
        })
    }

    proptest! {
        #[test]
        fn extract_undoes_embed(prefix in any_prefix(), v4 in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(v4);
            let v6 = prefix.embed(v4);
            prop_assert!(prefix.contains(v6));
            prop_assert_eq!(v6.octets()[U_OCTET], 0);
            prop_assert_eq!(prefix.extract(v6), Some(v4));
        }

        #[test]
        fn extract_ignores_the_u_octet_and_the_suffix(prefix in any_prefix(), v4 in any::<u32>(), noise in any::<u128>()) {
            let v4 = Ipv4Addr::from_bits(v4);
            let mut octets = prefix.embed(v4).octets();
            let carries = layout(prefix);
            let noise = noise.to_be_bytes();
            for i in usize::from(prefix.prefix_len() / 8)..16 {
                if !carries.contains(&i) {
                    octets[i] = noise[i];
                }
            }
            prop_assert_eq!(prefix.extract(octets.into()), Some(v4));
        }

        #[test]
        fn no_input_panics(text in ".{0,60}", bits in any::<u128>(), len in any::<u8>()) {
            let _ = text.parse::<Prefix64>();
            let _ = format!("{text}/{len}").parse::<Prefix64>();
            if let Ok(prefix) = Prefix64::new(Ipv6Addr::from_bits(bits), len) {
                let _ = prefix.extract(Ipv6Addr::from_bits(!bits));
            }
        }

        #[test]
        fn text_form_round_trips(prefix in any_prefix()) {
            prop_assert_eq!(prefix.to_string().parse(), Ok(prefix));
        }
    }
}
