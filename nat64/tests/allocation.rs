//! The packet path allocates nothing once its buffers have grown: the real worker's batches, on a socket in the
//! device's place, under an allocator that counts.
//!
//! Locks need no such count: a batch looks the translator up once (`ArcSwap`), hosts with a lease are read from one
//! table without a lock, counters and buffers are the worker's own. What takes the pool's lock is a new host, of which
//! there is none here after the first round.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails; where it runs it says what it counted"
)]

use addr::ExplicitMaps;
use arc_swap::ArcSwap;
use etherparse::{IpNumber, PacketBuilder};
use nat64::counters::Counters;
use nat64::drop_log::DropLog;
use nat64::egress::{Merging, Queue};
use nat64::lease::SharedPool;
use nat64::pool::{Pool, Range};
use nat64::worker::{Shared, Worker};
use nix::errno::Errno;
use nix::sys::eventfd::EventFd;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use translator::{
    Class, Direction, Hairpin, IcmpSources, Merge, MssClamp, Mtu, Params, Translator, UdpZeroChecksum,
    VNET_HEADER_LEN, VnetHeader,
};

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and nobody asks for it.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
// SAFETY: everything is passed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(old, layout, len) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x64);
const CLIENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1);
const REMOTE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// [`REMOTE`] as the client sees it.
const REMOTE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x64, 0, 0, 0, 0xcb00, 0x7109);

/// A queue on a socket.
struct Socket {
    socket: UnixDatagram,
    /// Whether super-packets are refused, as some kernels do.
    is_picky: bool,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Queue for Socket {
    fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        nix::unistd::read(&self.socket, buffer)
    }

    fn send(&self, packet: &[u8]) -> Result<(), Errno> {
        if self.is_picky && packet[1] != 0 {
            return Err(Errno::EINVAL);
        }
        nix::unistd::write(&self.socket, packet).map(drop)
    }
}

struct Bench {
    worker: Worker<Socket>,
    kernel: UnixDatagram,
    counters: Arc<Counters>,
}

impl Bench {
    fn new(is_picky: bool) -> Self {
        let pool = "198.51.100.0/24".parse().unwrap();
        let params = Params {
            prefixes: "2001:db8:64::/96".parse::<addr::Prefix64>().unwrap().into(),
            allow_private_ipv4: false,
            own_v4: OWN_V4,
            own_v6: OWN_V6,
            maps: ExplicitMaps::default(),
            pools: vec![pool],
            icmp_source_v4: IcmpSources::default(),
            icmp_source_v6: None,
            hairpin: Hairpin::Intrinsic,
            udp_zero_checksum: UdpZeroChecksum::Drop,
            ipv6_min_mtu: 1280,
            mtu_v4: Mtu::Fixed(1500),
            mtu_v6: Mtu::Fixed(1500),
            tcp_mss_clamp: MssClamp::Off,
            tos: Class::Copy,
            traffic_class: Class::Copy,
            icmp_error_rate: 1_000_000,
        };
        let range = Range::new(Some(pool), OWN_V4, ExplicitMaps::default());
        let shared = Shared {
            translator: Arc::new(ArcSwap::from_pointee(Translator::new(params))),
            pool: Arc::new(SharedPool::new(Pool::new(range), || ())),
            merging: Arc::new(Merging::new(Merge { tcp: true, udp: true }, || ())),
            drop_log: DropLog::new(0).0,
            stop: Arc::new(EventFd::new().unwrap()),
        };
        let (kernel, socket) = UnixDatagram::pair().unwrap();
        for end in [&kernel, &socket] {
            end.set_nonblocking(true).unwrap();
        }
        let counters = Arc::<Counters>::default();
        let worker = Worker::new(Socket { socket, is_picky }, 1, shared, Arc::clone(&counters));
        Self { worker, kernel, counters }
    }

    /// Gives these packets to the worker, in batches as small as the socket's queue; returns how often it allocated.
    fn round(&mut self, packets: &[Vec<u8>]) -> u64 {
        let mut allocations = 0;
        for packets in packets.chunks(8) {
            for packet in packets {
                self.kernel.send(packet).unwrap();
            }
            let before = ALLOCATIONS.get();
            self.worker.batch().unwrap();
            allocations += ALLOCATIONS.get() - before;
            let mut answer = vec![0; 70_000];
            while self.kernel.recv(&mut answer).is_ok() {}
        }
        allocations
    }
}

/// A packet behind a virtio-net header.
fn given(vnet: VnetHeader, packet: &[u8]) -> Vec<u8> {
    [&vnet.emit()[..], packet].concat()
}

fn whole(packet: &[u8]) -> Vec<u8> {
    given(VnetHeader::default(), packet)
}

fn v6() -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ipv6(CLIENT.octets(), REMOTE_V6.octets(), 64)
}

fn v4(leased: [u8; 4]) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ipv4(REMOTE.octets(), leased, 64)
}

/// The packet of a builder.
macro_rules! built {
    ($builder:expr, $payload:expr) => {{
        let mut packet = Vec::new();
        $builder.write(&mut packet, $payload).unwrap();
        packet
    }};
}

