//! IPv6 packets made by hand, for what no well-behaved stack would send.

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv6Addr, UdpSocket};

/// Sends whole packets as they are.
pub struct Sender {
    socket: UdpSocket,
}

/// `IPPROTO_RAW`: what is sent begins with its own IPv6 header.
const WITH_HEADER: i32 = 255;

/// The hop limit of hand-made packets.
const HOPS: u8 = 64;

impl Sender {
    /// Opens it in the calling thread's namespace.
    pub fn open() -> Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(WITH_HEADER)));
        Ok(Self { socket: socket.context("opening a raw socket")?.into() })
    }

    /// Sends one packet.
    pub fn send(&self, packet: &[u8], destination: Ipv6Addr) -> Result<()> {
        self.socket.send_to(packet, (destination, 0)).context("sending a packet made by hand")?;
        Ok(())
    }
}

/// An IPv6 header with a right length in front of `payload`.
///
/// # Panics
/// If `payload` is longer than a packet may be.
pub fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a payload fits in a packet");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[next_header, HOPS]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    packet.extend_from_slice(payload);
    packet
}
