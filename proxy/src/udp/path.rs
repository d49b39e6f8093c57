//! The way between a client and the address that it sent to, kept as the kernel writes and reads it, so that it costs no
//! conversion: it is the key of a flow.
//!
//! On a wildcard address a datagram brings its destination along (`IP_PKTINFO`, `IPV6_PKTINFO`), and what goes back leaves
//! from there, since the client waits for it from there.

use nix::libc::{self, cmsghdr, in_pktinfo, in6_pktinfo, sockaddr_in, sockaddr_in6};
use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Octets of the longest socket address.
pub(super) const NAME: usize = size_of::<sockaddr_in6>();

/// Octets of a control message before its data.
const HEAD: usize = size_of::<cmsghdr>();

/// Octets that the kernel keeps for one control message with so many octets of data.
const fn room(data: usize) -> usize {
    (HEAD + data).next_multiple_of(align_of::<cmsghdr>())
}

/// Octets of the control message with an address of this host.
const INFO: usize = room(size_of::<in6_pktinfo>());

/// Octets of the control messages that one datagram comes or goes with: an address, and the length of segments.
pub(super) const CONTROL: usize = INFO + room(size_of::<libc::c_int>());

/// Control messages as the kernel writes and reads them.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; CONTROL]);

impl Control {
    pub(super) const EMPTY: Self = Self([0; CONTROL]);

    /// The length of the segments that were put together to this datagram (`UDP_GRO`), if they were.
    pub(super) fn segment(&self, length: usize) -> Option<usize> {
        let (_, data) = self.messages(length).find(|(kind, _)| *kind == (libc::SOL_UDP, libc::UDP_GRO))?;
        usize::try_from(i32::from_ne_bytes(*data.first_chunk()?)).ok().filter(|segment| *segment > 0)
    }

    /// Adds to the first `at` octets a message that asks for segments of this length (`UDP_SEGMENT`); returns how many
    /// octets there are then.
    pub(super) fn ask_for_segments(&mut self, at: usize, segment: u16) -> usize {
        let end = at + room(size_of::<u16>());
        let message = &mut self.0[at..end];
        let length = HEAD + size_of::<u16>();
        message[..size_of::<usize>()].copy_from_slice(&length.to_ne_bytes());
        put(message, offset_of!(cmsghdr, cmsg_level), libc::SOL_UDP.to_ne_bytes());
        put(message, offset_of!(cmsghdr, cmsg_type), libc::UDP_SEGMENT.to_ne_bytes());
        put(message, HEAD, segment.to_ne_bytes());
        end
    }

    /// The messages in the first `length` octets: level and type, and data.
    fn messages(&self, length: usize) -> impl Iterator<Item = ((i32, i32), &[u8])> {
        let mut rest = &self.0[..length.min(CONTROL)];
        std::iter::from_fn(move || {
            let whole = usize::from_ne_bytes(*rest.first_chunk()?);
            let message = rest.get(..whole)?;
            let number = |at: usize| message.get(at..at + 4)?.first_chunk().copied().map(i32::from_ne_bytes);
            let kind = (number(offset_of!(cmsghdr, cmsg_level))?, number(offset_of!(cmsghdr, cmsg_type))?);
            rest = rest.get(whole.next_multiple_of(align_of::<cmsghdr>())..).unwrap_or_default();
            Some((kind, message.get(HEAD..)?))
        })
    }
}

fn put<const LEN: usize>(message: &mut [u8], at: usize, octets: [u8; LEN]) {
    message[at..at + LEN].copy_from_slice(&octets);
}

/// From whom a datagram came and where it went to, which is the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    name: [u8; NAME],
    info: [u8; INFO],
    name_len: u8,
    info_len: u8,
}