/// Everything that a worker meets, in both directions.
fn mix(leased: [u8; 4]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    // Small datagrams and segments that merge.
    for number in 0..8_u32 {
        packets.push(whole(&built!(v6().udp(4000, 53), &[0; 64])));
        packets.push(whole(&built!(v4(leased).udp(53, 4000), &[0; 64])));
        packets.push(whole(&built!(v6().tcp(4001, 80, number * 64, 512).ack(1), &[0; 64])));
    }
    // Super-packets.
    let udp =
        VnetHeader { flags: 1, gso_type: 5, hdr_len: 48, gso_size: 1000, csum_start: 40, csum_offset: 6 };
    packets.push(given(udp, &built!(v6().udp(4000, 443), &vec![0; 20_000])));
    let tcp =
        VnetHeader { flags: 1, gso_type: 4, hdr_len: 60, gso_size: 1440, csum_start: 40, csum_offset: 16 };
    packets.push(given(tcp, &built!(v6().tcp(4000, 443, 1, 512).ack(1), &vec![0; 60_000])));
    let tcp = VnetHeader { gso_type: 1, csum_start: 20, hdr_len: 40, ..tcp };
    packets.push(given(tcp, &built!(v4(leased).tcp(443, 4000, 1, 512).ack(1), &vec![0; 60_000])));
    // UDP super-packets whose datagrams must be fragmented, and a packet that must be.
    let mut large = built!(v4(leased).udp(443, 4000), &[0; 1450]);
    large[6] = 0;
    fill_checksum(&mut large);
    packets.push(whole(&large));
    let mut large = built!(v4(leased).udp(443, 4000), &[0; 14_600]);
    large[6] = 0;
    fill_checksum(&mut large);
    let udp = VnetHeader { gso_size: 1460, csum_start: 20, hdr_len: 28, ..udp };
    packets.push(given(udp, &large));
    // Fragments.
    let mut fragment = built!(v4(leased).udp(53, 4000), &[0; 64]);
    fragment[6..8].copy_from_slice(&[0x20, 3]);
    fill_checksum(&mut fragment);
    packets.push(whole(&fragment));
    // Pings: through, and of the translator itself.
    packets.push(whole(&built!(v6().icmpv6_echo_request(1, 1), &[0; 64])));
    packets.push(whole(&built!(
        PacketBuilder::ipv6(CLIENT.octets(), OWN_V6.octets(), 64).icmpv6_echo_request(1, 1),
        &[0; 64]
    )));
    // Errors: translated with what they quote, and of the translator itself, about a super-packet too.
    let quoted = built!(PacketBuilder::ipv4(leased, REMOTE.octets(), 64).udp(4000, 53), &[0; 64]);
    let unreachable =
        etherparse::Icmpv4Type::DestinationUnreachable(etherparse::icmpv4::DestUnreachableHeader::Port);
    packets.push(whole(&built!(v4(leased).icmpv4(unreachable), &quoted)));
    packets.push(whole(&built!(
        PacketBuilder::ipv6(CLIENT.octets(), REMOTE_V6.octets(), 1).udp(1, 2),
        &[0; 64]
    )));
    let tcp = VnetHeader { gso_type: 4, csum_start: 40, hdr_len: 60, ..tcp };
    let dying = PacketBuilder::ipv6(CLIENT.octets(), REMOTE_V6.octets(), 1).tcp(4000, 443, 1, 512);
    packets.push(given(tcp, &built!(dying, &vec![0; 30_000])));
    // What is dropped, unknown protocols, garbage.
    packets.push(whole(&built!(PacketBuilder::ipv6(CLIENT.octets(), [0xff; 16], 64).udp(1, 2), &[0; 64])));
    let mut sctp = Vec::new();
    v6().write(&mut sctp, IpNumber(132), &[0; 64]).unwrap();
    packets.push(whole(&sctp));
    packets.push(vec![0; 40]);
    packets.push(vec![0; VNET_HEADER_LEN]);
    packets
}

/// Makes the header checksum of an IPv4 packet without options right.
fn fill_checksum(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let mut sum: u32 =
        packet[..20].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    packet[10..12].copy_from_slice(&u16::try_from(!sum & 0xffff).unwrap().to_be_bytes());
}

/// The client's IPv4 address, which its first packet leases.
fn leased(bench: &mut Bench) -> [u8; 4] {
    bench.kernel.send(&whole(&built!(v6().udp(4000, 53), &[0; 64]))).unwrap();
    bench.worker.batch().unwrap();
    let mut packet = [0; 200];
    bench.kernel.recv(&mut packet).unwrap();
    packet[VNET_HEADER_LEN + 12..VNET_HEADER_LEN + 16].try_into().unwrap()
}

fn check(is_picky: bool) -> Bench {
    let mut bench = Bench::new(is_picky);
    let leased = leased(&mut bench);
    let packets = mix(leased);
    let growing: Vec<_> = (0..3).map(|_| bench.round(&packets)).collect();
    let steady: u64 = (0..100).map(|_| bench.round(&packets)).sum();
    println!("allocations in the first rounds: {growing:?}");
    assert!(growing[0] > 0, "the count sees nothing");
    assert_eq!(steady, 0, "100 rounds of {} packets", packets.len());
    bench
}

#[test]
fn a_batch_allocates_nothing_in_steady_state() {
    let counters = check(false).counters;
    let translated = |direction: Direction| counters.translated[direction as usize].packets.get();
    assert!(translated(Direction::V6ToV4) > 1000 && translated(Direction::V4ToV6) > 1000);
    // The mix is what it says: nothing of it ends early.
    assert_eq!(counters.echo_replies.get(), 103);
    assert_eq!(counters.split.get(), 2 * 103);
    assert_eq!(counters.super_packets.get(), 5 * 103);
    assert!(counters.merged.get() > 103 * 8);
}

#[test]
fn cutting_refused_super_packets_allocates_nothing_either() {
    let counters = check(true).counters;
    assert!(counters.cut.get() > 3 * 103);
}
