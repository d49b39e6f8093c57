//! A kernel that refuses super-packets, as some do.

use super::*;
use etherparse::PacketBuilder;
use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::AtomicUsize;
use translator::{VNET_HEADER_LEN, VnetHeader};

/// A queue that takes nothing but single packets.
struct Picky {
    taken: RefCell<Vec<Vec<u8>>>,
    refused: RefCell<usize>,
    /// Only so that there is a descriptor.
    socket: UnixDatagram,
}

impl AsFd for Picky {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Queue for Picky {
    fn receive(&self, _: &mut [u8]) -> Result<usize, Errno> {
        Err(Errno::EAGAIN)
    }

    fn send(&self, packet: &[u8]) -> Result<(), Errno> {
        let (vnet, packet) = packet.split_first_chunk::<VNET_HEADER_LEN>().unwrap();
        if VnetHeader::parse(vnet).gso() == GsoType::None {
            self.taken.borrow_mut().push(packet.to_vec());
            return Ok(());
        }
        *self.refused.borrow_mut() += 1;
        Err(Errno::EINVAL)
    }
}

struct Bench {
    egress: Egress<Picky>,
    state: WorkerState,
    counters: Arc<Counters>,
    /// How often somebody was told.
    told: Arc<AtomicUsize>,
}

impl Bench {
    fn new() -> Self {
        let told = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&told);
        let merging = Merging::new(Merge { tcp: true, udp: true }, move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let counters = Arc::<Counters>::default();
        let queue = Picky {
            taken: RefCell::default(),
            refused: RefCell::new(0),
            socket: UnixDatagram::unbound().unwrap(),
        };
        Self {
            egress: Egress::new(queue, Arc::new(merging), Arc::clone(&counters)),
            state: WorkerState::new(0, 1),
            counters,
            told,
        }
    }

    /// One batch.
    fn forward(&mut self, packets: &[Frame]) {
        self.egress.begin();
        for packet in packets {
            self.egress.forward(&mut packet.clone(), &mut self.state);
        }
        self.egress.flush(&mut self.state);
    }

    fn taken(&self) -> Vec<Vec<u8>> {
        self.egress.queue().taken.borrow().clone()
    }

    fn refused(&self) -> usize {
        *self.egress.queue().refused.borrow()
    }
}

fn datagram(number: u8, len: usize) -> Frame {
    let mut packet = Vec::new();
    PacketBuilder::ipv6([1; 16], [2; 16], 64).udp(4000, 53).write(&mut packet, &vec![number; len]).unwrap();
    let mut frame = Frame::with_capacity(packet.len());
    frame.set_packet(&packet);
    frame
}

#[test]
fn a_refused_merger_is_cut_counted_told_once_and_not_tried_again() {
    let mut bench = Bench::new();
    let packets: Vec<_> = (0..5).map(|number| datagram(number, 100)).collect();
    let expect: Vec<_> = packets.iter().map(|frame| frame.packet().to_vec()).collect();
    bench.forward(&packets);
    assert_eq!((bench.taken(), bench.refused()), (expect, 1));
    bench.forward(&packets);
    assert_eq!((bench.taken().len(), bench.refused()), (10, 1), "nothing is merged any more");
    assert_eq!((bench.counters.cut.get(), bench.counters.merged.get()), (1, 0));
    assert_eq!(bench.counters.write_errors[WriteError::Refused as usize].get(), 0, "nothing is lost");
    assert_eq!(bench.told.load(Ordering::Relaxed), 1);
}

#[test]
fn a_refused_super_packet_of_the_kernel_is_cut_and_merging_goes_on() {
    let mut bench = Bench::new();
    let mut whole = datagram(7, 300);
    // NEEDS_CSUM, UDP_L4, 100 bytes each.
    whole.vnet =
        VnetHeader { flags: 1, gso_type: 5, gso_size: 100, csum_start: 40, csum_offset: 6, hdr_len: 48 };
    bench.forward(&[whole.clone(), whole]);
    assert_eq!((bench.taken().len(), bench.refused()), (6, 2));
    assert!(bench.taken().iter().all(|packet| packet.len() == 148 && packet.ends_with(&[7; 100])));
    assert_eq!((bench.counters.cut.get(), bench.told.load(Ordering::Relaxed)), (2, 1));
    bench.forward(&[datagram(0, 50), datagram(1, 50)]);
    assert_eq!(bench.refused(), 3, "a merged packet is tried");
}

#[test]
fn what_cannot_be_cut_is_lost_and_counted() {
    let mut bench = Bench::new();
    let mut broken = datagram(7, 300);
    broken.vnet =
        VnetHeader { flags: 1, gso_type: 5, gso_size: 0, csum_start: 40, csum_offset: 6, hdr_len: 48 };
    bench.forward(&[broken]);
    assert!(bench.taken().is_empty());
    assert_eq!(bench.counters.write_errors[WriteError::Refused as usize].get(), 1);
    assert_eq!(bench.counters.cut.get(), 0);
}