impl Path {
    /// Of a datagram that came with this name and these control messages, each with its length.
    pub(super) fn new(name: &[u8; NAME], name_len: usize, control: &Control, control_len: usize) -> Self {
        let name_len = u8::try_from(name_len.min(NAME)).unwrap_or(0);
        let mut path = Self { name: *name, info: [0; INFO], name_len, info_len: 0 };
        for (kind, data) in control.messages(control_len) {
            match kind {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    path.remember(kind, data, offset_of!(in_pktinfo, ipi_ifindex), false);
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    // A link-local address has its meaning on its own interface alone.
                    let address = data.first_chunk::<16>().copied().map(Ipv6Addr::from);
                    let bound = address.is_some_and(|address| address.is_unicast_link_local());
                    path.remember(kind, data, offset_of!(in6_pktinfo, ipi6_ifindex), bound);
                }
                _ => {}
            }
        }
        path
    }

    /// Keeps where a datagram went to. What goes back leaves by the route's interface unless it is `bound` to its own.
    fn remember(&mut self, (level, kind): (i32, i32), data: &[u8], interface: usize, bound: bool) {
        let length = HEAD + data.len();
        if length > INFO || interface + 4 > data.len() {
            return;
        }
        put(&mut self.info, 0, length.to_ne_bytes());
        put(&mut self.info, offset_of!(cmsghdr, cmsg_level), level.to_ne_bytes());
        put(&mut self.info, offset_of!(cmsghdr, cmsg_type), kind.to_ne_bytes());
        self.info[HEAD..length].copy_from_slice(data);
        if !bound {
            self.info[HEAD + interface..][..4].fill(0);
        }
        self.info_len = u8::try_from(room(data.len())).unwrap_or(0);
    }

    /// The client, as the kernel wrote it.
    pub(super) fn name(&self) -> &[u8] {
        &self.name[..usize::from(self.name_len)]
    }

    /// The control message for the way back, if there is any.
    pub(super) fn info(&self) -> &[u8] {
        &self.info[..usize::from(self.info_len)]
    }

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

    /// The address that the client sent to, where the kernel told it.
    pub(super) fn local(&self) -> Option<IpAddr> {
        let level = i32::from_ne_bytes(*self.info().get(offset_of!(cmsghdr, cmsg_level)..)?.first_chunk()?);
        let data = self.info().get(HEAD..)?;
        if level == libc::IPPROTO_IP {
            let octets: [u8; 4] = *data.get(offset_of!(in_pktinfo, ipi_spec_dst)..)?.first_chunk()?;
            return Some(Ipv4Addr::from(octets).into());
        }
        Some(Ipv6Addr::from(*data.first_chunk::<16>()?).into())
    }

    fn name_part<const LEN: usize>(&self, at: usize) -> Option<[u8; LEN]> {
        self.name().get(at..at + LEN)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel writes: a name, and these control messages behind each other.
    fn path(name: &[u8], messages: &[(i32, i32, &[u8])]) -> (Path, Option<usize>) {
        let (mut octets, mut control, mut at) = ([0; NAME], Control::EMPTY, 0);
        octets[..name.len()].copy_from_slice(name);
        for (level, kind, data) in messages {
            let message = &mut control.0[at..];
            put(message, 0, (HEAD + data.len()).to_ne_bytes());
            put(message, offset_of!(cmsghdr, cmsg_level), level.to_ne_bytes());
            put(message, offset_of!(cmsghdr, cmsg_type), kind.to_ne_bytes());
            message[HEAD..HEAD + data.len()].copy_from_slice(data);
            at += room(data.len());
        }
        (Path::new(&octets, name.len(), &control, at), control.segment(at))
    }

    #[test]
    fn clients_are_read_from_what_the_kernel_writes() {
        let v4 = [&2_u16.to_ne_bytes()[..], &[0x15, 0xb3, 192, 0, 2, 1], &[0; 8]].concat();
        assert_eq!(path(&v4, &[]).0.client(), Some("192.0.2.1:5555".parse().unwrap()));
        let address = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
        let family = 10_u16.to_ne_bytes();
        let v6 = [&family[..], &[0x15, 0xb3, 0, 0, 0, 0], &address, &7_u32.to_ne_bytes()].concat();
        assert_eq!(path(&v6, &[]).0.client(), Some("[2001:db8::1%7]:5555".parse().unwrap()));
        assert_eq!(path(&v6[..20], &[]).0.client(), None, "cut off");
        assert_eq!(path(&[], &[]).0.client(), None);
    }

    #[test]
    fn the_way_back_has_the_source_and_leaves_the_interface_to_the_route() {
        let v4 = [&5_u32.to_ne_bytes()[..], &[192, 0, 2, 53], &[192, 0, 2, 53]].concat();
        let back = path(&[], &[(libc::IPPROTO_IP, libc::IP_PKTINFO, &v4)]).0;
        assert_eq!(back.info()[HEAD..][..12], [&[0; 4][..], &v4[4..]].concat());
        assert_eq!(back.local(), Some(Ipv4Addr::new(192, 0, 2, 53).into()));
        let check = |address: &str, expect: u32| {
            let address: Ipv6Addr = address.parse().unwrap();
            let info = [&address.octets()[..], &5_u32.to_ne_bytes()].concat();
            let back = path(&[], &[(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info)]).0;
            assert_eq!(back.info()[HEAD..][..20], [&address.octets()[..], &expect.to_ne_bytes()].concat());
            assert_eq!(back.local(), Some(address.into()));
        };
        check("2001:db8::53", 0);
        check("fe80::53", 5);
        assert_eq!(path(&[], &[]).0.local(), None);
    }

    #[test]
    fn datagrams_of_one_client_to_one_address_have_one_path_however_they_came() {
        let info =
            |interface: u32| [&interface.to_ne_bytes()[..], &[192, 0, 2, 53], &[192, 0, 2, 53]].concat();
        let (one, other) = (info(5), info(6));
        let segments = 1200_i32.to_ne_bytes();
        let (single, none) = path(&[2; 16], &[(libc::IPPROTO_IP, libc::IP_PKTINFO, &one)]);
        let (merged, some) = path(
            &[2; 16],
            &[(libc::IPPROTO_IP, libc::IP_PKTINFO, &other), (libc::SOL_UDP, libc::UDP_GRO, &segments)],
        );
        assert_eq!(single, merged);
        assert_eq!((none, some), (None, Some(1200)));
    }

    #[test]
    fn control_messages_that_are_cut_off_say_nothing() {
        let mut control = Control::EMPTY;
        let end = control.ask_for_segments(0, 1200);
        assert_eq!(end, room(2));
        let length = 1200_u16.to_ne_bytes();
        for octets in 0..=CONTROL {
            let whole = octets >= HEAD + 2;
            let found = control.messages(octets).next();
            let expect = whole.then_some(((libc::SOL_UDP, libc::UDP_SEGMENT), &length[..]));
            assert_eq!(found, expect, "{octets}");
        }
        let mut wild = Control([255; CONTROL]);
        assert_eq!(wild.messages(CONTROL).next(), None);
        wild.0[..8].fill(0);
        assert_eq!(wild.messages(CONTROL).next(), None);
    }
}
