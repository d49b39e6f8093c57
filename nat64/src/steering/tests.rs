//! The program, run by the kernel on packets.

use super::*;
use etherparse::PacketBuilder;

/// `BPF_PROG_TEST_RUN` of `linux/bpf.h`.
const PROG_TEST_RUN: libc::c_int = 10;

/// The part of `union bpf_attr` that it reads.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}

/// What the program says of a packet; `None` where programs cannot be loaded.
fn hash(packet: &[u8]) -> Option<u32> {
    let program = match load_program(PREFIX) {
        Ok(program) => program,
        Err(Errno::EPERM) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "a skip is a failure in CI");
            println!("SKIPPED: loading a program takes CAP_BPF");
            return None;
        }
        Err(errno) => panic!("{errno}"),
    };
    // The kernel takes an Ethernet header off before it runs such a program.
    let protocol: [u8; 2] = if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    let data = [&[0; 12], &protocol[..], packet].concat();
    let mut run = TestRun {
        prog_fd: program.as_raw_fd().try_into().unwrap(),
        data_size_in: data.len().try_into().unwrap(),
        data_in: data.as_ptr() as u64,
        repeat: 1,
        ..TestRun::default()
    };
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: the kernel reads and writes the attribute and reads the packet during the call; both outlive it.
    let result = unsafe { libc::syscall(libc::SYS_bpf, PROG_TEST_RUN, &raw mut run, size_of::<TestRun>()) };
    Errno::result(result).unwrap();
    Some(run.retval)
}

const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x64, 0, 0, 0, 0, 0);
const A4: [u8; 4] = [192, 0, 2, 1];
const B4: [u8; 4] = [203, 0, 113, 9];
const A6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const B6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0x64, 0, 0, 0, 0, 0, 0, 203, 0, 113, 9];

fn tcp(is_v6: bool, ports: [u16; 2], is_back: bool) -> Vec<u8> {
    let [mut near4, mut far4, mut near, mut far] = [A4, B4, [0; 4], [0; 4]];
    let (mut near6, mut far6) = (A6, B6);
    let mut ports = ports;
    if is_back {
        std::mem::swap(&mut near4, &mut far4);
        std::mem::swap(&mut near6, &mut far6);
        ports.reverse();
    }
    std::mem::swap(&mut near, &mut far);
    let builder =
        if is_v6 { PacketBuilder::ipv6(near6, far6, 64) } else { PacketBuilder::ipv4(near4, far4, 64) };
    let mut packet = Vec::new();
    builder.tcp(ports[0], ports[1], 1, 1024).write(&mut packet, b"data").unwrap();
    packet
}

fn udp4(from: [u8; 4], to: [u8; 4], port: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4(from, to, 64).udp(port, 53).write(&mut packet, &[0; 50]).unwrap();
    packet
}

#[test]
fn a_connection_has_one_queue_in_both_families_and_directions() {
    let Some(first) = hash(&tcp(true, [40_000, 443], false)) else { return };
    for (is_v6, is_back) in [(true, true), (false, false), (false, true)] {
        assert_eq!(hash(&tcp(is_v6, [40_000, 443], is_back)), Some(first), "{is_v6} {is_back}");
    }
    // Options in front of the ports.
    let plain = tcp(false, [40_000, 443], false);
    let mut optional = [&plain[..20], &[1; 4], &plain[20..]].concat();
    optional[0] = 0x46;
    assert_eq!(hash(&optional), Some(first));
}

#[test]
fn connections_spread_over_queues() {
    let Some(_) = hash(&tcp(true, [1, 2], false)) else { return };
    for queues in [2, 4, 8] {
        let mut seen = vec![0; usize::try_from(queues).unwrap()];
        for port in 0..256 {
            let queue = hash(&tcp(true, [40_000 + 2 * port, 443], false)).unwrap() % queues;
            seen[usize::try_from(queue).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| count * queues > 128), "{seen:?}");
    }
}

#[test]
fn a_host_s_datagrams_and_fragments_have_one_queue_in_both_families() {
    let whole = udp4(B4, A4, 4000);
    let Some(first) = hash(&whole) else { return };
    let mut fragment = whole;
    fragment[6] = 0x20;
    let mut later = udp4(B4, A4, 9);
    later[7] = 100;
    let mut segment = tcp(false, [1, 2], true);
    segment[6] = 0x20;
    let mut out = Vec::new();
    PacketBuilder::ipv6(A6, B6, 64).udp(4000, 53).write(&mut out, &[0; 50]).unwrap();
    for packet in [fragment, later, segment, out] {
        assert_eq!(hash(&packet), Some(first));
    }
}

#[test]
fn hosts_spread_over_queues() {
    let Some(_) = hash(&udp4(B4, A4, 4000)) else { return };
    for queues in [2, 4, 8] {
        let mut seen = vec![0; usize::try_from(queues).unwrap()];
        for host in 0..=255 {
            let queue = hash(&udp4([203, 0, 113, host], A4, 4000)).unwrap() % queues;
            seen[usize::try_from(queue).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| count * queues > 128), "{seen:?}");
    }
}

#[test]
fn what_is_cut_short_goes_to_the_first_queue() {
    let packet = tcp(true, [40_000, 443], false);
    let Some(none) = hash(&packet[..42]) else { return };
    assert_eq!(none, 0);
    assert_eq!(hash(&[&[0x90], &packet[1..]].concat()), Some(0));
}
