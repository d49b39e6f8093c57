//! Datagrams of many hosts: each from an address and a port of its own, in an order that nobody can foresee.
//!
//! They are made beforehand and sent whole, through a raw socket, so that the client needs none of the addresses. The
//! number of flows does not depend on the number of hosts: what the kernel keeps per flow costs the same whether ten
//! hosts have them or thousands, and what differs is what a translator knows of hosts.

use super::batch::{BATCH, Inbox, send};
use super::cpu;
use super::datagram::LENGTH;
use super::ends::{Ends, STALLED};
use super::flood::run;
use anyhow::{Context, Result, ensure};
use etherparse::PacketBuilder;
use nix::errno::Errno;
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::IoSlice;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How many flows there are at least, shared among the hosts.
const FLOWS: u32 = 65_536;

/// Where the ports of flows begin: below it are those of services.
const FIRST_PORT: u16 = 1024;

const HOP_LIMIT: u8 = 64;

/// The beginning of the order: any number but zero, the same in every run.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hosts on the client's side, and a server that they send to.
pub struct Crowd {
    packets: Vec<Vec<u8>>,
    hosts: u32,
    near: Socket,
    far: UdpSocket,
}

impl Crowd {
    /// `hosts` hosts of the IPv6 side with `ports` flows each, more if that makes too few flows; `address` is the
    /// address of each, by its number from zero.
    ///
    /// # Errors
    /// The server is not addressed over IPv6, or a socket cannot be had.
    pub fn gather(ends: Ends<'_>, hosts: u32, ports: u32, address: impl Fn(u32) -> Ipv6Addr) -> Result<Self> {
        let IpAddr::V6(server) = ends.address else {
            anyhow::bail!("hosts of the IPv6 side send to IPv6 addresses");
        };
        let [_, far] = ends.sockets()?;
        let port = far.local_addr()?.port();
        let near = ends
            .client
            .run(|| Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW))))?;
        near.set_header_included_v6(true)?;
        near.connect(&SocketAddr::new(ends.address, 0).into())?;
        let mut packets = Vec::new();
        for flow in shuffled(hosts * ports.max(FLOWS.div_ceil(hosts))) {
            let source =
                FIRST_PORT + u16::try_from(flow / hosts).context("more flows a host than it has ports")?;
            packets.push(packet(flow % hosts, address(flow % hosts), source, server, port)?);
        }
        Ok(Self { packets, hosts, near, far })
    }

    /// Sends until something of each host has arrived.
    ///
    /// # Errors
    /// Nothing of a host that was not heard of before arrives for [`STALLED`].
    pub fn reach(&self) -> Result<()> {
        let mut heard = vec![false; usize::try_from(self.hosts)?];
        let (mut missing, mut last) = (heard.len(), Instant::now());
        let mut inbox = Inbox::new(BATCH, LENGTH);
        for packets in self.packets.chunks(BATCH).cycle() {
            transmit(&self.near, packets)?;
            while let Ok(datagrams) = inbox.take(&self.far) {
                for host in datagrams.filter_map(host_of) {
                    let heard = &mut heard[usize::try_from(host)?];
                    if !std::mem::replace(heard, true) {
                        missing -= 1;
                        last = Instant::now();
                    }
                }
            }
            if missing == 0 {
                break;
            }
            ensure!(last.elapsed() < STALLED, "nothing arrives of {missing} of {} hosts", self.hosts);
        }
        Ok(())
    }

    /// What the datagrams of all cost `process` each, in CPU time, when they are sent without pause.
    ///
    /// # Errors
    /// Nothing arrives, or the process ends.
    pub fn cost(&self, process: i32) -> Result<Duration> {
        let mut packets = self.packets.chunks(BATCH).cycle();
        let source = || {
            // What the first queue has no room for is lost there.
            let _ = packets.next().map(|packets| transmit(&self.near, packets));
        };
        let look = || cpu::time_of(process);
        let arrived = run(&self.far, Inbox::new(BATCH, LENGTH), source, |_| 1, look)?;
        let [before, after] = arrived.seen;
        Ok(after.saturating_sub(before) / u32::try_from(arrived.count)?)
    }
}

/// Sends at most [`BATCH`] packets.
fn transmit(near: &Socket, packets: &[Vec<u8>]) -> Result<(), Errno> {
    let mut slices = [IoSlice::new(&[]); BATCH];
    for (slice, packet) in slices.iter_mut().zip(packets) {
        *slice = IoSlice::new(packet);
    }
    match send(near, &slices[..packets.len().min(BATCH)]) {
        Ok(_) | Err(Errno::ENOBUFS | Errno::EAGAIN) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A datagram whose payload is the number of its host.
fn packet(host: u32, from: Ipv6Addr, source: u16, to: Ipv6Addr, port: u16) -> Result<Vec<u8>> {
    let mut payload = [0; LENGTH];
    payload[..size_of::<u32>()].copy_from_slice(&host.to_be_bytes());
    let mut packet = Vec::new();
    PacketBuilder::ipv6(from.octets(), to.octets(), HOP_LIMIT)
        .udp(source, port)
        .write(&mut packet, &payload)?;
    Ok(packet)
}

fn host_of(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The numbers below `count` in a pseudo-random order, the same in every run (Fisher and Yates; xorshift).
fn shuffled(count: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    let mut state = SEED;
    for end in (1..numbers.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let other = usize::try_from(state % (end as u64 + 1)).expect("below a length");
        numbers.swap(end, other);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_mixed_and_leaves_nobody_out() {
        let mut numbers = shuffled(1000);
        assert!(!numbers.is_sorted());
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn packet_tells_its_host_and_has_a_checksum() {
        let [from, to] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().unwrap());
        let packet = packet(70_000, from, 1024, to, 9).unwrap();
        let headers = etherparse::PacketHeaders::from_ip_slice(&packet).unwrap();
        let payload = headers.payload.slice();
        assert_eq!((payload.len(), host_of(payload)), (LENGTH, Some(70_000)));
        let udp = headers.transport.unwrap().udp().unwrap();
        let (from, to) = (from.octets(), to.octets());
        assert_eq!(udp.calc_checksum_ipv6_raw(from, to, payload).unwrap(), udp.checksum);
    }
}
