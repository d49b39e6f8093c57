//! Which queue, and so which worker, a packet comes to: a small BPF program in the device.
//!
//! Without one the kernel learns from writes which queue a flow belongs to, and forgets after three seconds in which
//! nothing was written the other way. A flow then changes queues in the middle, and what still waits in the old one is
//! overtaken; with traffic in both directions it can change over and over. The program instead says the same queue
//! for the same flow at all times:
//!
//! ```text
//!   whole TCP packet     the sum of both ports
//!   everything else      the IPv4 end's address: fragments, which have no ports, stay with the rest of their flow
//! ```
//!
//! Both are the same in both families and directions, so that a flow has one worker. That is needed for speed and not
//! for order, and holds only under the prefix whose address the program was given, and for a /96: elsewhere the
//! address is found at other places, and each direction may have a queue of its own.
//!
//! Loading a program takes `CAP_BPF`. Who has it not has one queue, which cannot reorder anything.

use nix::errno::Errno;
use nix::libc;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// `BPF_PROG_LOAD` and `BPF_PROG_TYPE_SOCKET_FILTER` of `linux/bpf.h`.
const PROG_LOAD: libc::c_int = 5;
const SOCKET_FILTER: u32 = 1;

/// The kernel asks for a licence, and reads it only for helpers that this program does not call.
const LICENSE: &std::ffi::CStr = c"MIT";

/// Operation codes of `linux/bpf_common.h` and `linux/bpf.h`: a class, an operation, a source.
mod op {
    /// `r0 = packet[imm..]` of one, two and four bytes, in the order of the machine.
    pub(super) const LOAD_BYTE: u8 = 0x30;
    pub(super) const LOAD_WORD: u8 = 0x28;
    pub(super) const LOAD_LONG: u8 = 0x20;
    /// `r0 = packet[src + imm..]` of two bytes.
    pub(super) const LOAD_WORD_AT: u8 = 0x48;
    /// `dst = src`, `dst += src`, in 64 bits.
    pub(super) const COPY: u8 = 0xbf;
    pub(super) const ADD: u8 = 0x0f;
    /// `dst += imm`, in 64 bits; the low 32 are what counts.
    pub(super) const ADD_NUMBER: u8 = 0x07;
    /// `dst = imm`, `dst &= imm`, `dst <<= imm`, `dst >>= imm`, in 64 bits.
    pub(super) const SET: u8 = 0xb7;
    pub(super) const AND: u8 = 0x57;
    pub(super) const SHIFT_LEFT: u8 = 0x67;
    pub(super) const SHIFT_RIGHT: u8 = 0x77;
    /// `dst *= imm`, `dst >>= imm`, in 32 bits.
    pub(super) const MULTIPLY_32: u8 = 0x24;
    pub(super) const SHIFT_RIGHT_32: u8 = 0x74;
    /// Goes on `off` instructions later if `dst == imm`, if `dst != imm`, always.
    pub(super) const IF_EQUAL: u8 = 0x15;
    pub(super) const IF_NOT_EQUAL: u8 = 0x55;
    pub(super) const GO: u8 = 0x05;
    /// Returns `r0`.
    pub(super) const EXIT: u8 = 0x95;
}

/// Registers: the result, the first argument, what loads from the packet need, and two that loads keep.
const R0: u8 = 0;
const R1: u8 = 1;
const CONTEXT: u8 = 6;
const SUM: u8 = 7;
const TRANSPORT: u8 = 8;

/// The golden ratio in 32 bits (Knuth's multiplicative hash): neighbouring sums come far apart.
const GOLDEN: i32 = 0x9e37_79b1_u32.cast_signed();

/// `struct bpf_insn`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Instruction {
    code: u8,
    /// Destination in the low four bits, source in the high ones.
    registers: u8,
    off: i16,
    imm: i32,
}

const fn on(code: u8, dst: u8, imm: i32) -> Instruction {
    Instruction { code, registers: dst, off: 0, imm }
}

const fn with(code: u8, dst: u8, src: u8) -> Instruction {
    Instruction { code, registers: registers(dst, src), off: 0, imm: 0 }
}

/// A load, which ends the program with zero where the packet is too short.
const fn load(code: u8, imm: i32) -> Instruction {
    on(code, R0, imm)
}

const fn load_at(imm: i32) -> Instruction {
    Instruction { code: op::LOAD_WORD_AT, registers: registers(R0, TRANSPORT), off: 0, imm }
}

const fn jump(code: u8, imm: i32, off: i16) -> Instruction {
    Instruction { code, registers: R0, off, imm }
}

