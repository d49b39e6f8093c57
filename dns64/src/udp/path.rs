//! The way a datagram came, kept as the kernel wrote it, so that the way back costs no conversion.
//!
//! On a wildcard address a datagram brings its destination along (`IP_PKTINFO`, `IPV6_PKTINFO`), and its reply leaves
//! from there, since the client waits for it from there.

use nix::libc::{self, cmsghdr, in_pktinfo, in6_pktinfo, sockaddr_in, sockaddr_in6};
use std::cmp::Ordering;
use std::mem::{offset_of, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Octets of the longest socket address.
const NAME: usize = size_of::<sockaddr_in6>();

/// Octets of a control message before its data; [`cmsghdr`] is as long as its alignment asks for.
const CONTROL_HEAD: usize = size_of::<cmsghdr>();

/// Octets of the longest control message, rounded up to what the kernel keeps between two of them.
const CONTROL: usize = (CONTROL_HEAD + size_of::<in6_pktinfo>()).next_multiple_of(align_of::<cmsghdr>());

/// Octets of a control message with the length of segments.
const SEGMENT: usize = (CONTROL_HEAD + size_of::<u16>()).next_multiple_of(align_of::<cmsghdr>());

/// The control messages of several datagrams that go as one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; CONTROL + SEGMENT]);

impl Control {
    pub(super) const EMPTY: Self = Self([0; CONTROL + SEGMENT]);

    /// Becomes the control message of `path` and one that asks for segments of `length` octets (`UDP_SEGMENT`);
    /// returns the octets of both.
    pub(super) fn segmented(&mut self, path: &Path, length: usize) -> usize {
        let at = usize::from(path.control_len).next_multiple_of(align_of::<cmsghdr>());
        let end = at + SEGMENT;
        self.0[..CONTROL].copy_from_slice(&path.control);
        let segment = &mut self.0[at..end];
        let head_len = CONTROL_HEAD + size_of::<u16>();
        segment[..size_of::<usize>()].copy_from_slice(&head_len.to_ne_bytes());
        let fields = [
            (offset_of!(cmsghdr, cmsg_level), libc::SOL_UDP),
            (offset_of!(cmsghdr, cmsg_type), libc::UDP_SEGMENT),
        ];
        for (at, value) in fields {
            segment[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        // No reply is longer than an UDP datagram.
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        segment[CONTROL_HEAD..head_len].copy_from_slice(&length.to_ne_bytes());
        end
    }
}

/// From whom a datagram came and where it went to.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Path {
    pub(super) control: [u8; CONTROL],
    pub(super) name: [u8; NAME],
    pub(super) control_len: u8,
    pub(super) name_len: u8,
}

impl Path {
    /// Room for the kernel to write to.
    pub(super) const EMPTY: Self =
        Self { control: [0; CONTROL], name: [0; NAME], control_len: 0, name_len: 0 };

    /// Who sent the datagram.
    pub(super) fn client(&self) -> Option<SocketAddr> {
        // Both families have the port at the same place (`struct sockaddr_in`, `struct sockaddr_in6`).
        let port = u16::from_be_bytes(self.name_part(offset_of!(sockaddr_in6, sin6_port))?);
        match i32::from(u16::from_ne_bytes(self.name_part(0)?)) {
            libc::AF_INET => {
                let octets: [u8; 4] = self.name_part(offset_of!(sockaddr_in, sin_addr))?;
                Some(SocketAddrV4::new(Ipv4Addr::from(octets), port).into())
            }
            libc::AF_INET6 => {
                let octets: [u8; 16] = self.name_part(offset_of!(sockaddr_in6, sin6_addr))?;
                let scope = u32::from_ne_bytes(self.name_part(offset_of!(sockaddr_in6, sin6_scope_id))?);
                Some(SocketAddrV6::new(Ipv6Addr::from(octets), port, 0, scope).into())
            }
            _ => None,
        }
    }

    /// Some order in which equal ways are together.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        // What differs most comes first: port and address of the client.
        let octets = |path: &Self| (path.name, path.control, path.control_len);
        octets(self).cmp(&octets(other))
    }

    fn name_part<const LEN: usize>(&self, at: usize) -> Option<[u8; LEN]> {
        self.name[..usize::from(self.name_len)].get(at..at + LEN)?.try_into().ok()
    }

    /// Turns the way in, which the kernel wrote, into the way back: the source is fixed, the route decides on the
    /// interface. A link-local source has its meaning on its own interface alone, so there both stay.
    pub(super) fn turn(&mut self) {
        let field = |at| self.control.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        let kind = [offset_of!(cmsghdr, cmsg_level), offset_of!(cmsghdr, cmsg_type)]
            .map(|at| field(at).map_or(0, i32::from_ne_bytes));
        let interface = match kind {
            _ if usize::from(self.control_len) <= CONTROL_HEAD => None,
            [libc::IPPROTO_IP, libc::IP_PKTINFO] => Some(offset_of!(in_pktinfo, ipi_ifindex)),
            [libc::IPPROTO_IPV6, libc::IPV6_PKTINFO] if !self.is_to_link_local() => {
                Some(offset_of!(in6_pktinfo, ipi6_ifindex))
            }
            _ => None,
        };
        if let Some(at) = interface {
            self.control[CONTROL_HEAD + at..][..4].fill(0);
        }
    }

    fn is_to_link_local(&self) -> bool {
        let octets: Option<[u8; 16]> = self.control[CONTROL_HEAD..].first_chunk().copied();
        octets.is_some_and(|octets| Ipv6Addr::from(octets).is_unicast_link_local())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &[u8], level: i32, kind: i32, info: &[u8]) -> Path {
        let mut path = Path::EMPTY;
        path.name[..name.len()].copy_from_slice(name);
        path.name_len = u8::try_from(name.len()).unwrap();
        if !info.is_empty() {
            path.control[offset_of!(cmsghdr, cmsg_level)..][..4].copy_from_slice(&level.to_ne_bytes());
            path.control[offset_of!(cmsghdr, cmsg_type)..][..4].copy_from_slice(&kind.to_ne_bytes());
            path.control[CONTROL_HEAD..][..info.len()].copy_from_slice(info);
            path.control_len = u8::try_from(CONTROL_HEAD + info.len()).unwrap();
        }
        path
    }

    #[test]
    fn clients_are_read_from_what_the_kernel_writes() {
        let v4 = [&2_u16.to_ne_bytes()[..], &[0x15, 0xb3, 192, 0, 2, 1], &[0; 8]].concat();
        assert_eq!(path(&v4, 0, 0, &[]).client(), Some("192.0.2.1:5555".parse().unwrap()));
        let address = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
        let family = 10_u16.to_ne_bytes();
        let v6 = [&family[..], &[0x15, 0xb3, 0, 0, 0, 0], &address, &7_u32.to_ne_bytes()].concat();
        assert_eq!(path(&v6, 0, 0, &[]).client(), Some("[2001:db8::1%7]:5555".parse().unwrap()));
        assert_eq!(path(&v6[..20], 0, 0, &[]).client(), None, "cut off");
        assert_eq!(Path::EMPTY.client(), None);
    }

    #[test]
    fn the_way_back_has_the_source_and_leaves_the_interface_to_the_route() {
        let v4 = [&5_u32.to_ne_bytes()[..], &[192, 0, 2, 53], &[192, 0, 2, 53]].concat();
        let mut back = path(&[], libc::IPPROTO_IP, libc::IP_PKTINFO, &v4);
        back.turn();
        assert_eq!(back.control[CONTROL_HEAD..][..12], [&[0; 4][..], &v4[4..]].concat());
        let check = |address: &str, expect: u32| {
            let address = address.parse::<Ipv6Addr>().unwrap().octets();
            let info = [&address[..], &5_u32.to_ne_bytes()].concat();
            let mut back = path(&[], libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            back.turn();
            let expect = [&address[..], &expect.to_ne_bytes()].concat();
            assert_eq!(back.control[CONTROL_HEAD..][..20], expect);
        };
        check("2001:db8::53", 0);
        check("fe80::53", 5);
    }
}
