//! What the kernel makes of merged packets: it takes them from one device, and the other one, which asks for single
//! packets, gives back those that were merged.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, one that cannot run says so"
)]

#[path = "../src/netns.rs"]
mod netns;

use config::model::Offload;
use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep};
use nat64::device::{Device, TX_QUEUE_LEN};
use nat64::link::Netlink;
use netns::{block_on, in_namespace};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};
use translator::{Coalescer, Frame, Merge, VNET_HEADER_LEN, WorkerState, cut};

const FROM_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const TO_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const FROM_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const TO_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 9);

const MTU: u16 = 1500;
const PATIENCE: Duration = Duration::from_secs(20);

/// A device that takes super-packets, from which the kernel forwards to one that does not.
struct Bench {
    whole: OwnedFd,
    single: OwnedFd,
}

impl Bench {
    fn new() -> Self {
        for (switch, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            ("ipv6/conf/all/forwarding", "1"),
        ] {
            std::fs::write(format!("/proc/sys/net/{switch}"), value).unwrap();
        }
        let open = |name: &str, offload, addresses: [IpAddr; 2]| {
            let mut device = Device::open(name, None, 1, offload).unwrap();
            block_on(async {
                let netlink = Netlink::connect().unwrap();
                let link = netlink.link(name).await.unwrap().unwrap();
                netlink.bring_up(&link, MTU, TX_QUEUE_LEN).await.unwrap();
                for address in addresses {
                    let route = rtnetlink::RouteMessageBuilder::<IpAddr>::new()
                        .destination_prefix(address, if address.is_ipv4() { 32 } else { 128 })
                        .unwrap()
                        .output_interface(link.index)
                        .build();
                    netlink.handle().route().add(route).execute().await.unwrap();
                }
            });
            device.queues.remove(0)
        };
        Self {
            whole: open("whole", Offload::Auto, [FROM_V4.into(), FROM_V6.into()]),
            single: open("single", Offload::Off, [TO_V4.into(), TO_V6.into()]),
        }
    }

    /// The next packet with a payload that comes out; the kernel also says hello to routers.
    fn forwarded(&self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = vec![0; 70_000];
        loop {
            match read(&self.single, &mut buffer) {
                Ok(len) => {
                    let (vnet, packet) = buffer[..len].split_at(VNET_HEADER_LEN);
                    if [TO_V4.octets().as_slice(), &TO_V6.octets()]
                        .iter()
                        .any(|to| destination(packet) == *to)
                    {
                        assert_eq!(vnet[..2], [0, 0], "a single packet with a complete checksum");
                        return packet.to_vec();
                    }
                }
                Err(Errno::EAGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    assert!(!left.is_zero(), "the packet does not come");
                    let mut fds = [PollFd::new(self.single.as_fd(), PollFlags::POLLIN)];
                    poll(&mut fds, PollTimeout::try_from(left).unwrap()).unwrap();
                }
                Err(errno) => panic!("{errno}"),
            }
        }
    }

    /// Merges the packets, lets the kernel forward what comes of it, and compares what comes out with what went in.
    fn check(&self, what: &str, packets: &[Vec<u8>]) {
        let mut coalescer = Coalescer::new(Merge { tcp: true, udp: true });
        let mut state = WorkerState::new(0, 1);
        let mut merged = Vec::new();
        for packet in packets {
            let mut frame = Frame::with_capacity(packet.len());
            frame.set_packet(packet);
            coalescer.push(&mut frame, &mut state, |frame, packets| merged.push((frame.clone(), packets)));
        }
        coalescer.flush(&mut state, |frame, packets| merged.push((frame.clone(), packets)));
        let [(frame, count)] = &mut merged[..] else { panic!("{what}: {} packets", merged.len()) };
        assert_eq!(usize::from(*count), packets.len(), "{what}");
        write(&self.whole, frame.wire()).unwrap_or_else(|errno| panic!("{what}: {errno}"));

        let mut cut_here = Vec::new();
        cut(frame, &mut Frame::with_capacity(0), |segment| cut_here.push(segment.packet().to_vec()));
        for (number, packet) in packets.iter().enumerate() {
            let out = one_hop_back(self.forwarded());
            assert_eq!(&out, packet, "{what}, packet {number}");
            assert_eq!(out, cut_here[number], "{what}, packet {number}: cut here as by the kernel");
        }
    }
}

fn destination(packet: &[u8]) -> &[u8] {
    if packet[0] >> 4 == 4 { &packet[16..20] } else { &packet[24..40] }
}

/// The packet as it was before it was forwarded.
fn one_hop_back(mut packet: Vec<u8>) -> Vec<u8> {
    if packet[0] >> 4 == 6 {
        packet[7] += 1;
        return packet;
    }
    packet[8] += 1;
    let header = etherparse::Ipv4Header::from_slice(&packet).unwrap().0;
    packet[10..12].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
    packet
}

fn ip(is_v6: bool, number: u16) -> PacketBuilderStep<IpHeaders> {
    if is_v6 {
        return PacketBuilder::ipv6(FROM_V6.octets(), TO_V6.octets(), 64);
    }
    let mut header =
        etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::UDP, FROM_V4.octets(), TO_V4.octets())
            .unwrap();
    header.identification = number.wrapping_sub(3);
    header.dont_fragment = false;
    PacketBuilder::ip(IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default()))
}

/// `count` packets with `len` bytes each, and `last` bytes in the last one.
fn packets(is_v6: bool, is_tcp: bool, count: u16, len: usize, last: usize) -> Vec<Vec<u8>> {
    let packet = |number: u16| {
        let size = if number + 1 == count { last } else { len };
        let payload: Vec<u8> =
            (0..size).map(|at| u8::try_from((at + usize::from(number)) % 251).unwrap()).collect();
        let mut packet = Vec::new();
        if is_tcp {
            let sequence = u32::from(number) * u32::try_from(len).unwrap();
            let mut builder = ip(is_v6, number).tcp(4000, 80, sequence.wrapping_sub(100), 512).ack(7);
            builder = builder.options_raw(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]).unwrap();
            if number + 1 == count { builder.psh() } else { builder }.write(&mut packet, &payload).unwrap();
        } else {
            ip(is_v6, number).udp(4000, 53).write(&mut packet, &payload).unwrap();
        }
        packet
    };
    (0..count).map(packet).collect()
}

#[test]
fn the_kernel_takes_merged_packets_and_gives_back_what_was_merged() {
    in_namespace("the_kernel_takes_merged_packets_and_gives_back_what_was_merged", || {
        let bench = Bench::new();
        for is_v6 in [false, true] {
            for is_tcp in [false, true] {
                for (count, len, last) in
                    [(2, 1, 1), (64, 64, 64), (10, 64, 3), (44, 1400, 1400), (3, 1400, 1)]
                {
                    let what = format!("v6 {is_v6}, tcp {is_tcp}: {count} of {len}, {last}");
                    bench.check(&what, &packets(is_v6, is_tcp, count, len, last));
                }
            }
        }
    });
}