#[cfg(target_endian = "little")]
const fn registers(dst: u8, src: u8) -> u8 {
    dst | src << 4
}

#[cfg(target_endian = "big")]
const fn registers(dst: u8, src: u8) -> u8 {
    dst << 4 | src
}

/// The program, which sees the packet from its IP header on. Jumps count from the instruction behind them. `prefix` is
/// the sum of the prefix's 32-bit words.
const fn program(prefix: u32) -> [Instruction; 39] {
    [
        with(op::COPY, CONTEXT, R1),
        load(op::LOAD_BYTE, 0),
        on(op::SHIFT_RIGHT, R0, 4),
        jump(op::IF_EQUAL, 6, 3),
        jump(op::IF_EQUAL, 4, 15),
        on(op::SET, R0, 0),
        on(op::EXIT, 0, 0),
        // 7: IPv6, which the IPv4 end is the destination of, from 24 to 40; next header at 6.
        load(op::LOAD_LONG, 24),
        with(op::COPY, SUM, R0),
        load(op::LOAD_LONG, 28),
        with(op::ADD, SUM, R0),
        load(op::LOAD_LONG, 32),
        with(op::ADD, SUM, R0),
        load(op::LOAD_LONG, 36),
        with(op::ADD, SUM, R0),
        on(op::ADD_NUMBER, SUM, prefix.wrapping_neg().cast_signed()),
        load(op::LOAD_BYTE, 6),
        jump(op::IF_NOT_EQUAL, libc::IPPROTO_TCP, 17),
        on(op::SET, TRANSPORT, 40),
        jump(op::GO, 0, 11),
        // 20: IPv4, which the IPv4 end is the source of, at 12; protocol at 9, fragment at 6, header length at 0.
        load(op::LOAD_LONG, 12),
        with(op::COPY, SUM, R0),
        load(op::LOAD_BYTE, 9),
        jump(op::IF_NOT_EQUAL, libc::IPPROTO_TCP, 11),
        load(op::LOAD_WORD, 6),
        on(op::AND, R0, 0x3fff),
        jump(op::IF_NOT_EQUAL, 0, 8),
        load(op::LOAD_BYTE, 0),
        on(op::AND, R0, 0xf),
        on(op::SHIFT_LEFT, R0, 2),
        with(op::COPY, TRANSPORT, R0),
        // 31: TCP, with both ports in front.
        load_at(0),
        with(op::COPY, SUM, R0),
        load_at(2),
        with(op::ADD, SUM, R0),
        // 35: the sum is made.
        with(op::COPY, R0, SUM),
        on(op::MULTIPLY_32, R0, GOLDEN),
        on(op::SHIFT_RIGHT_32, R0, 16),
        on(op::EXIT, 0, 0),
    ]
}

/// `union bpf_attr` as loading a program reads it; the rest of it counts as zeros.
#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
}

nix::ioctl_write_ptr_bad!(
    /// Sets the program that chooses queues; a descriptor of -1 takes it away.
    tun_set_steering,
    libc::TUNSETSTEERINGEBPF,
    libc::c_int
);

/// Makes the device of `queue` choose queues by flow; IPv6 hosts know the IPv4 end by `prefix` with its address at the
/// end. The program stays with the device.
///
/// # Errors
/// The process lacks `CAP_BPF`, or the kernel has no such programs (before Linux 4.16).
pub(crate) fn attach(queue: &OwnedFd, prefix: Ipv6Addr) -> Result<(), Errno> {
    let program = load_program(prefix)?;
    let program = program.as_raw_fd();
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: both descriptors are open, and the kernel reads one int during the call.
    let result = unsafe { tun_set_steering(queue.as_raw_fd(), &raw const program) };
    result.map(drop)
}

fn load_program(prefix: Ipv6Addr) -> Result<OwnedFd, Errno> {
    let octets = prefix.octets();
    let (words, _) = octets.as_chunks();
    let program = program(words.iter().map(|word| u32::from_be_bytes(*word)).fold(0, u32::wrapping_add));
    let load = Load {
        prog_type: SOCKET_FILTER,
        insn_cnt: u32::try_from(program.len()).expect("a short program"),
        insns: program.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
    };
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: the kernel reads the attribute, the program and the licence during the call; all outlive it.
    let result = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const load, size_of::<Load>()) };
    let program = Errno::result(result)?;
    let program = libc::c_int::try_from(program).expect("a descriptor is an int");
    #[expect(unsafe_code, reason = "the descriptor is new")]
    // SAFETY: the call has just made it, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(program) })
}

#[cfg(test)]
mod tests;
