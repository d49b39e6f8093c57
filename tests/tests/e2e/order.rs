//! No datagram of a flow overtakes another one, however many workers there are.
//!
//! Flows are sent as fast as a thread can, so that queues are full and a change of queue would show. Left to itself
//! the kernel changes queues when nothing has gone the other way for three seconds, so each flow goes one way for
//! longer than that before it goes both ways. Every so often a datagram is too large for the link and travels in
//! fragments, which have no ports to tell their flow by. Where fragments are lost, the kernel may join the pieces of two
//! datagrams that happen to have one identification (RFC 4963 §3), and take the tail of a later one for that of an
//! earlier one. A datagram has its number at both ends, so that such a mixture has a wrong checksum and is dropped. And
//! what a thread sends waits in a backlog of its processor, one for each, so senders and workers stay where they are.

use crate::stage::{Stage, in_prepared_lab};
use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tests::gateway::Role;
use tests::lab::Lab;
use tests::peers::cores;
use tests::peers::datagram::wait_until_open;
use tests::peers::ends::Ends;
use tests::topology::{ALPHA, through_nat64};
use tests::wait::PATIENCE;

type Test = fn(&mut Lab) -> Result<()>;

const TESTS: &[(&str, Test)] = &[
    ("no_datagram_overtakes_another_with_1_worker", |lab| no_datagram_overtakes_another(lab, 1)),
    ("no_datagram_overtakes_another_with_2_workers", |lab| no_datagram_overtakes_another(lab, 2)),
    ("no_datagram_overtakes_another_with_4_workers", |lab| no_datagram_overtakes_another(lab, 4)),
    ("no_datagram_overtakes_another_with_8_workers", |lab| no_datagram_overtakes_another(lab, 8)),
];

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    TESTS.iter().map(|&(name, test)| in_prepared_lab(stage, "order", name, test)).collect()
}

/// Longer than the kernel remembers where a flow belongs (`TUN_FLOW_EXPIRE`).
const ONE_WAY: Duration = Duration::from_millis(3500);

/// Datagrams that must arrive of each flow in each direction and phase.
const ENOUGH: u64 = 2000;

/// Every so many datagrams are large.
const LARGE_EVERY: u64 = 50;
const SMALL: usize = 64;
const LARGE: usize = 3000;

/// One direction of a flow.
struct Lane<'a> {
    from: &'a UdpSocket,
    to: &'a UdpSocket,
    /// Whether it is to send.
    is_open: AtomicBool,
    arrived: AtomicU64,
    /// How many came behind a later one.
    late: AtomicU64,
}

impl<'a> Lane<'a> {
    const fn new(from: &'a UdpSocket, to: &'a UdpSocket) -> Self {
        let (arrived, late) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { from, to, is_open: AtomicBool::new(false), arrived, late }
    }

    fn send(&self, over: &AtomicBool) {
        let mut datagram = [0; LARGE];
        for number in 1_u64.. {
            while !self.is_open.load(Ordering::Acquire) {
                if over.load(Ordering::Acquire) {
                    return;
                }
                thread::yield_now();
            }
            let len = if number % LARGE_EVERY == 0 { LARGE } else { SMALL };
            datagram[..size_of::<u64>()].copy_from_slice(&number.to_be_bytes());
            datagram[len - size_of::<u64>()..len].copy_from_slice(&number.to_be_bytes());
            // What the first queue has no room for is lost there.
            let _ = self.from.send(&datagram[..len]);
        }
    }

    fn receive(&self, over: &AtomicBool) {
        let (mut datagram, mut highest) = ([0; LARGE], 0);
        while !over.load(Ordering::Acquire) {
            if self.to.recv(&mut datagram).is_err() {
                continue;
            }
            let number = datagram.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            self.late.fetch_add(u64::from(number < highest), Ordering::Relaxed);
            highest = highest.max(number);
            self.arrived.fetch_add(1, Ordering::Release);
        }
    }
}

fn no_datagram_overtakes_another(lab: &mut Lab, workers: u8) -> Result<()> {
    let text = lab.files.configuration().replacen("[nat64]\n", &format!("[nat64]\nworkers = {workers}\n"), 1);
    lab.files.write_config(&text)?;
    let nat64 = lab.start_daemon(Role::Nat64)?.program.pid();
    cores::spread(nat64)?;
    let ends = Ends {
        client: &lab.network.client,
        server: &lab.network.alpha,
        address: through_nat64(ALPHA).into(),
    };
    wait_until_open(ends)?;
    let [upload, download] = [connected(ends)?, connected(ends)?];
    let lanes = [
        Lane::new(&upload[0], &upload[1]),
        Lane::new(&download[1], &download[0]),
        Lane::new(&upload[1], &upload[0]),
        Lane::new(&download[0], &download[1]),
    ];
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over = &over;
        let senders = lanes.iter().enumerate().map(|(number, lane)| {
            scope.spawn(|| lane.receive(over));
            scope.spawn(move || cores::stay(number).map(|()| lane.send(over)))
        });
        let senders: Vec<_> = senders.collect();
        let outcome = run(&lanes[..2], ONE_WAY)
            .and_then(|()| run(&lanes, Duration::ZERO))
            .and_then(|()| run(&lanes[2..], ONE_WAY));
        over.store(true, Ordering::Release);
        let sent = senders.into_iter().try_for_each(|sender| sender.join().expect("a sender does not panic"));
        sent.and(outcome)
    })?;
    for (number, lane) in lanes.iter().enumerate() {
        let late = lane.late.load(Ordering::Relaxed);
        ensure!(late == 0, "{late} datagrams of lane {number} were overtaken with {workers} workers");
    }
    Ok(())
}

/// Both ends of a flow, which has had a datagram in each direction.
fn connected(ends: Ends<'_>) -> Result<[UdpSocket; 2]> {
    let [near, far] = ends.sockets()?;
    for end in [&near, &far] {
        end.set_read_timeout(Some(Duration::from_millis(100)))?;
        // A sandbox without root's rights keeps the machine's limit, and loses more.
        let _ = setsockopt(end, sockopt::RcvBufForce, &(4 << 20));
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        near.send(&[0; SMALL])?;
        if let Ok((_, peer)) = far.recv_from(&mut [0; SMALL]) {
            far.connect(peer)?;
            return Ok([near, far]);
        }
    }
    Err(anyhow::anyhow!("no datagram comes through")).context("opening a flow")
}

/// Lets these lanes send for so long, and until enough has arrived in each.
fn run(lanes: &[Lane<'_>], least: Duration) -> Result<()> {
    let arrived = || lanes.iter().map(|lane| lane.arrived.load(Ordering::Acquire)).collect::<Vec<_>>();
    let before = arrived();
    for lane in lanes {
        lane.is_open.store(true, Ordering::Release);
    }
    let start = Instant::now();
    let is_enough = || before.iter().zip(arrived()).all(|(before, now)| now - before >= ENOUGH);
    while start.elapsed() < least || !is_enough() {
        ensure!(start.elapsed() < least + PATIENCE, "{before:?} became {:?}", arrived());
        thread::sleep(Duration::from_millis(20));
    }
    for lane in lanes {
        lane.is_open.store(false, Ordering::Release);
    }
    Ok(())
}
