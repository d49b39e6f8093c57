//! The loop on a datagram socket in the device's place: one datagram is one packet behind its virtio-net header.

use super::*;
use crate::counters::{Family, WriteError};
use crate::device::Device;
use crate::link::Netlink;
use crate::netns::{block_on, in_namespace};
use crate::pool::{Pool, Range};
use crate::workers::Workers;
use addr::ExplicitMaps;
use config::model::Offload;
use etherparse::PacketBuilder;
use nix::sys::eventfd::EfdFlags;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::net::UnixDatagram;
use translator::{Class, DropReason, Merge, MssClamp, Mtu, Params, UdpZeroChecksum, VNET_HEADER_LEN};

const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x64);
const CLIENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1);
/// `2001:db8:64::203.0.113.9`
const REMOTE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x64, 0, 0, 0, 0xcb00, 0x7109);

fn params() -> Params {
    Params {
        prefixes: "2001:db8:64::/96".parse::<addr::Prefix64>().unwrap().into(),
        allow_private_ipv4: false,
        own_v4: OWN_V4,
        own_v6: OWN_V6,
        maps: ExplicitMaps::default(),
        pools: vec!["198.51.100.0/24".parse().unwrap()],
        icmp_source_v4: translator::IcmpSources::default(),
        icmp_source_v6: None,
        hairpin: translator::Hairpin::Intrinsic,
        udp_zero_checksum: UdpZeroChecksum::Drop,
        ipv6_min_mtu: 1280,
        mtu_v4: Mtu::Fixed(1500),
        mtu_v6: Mtu::Fixed(1500),
        tcp_mss_clamp: MssClamp::Off,
        tos: Class::Copy,
        traffic_class: Class::Copy,
        icmp_error_rate: 1000,
    }
}

fn shared() -> Shared {
    shared_with(|| ())
}

fn shared_with(on_grant: impl Fn() + Send + Sync + 'static) -> Shared {
    let range = Range::new(Some("198.51.100.0/24".parse().unwrap()), OWN_V4, ExplicitMaps::default());
    Shared {
        translator: Arc::new(ArcSwap::from_pointee(Translator::new(params()))),
        pool: Arc::new(SharedPool::new(Pool::new(range), on_grant)),
        merging: Arc::new(Merging::new(Merge::default(), || ())),
        drop_log: DropLog::new(0).0,
        stop: Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap()),
    }
}

/// Workers on sockets instead of queues, and the kernel's ends of these.
struct Bench {
    shared: Shared,
    workers: Workers,
    kernel: Vec<UnixDatagram>,
}

impl Bench {
    fn new(queues: usize) -> Self {
        Self::with(queues, shared())
    }

    fn with(queues: usize, shared: Shared) -> Self {
        let (kernel, ours): (Vec<_>, Vec<_>) = (0..queues).map(|_| UnixDatagram::pair().unwrap()).unzip();
        for socket in &ours {
            socket.set_nonblocking(true).unwrap();
        }
        for socket in &kernel {
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        }
        let (sender, _) = tokio::sync::mpsc::unbounded_channel();
        let queues = ours.into_iter().map(OwnedFd::from).collect();
        let workers = block_on(Workers::start(queues, shared.clone(), &sender)).unwrap();
        Self { shared, workers, kernel }
    }

    fn give(&self, queue: usize, packet: &[u8]) {
        let mut bytes = vec![0; VNET_HEADER_LEN];
        bytes.extend_from_slice(packet);
        self.kernel[queue].send(&bytes).unwrap();
    }

    fn take(&self, queue: usize) -> Vec<u8> {
        let mut bytes = vec![0; 70_000];
        let len = self.kernel[queue].recv(&mut bytes).unwrap();
        bytes[VNET_HEADER_LEN..len].to_vec()
    }
}

fn udp(from: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv6(from.octets(), to.octets(), 64).udp(4000, 53).write(&mut packet, payload).unwrap();
    packet
}

fn ping(to: Ipv6Addr, sequence: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv6(CLIENT.octets(), to.octets(), 64)
        .icmpv6_echo_request(1, sequence)
        .write(&mut packet, b"payload")
        .unwrap();
    packet
}

#[test]
fn packets_come_back_translated_in_order_on_their_own_queue() {
    let bench = Bench::new(2);
    for queue in [0, 1] {
        for number in 0..100_u8 {
            bench.give(queue, &udp(CLIENT, REMOTE, &[number, u8::try_from(queue).unwrap()]));
        }
        for number in 0..100_u8 {
            let packet = bench.take(queue);
            assert_eq!(&packet[12..20], [198, 51, 100, packet[15], 203, 0, 113, 9]);
            assert_eq!(&packet[28..], [number, u8::try_from(queue).unwrap()]);
        }
    }
    assert_eq!(bench.shared.pool.len(), 1, "both workers know one lease");
    let counters = bench.workers.counters();
    bench.workers.stop();
    for worker in counters {
        assert_eq!(worker.received[Family::Ipv6 as usize].packets.get(), 100);
        assert_eq!(worker.sent[Family::Ipv4 as usize].packets.get(), 100);
    }
}

