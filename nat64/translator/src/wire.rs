//! Byte layouts of the headers a translator meets, one file per protocol.
//!
//! A layout is a view over an array of exactly the header's length, borrowed or owned, so that no access can fall
//! outside: the compiler checks every field against the length. What follows a fixed header (options, extension
//! headers, payload) is read by functions beside the layout. Nothing here decides what a packet means.

pub(crate) mod extension;
pub(crate) mod fragment;
pub(crate) mod icmpv4;
pub(crate) mod icmpv6;
pub(crate) mod ipv4;
pub(crate) mod ipv6;
pub(crate) mod quoted;
pub(crate) mod tcp;
pub(crate) mod udp;

use std::net::{Ipv4Addr, Ipv6Addr};

/// Protocol and next-header numbers that the translator treats by name (IANA, "Assigned Internet Protocol Numbers").
pub(crate) mod protocol {
    /// IPv6 Hop-by-Hop Options.
    pub(crate) const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4.
    pub(crate) const ICMPV4: u8 = 1;
    /// IGMP, for IPv4 multicast.
    pub(crate) const IGMP: u8 = 2;
    /// TCP.
    pub(crate) const TCP: u8 = 6;
    /// UDP.
    pub(crate) const UDP: u8 = 17;
    /// IPv6 Routing header.
    pub(crate) const ROUTING: u8 = 43;
    /// IPv6 Fragment header.
    pub(crate) const FRAGMENT: u8 = 44;
    /// Authentication Header.
    pub(crate) const AUTHENTICATION: u8 = 51;
    /// ICMP for IPv6.
    pub(crate) const ICMPV6: u8 = 58;
    /// IPv6 Destination Options.
    pub(crate) const DESTINATION_OPTIONS: u8 = 60;
    /// IPv6 Mobility header.
    pub(crate) const MOBILITY: u8 = 135;
    /// Host Identity Protocol.
    pub(crate) const HIP: u8 = 139;
    /// Shim6.
    pub(crate) const SHIM6: u8 = 140;
}

/// A length or count as a 16-bit field says it. Longer ones are refused before anything is written, so saturating is
/// only the harmless end of what cannot happen.
pub(crate) fn field16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// A value with a fixed size and network byte order on the wire.
pub(crate) trait Field: Copy {
    /// Reads the value at `at`; the caller vouches that it lies within `bytes`.
    fn load(bytes: &[u8], at: usize) -> Self;

    /// Writes the value at `at`; the caller vouches that it lies within `bytes`.
    fn store(self, bytes: &mut [u8], at: usize);
}

/// Whether a field of `size` bytes at `at` lies within a header of `len` bytes.
pub(crate) const fn lies_within(at: usize, size: usize, len: usize) -> bool {
    at + size <= len
}

/// Implements [`Field`] for types that convert to and from big-endian bytes.
macro_rules! fields {
    ($($ty:ty, $load:path, $store:path;)+) => {$(
        impl Field for $ty {
            fn load(bytes: &[u8], at: usize) -> Self {
                let mut raw = [0; size_of::<$ty>()];
                raw.copy_from_slice(&bytes[at..at + size_of::<$ty>()]);
                $load(raw)
            }

            fn store(self, bytes: &mut [u8], at: usize) {
                bytes[at..at + size_of::<$ty>()].copy_from_slice(&$store(self));
            }
        }
    )+};
}

fields! {
    u8, Self::from_be_bytes, Self::to_be_bytes;
    u16, Self::from_be_bytes, Self::to_be_bytes;
    u32, Self::from_be_bytes, Self::to_be_bytes;
    Ipv4Addr, Self::from, ipv4_octets;
    Ipv6Addr, Self::from, ipv6_octets;
}

const fn ipv4_octets(addr: Ipv4Addr) -> [u8; 4] {
    addr.octets()
}

const fn ipv6_octets(addr: Ipv6Addr) -> [u8; 16] {
    addr.octets()
}

/// Declares a header: its length, and each field with offset, getter, setter and type.
macro_rules! layout {
    (
        $(#[$doc:meta])* $name:ident, $len:literal bytes;
        $($(#[$field_doc:meta])* $at:literal: $get:ident, $set:ident, $ty:ty;)+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name<B>(pub(crate) B);

        #[allow(dead_code, reason = "a layout names every field of its format")]
        impl $name<[u8; $len]> {
            /// Length of the header in bytes.
            pub(crate) const LEN: usize = $len;

            /// A header of zeros.
            pub(crate) const fn zeroed() -> Self {
                Self([0; $len])
            }

            /// A copy of the header at the front of `bytes`.
            pub(crate) fn copy_from(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().copied().map(Self)
            }
        }

        #[allow(dead_code, reason = "a layout names every field of its format")]
        impl<'a> $name<&'a mut [u8; $len]> {
            /// The header at the front of `bytes`, writable.
            pub(crate) fn first_mut(bytes: &'a mut [u8]) -> Option<Self> {
                bytes.first_chunk_mut().map(Self)
            }
        }

        #[allow(dead_code, reason = "a layout names every field of its format")]
        impl<B: std::borrow::Borrow<[u8; $len]>> $name<B> {
            $($(#[$field_doc])*
            pub(crate) fn $get(&self) -> $ty {
                const { assert!($crate::wire::lies_within($at, size_of::<$ty>(), $len)) };
                $crate::wire::Field::load(self.0.borrow(), $at)
            })+

            /// The bytes of the header.
            pub(crate) fn bytes(&self) -> &[u8; $len] {
                self.0.borrow()
            }
        }

        #[allow(dead_code, reason = "a layout names every field of its format")]
        impl<B: std::borrow::BorrowMut<[u8; $len]>> $name<B> {
            $($(#[$field_doc])*
            pub(crate) fn $set(&mut self, value: $ty) {
                const { assert!($crate::wire::lies_within($at, size_of::<$ty>(), $len)) };
                $crate::wire::Field::store(value, self.0.borrow_mut(), $at);
            })+
        }
    };
}
pub(crate) use layout;

#[cfg(test)]
mod tests {
    layout! {
        /// A header of one field of each type.
        Sample, 27 bytes;
        /// One byte.
        0: byte, set_byte, u8;
        /// Two bytes.
        1: word, set_word, u16;
        /// Four bytes.
        3: long, set_long, u32;
        /// An IPv4 address.
        7: v4, set_v4, std::net::Ipv4Addr;
        /// An IPv6 address.
        11: v6, set_v6, std::net::Ipv6Addr;
    }

    #[test]
    fn fields_are_read_where_they_are_written() {
        let mut sample = Sample::zeroed();
        sample.set_byte(0x12);
        sample.set_word(0x3456);
        sample.set_long(0x789a_bcde);
        sample.set_v4("192.0.2.1".parse().unwrap());
        sample.set_v6("2001:db8::1".parse().unwrap());
        assert_eq!(sample.bytes()[..11], [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 192, 0, 2, 1]);
        assert_eq!((sample.byte(), sample.word(), sample.long()), (0x12, 0x3456, 0x789a_bcde));
        assert_eq!(sample.v4().to_string(), "192.0.2.1");
        assert_eq!(sample.v6().to_string(), "2001:db8::1");
    }

    #[test]
    fn short_bytes_hold_no_header() {
        assert!(Sample::copy_from(&[0; 26]).is_none());
        assert!(Sample::copy_from(&[0; 28]).is_some());
        assert!(Sample::first_mut(&mut [0; 26]).is_none());
    }
}