#[test]
fn own_addresses_answer_and_garbage_is_counted() {
    let bench = Bench::new(1);
    bench.kernel[0].send(b"short").unwrap();
    bench.give(0, &[0x00; 40]);
    bench.give(0, &[0x60; 7]);
    bench.give(0, &ping(OWN_V6, 7));
    let reply = bench.take(0);
    assert_eq!((&reply[8..24], reply[40]), (&OWN_V6.octets()[..], 129));
    let worker = &bench.workers.counters()[0];
    for (family, reason) in [
        (Family::Other, DropReason::ShortFrame),
        (Family::Other, DropReason::IpVersion),
        (Family::Ipv6, DropReason::Ipv6Header),
    ] {
        assert_eq!(worker.dropped.of(family, reason).get(), 1, "{reason:?}");
    }
    assert_eq!(worker.echo_replies.get(), 1);
    bench.workers.stop();
}

#[test]
fn a_changed_translator_takes_effect_with_the_next_batch() {
    let bench = Bench::new(1);
    bench.give(0, &ping(OWN_V6, 1));
    bench.take(0);
    let worker = Arc::clone(&bench.workers.counters()[0]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while worker.batches[0].get() == 0 {
        assert!(Instant::now() < deadline, "the batch ends when the queue is empty");
    }
    let moved = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x65);
    bench.shared.translator.store(Arc::new(Translator::new(Params { own_v6: moved, ..params() })));
    bench.give(0, &ping(moved, 2));
    assert_eq!(bench.take(0)[8..24], moved.octets());
    bench.workers.stop();
}

#[test]
fn a_device_removed_underneath_is_reported_by_every_worker() {
    in_namespace("a_device_removed_underneath_is_reported_by_every_worker", || {
        let device = Device::open("nat64test", None, 2, Offload::Auto).unwrap();
        block_on(async {
            let (sender, mut failures) = tokio::sync::mpsc::unbounded_channel();
            let workers = Workers::start(device.queues, shared(), &sender).await.unwrap();
            let netlink = Netlink::connect().unwrap();
            let link = netlink.link("nat64test").await.unwrap().unwrap();
            netlink.handle().link().del(link.index).execute().await.unwrap();
            for _ in 0..2 {
                let failure = failures.recv().await.unwrap();
                assert!(failure.contains("the TUN device was removed"), "{failure}");
            }
            workers.stop();
        });
    });
}

#[test]
fn a_packet_that_is_not_taken_is_counted() {
    let bench = Bench::new(1);
    // Nobody takes answers, so at last the socket is full.
    let worker = Arc::clone(&bench.workers.counters()[0]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while worker.write_errors[WriteError::NoRoom as usize].get() == 0 {
        assert!(Instant::now() < deadline, "the socket is never full");
        bench.give(0, &ping(OWN_V6, 1));
    }
    while worker.echo_replies.get() == 0 {
        assert!(Instant::now() < deadline);
    }
    bench.workers.stop();
}

#[test]
fn a_stop_reports_what_the_workers_know() {
    let bench = Bench::new(1);
    bench.give(0, &udp(CLIENT, REMOTE, b"x"));
    bench.take(0);
    let pool = Arc::clone(&bench.shared.pool);
    bench.workers.stop();
    assert!(unix_time().since(pool.leases()[0].last_used) < Duration::from_secs(20));
}

#[test]
fn a_panic_costs_one_packet_and_not_the_worker() {
    let fuse = std::sync::Mutex::new(Some(()));
    let bench = Bench::with(
        1,
        shared_with(move || {
            let burnt = fuse.lock().unwrap().take();
            assert!(burnt.is_none(), "the first lease trips over a mistake");
        }),
    );
    bench.give(0, &udp(CLIENT, REMOTE, b"lost"));
    bench.give(0, &udp(CLIENT, REMOTE, b"kept"));
    assert!(bench.take(0).ends_with(b"kept"));
    let worker = &bench.workers.counters()[0];
    assert_eq!((worker.panics.get(), worker.received[Family::Ipv6 as usize].packets.get()), (1, 2));
    bench.workers.stop();
}

/// RFC 7915 §4.5 asks for an event that names addresses and ports.
#[test]
fn udp_without_checksum_is_told_with_addresses_and_ports() {
    let (drop_log, printer) = DropLog::new(1);
    let bench = Bench::with(1, Shared { drop_log, ..shared() });
    bench.give(0, &udp(CLIENT, REMOTE, b"question"));
    let question = bench.take(0);
    let mut answer = [&question[..12], &question[16..20], &question[12..16], &question[20..]].concat();
    answer[26..28].fill(0);
    bench.give(0, &answer);
    let deadline = Instant::now() + Duration::from_secs(20);
    let sample = loop {
        if let Some(sample) = printer.waiting().next() {
            break sample;
        }
        assert!(Instant::now() < deadline, "nothing is told");
    };
    bench.workers.stop();
    assert_eq!((sample.reason, sample.direction), (DropReason::UdpZeroChecksum, "v4_to_v6"));
    assert_eq!(sample.packet, translator::Outline::of(&answer));
    assert_eq!(sample.packet.endpoints, Some(translator::Endpoints::Ports(4000, 53)));
}
