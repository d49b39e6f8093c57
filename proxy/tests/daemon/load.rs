//! tcp mode under load, while a member, a client or a listener comes to grief: what that does not concern goes on.

use crate::backend::{Backend, noise};
use crate::client::Client;
use crate::gateway::{Config, Gateway, QUICK, UNCHECKED, free_port, v6, wait_for};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Clients that come and go at once.
const CLIENTS: usize = 6;
/// Exchanges of each of their connections.
const EXCHANGES: usize = 4;
/// Bytes of an exchange: more than one buffer of the proxy holds.
const LENGTH: usize = 100_000;

/// How connections of a crowd ended.
#[derive(Default)]
struct Tally {
    /// All came back as it was sent.
    whole: AtomicUsize,
    /// Closed in an orderly way before the first byte: the proxy had no member.
    turned_away: AtomicUsize,
    /// Broken off, and seen to be.
    broken: AtomicUsize,
    /// Connections of each client that have ended, in whatever way.
    ended: [AtomicUsize; CLIENTS],
}

impl Tally {
    fn broken(&self) -> usize {
        self.broken.load(Ordering::SeqCst)
    }

    fn turned_away(&self) -> usize {
        self.turned_away.load(Ordering::SeqCst)
    }

    /// Returns when connections that began after this moment have ended well, and each client has ended one of them.
    fn goes_on(&self) {
        let ended = || self.ended.each_ref().map(|count| count.load(Ordering::SeqCst));
        let (whole, before) = (self.whole.load(Ordering::SeqCst), ended());
        wait_for("connections that end well", || {
            // The first that ends may have begun before.
            let all_did = ended().iter().zip(before).all(|(count, before)| *count > before + 1);
            (all_did && self.whole.load(Ordering::SeqCst) > whole + 3 * CLIENTS).then_some(())
        });
    }
}

/// Runs `fault` while clients exchange bytes with echoing members behind `address`.
fn under_load(address: SocketAddr, fault: impl FnOnce(&Tally)) -> Tally {
    let (tally, done, bytes) = (Tally::default(), AtomicBool::new(false), noise(LENGTH));
    thread::scope(|scope| {
        for ended in &tally.ended {
            let (tally, done, bytes) = (&tally, &done, &bytes);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let slot = match exchange(address, bytes) {
                        Ok(true) => &tally.whole,
                        Ok(false) => &tally.turned_away,
                        Err(_) => &tally.broken,
                    };
                    slot.fetch_add(1, Ordering::SeqCst);
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // The load ends even if the fault's own checks fail.
        let result = catch_unwind(AssertUnwindSafe(|| {
            tally.goes_on();
            fault(&tally);
            tally.goes_on();
        }));
        done.store(true, Ordering::SeqCst);
        result.unwrap_or_else(|panic| resume_unwind(panic));
    });
    tally
}

/// Whether the proxy had a member; an error if the connection broke off. Other bytes than those sent are a fault.
fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<bool> {
    let client = Client::try_connect(address)?;
    let mut stream = client.stream;
    for round in 0..EXCHANGES {
        let mut writer = stream.try_clone()?;
        let mut answer = vec![0; bytes.len()];
        let (sent, came) = thread::scope(|scope| {
            let sent = scope.spawn(move || writer.write_all(bytes));
            let came = stream.read_exact(&mut answer);
            (sent.join().expect("writing does not panic"), came)
        });
        if let Err(error) = came {
            let is_orderly = error.kind() == io::ErrorKind::UnexpectedEof;
            let nothing_came = answer.iter().all(|byte| *byte == 0);
            return if is_orderly && round == 0 && nothing_came { Ok(false) } else { Err(error) };
        }
        sent?;
        assert!(answer == bytes, "what comes back is what was sent");
    }
    Ok(true)
}

fn raw(port: u16, check: &str, members: &[SocketAddr]) -> Config {
    Config::new("").listener("raw", "tcp", port, "raw", "").pool("raw", check, members)
}

#[test]
fn a_member_that_dies_and_comes_back_breaks_its_own_connections_alone() {
    let (stays, mut dies) = (Backend::echo(), Backend::echo());
    let port = free_port();
    let gateway = Gateway::start(&raw(port, QUICK, &[stays.address, dies.address]));
    let state = |expect: &str| {
        wait_for(&format!("m1 to be {expect}"), || (gateway.state("raw", "m1") == expect).then_some(()));
    };
    under_load(v6(port), |tally| {
        assert_eq!((tally.broken(), tally.turned_away()), (0, 0), "before the fault");
        dies.stop();
        state("down");
        // Those that were there when it died have ended with the first that end well after it.
        tally.goes_on();
        let broken = tally.broken();
        assert!(broken <= 2 * CLIENTS, "{broken} connections broke, which is more than there were");
        tally.goes_on();
        assert_eq!(tally.broken(), broken, "who came after the death is served by the other");
        let before = dies.accepted();
        dies.start();
        state("up");
        wait_for("the member to have its share again", || (dies.accepted() > before + 5).then_some(()));
        assert_eq!(tally.broken(), broken, "a member that comes back breaks nothing");
    });
    // A member may also die in an orderly way, so what clients saw does not tell.
    let none = gateway.metric("failures_total{listener=\"raw\",reason=\"no_member\"}");
    assert_eq!(none, 0, "there always was a member");
}

#[test]
fn without_members_clients_are_turned_away_until_one_is_back() {
    let mut members = [Backend::echo(), Backend::echo()];
    let port = free_port();
    let addresses = members.each_ref().map(|member| member.address);
    let gateway = Gateway::start(&raw(port, QUICK, &addresses));
    under_load(v6(port), |tally| {
        for member in &mut members {
            member.stop();
        }
        for member in ["m0", "m1"] {
            wait_for("all to be down", || (gateway.state("raw", member) == "down").then_some(()));
        }
        let (turned_away, broken) = (tally.turned_away(), tally.broken());
        wait_for("clients to be turned away", || {
            (tally.turned_away() > turned_away + 2 * CLIENTS).then_some(())
        });
        assert!(tally.broken() <= broken + CLIENTS, "who comes now sees an orderly end");
        members[1].start();
    });
    assert!(gateway.metric("failures_total{listener=\"raw\",reason=\"no_member\"}") > 0);
}

#[test]
fn a_member_that_hangs_delays_its_own_clients_alone_and_loses_nothing() {
    let quick = Backend::echo();
    let hangs = Backend::new("hangs", |seen, mut stream| {
        wait_for("the gate", || seen.gate.load(Ordering::SeqCst).then_some(()));
        let mut writer = stream.try_clone()?;
        io::copy(&mut stream, &mut writer).map(drop)
    });
    let port = free_port();
    let _gateway = Gateway::start(&raw(port, UNCHECKED, &[quick.address, hangs.address]));
    let mut clients: Vec<Client> = (0..10).map(|_| Client::connect(v6(port))).collect();
    let bytes = noise(32_000);
    for client in &mut clients {
        client.send(&bytes);
    }
    wait_for("half of them to be at the member that hangs", || (hangs.accepted() == 5).then_some(()));
    wait_for("the others to be answered", || {
        (clients.iter().filter(|client| is_answered(client)).count() == 5).then_some(())
    });
    let (mut served, mut waiting): (Vec<_>, Vec<_>) = clients.into_iter().partition(is_answered);
    for round in 0..50 {
        for client in &mut served {
            assert!(client.bytes(bytes.len()) == bytes, "round {round}");
            client.send(&bytes);
        }
    }
    assert_eq!(waiting.iter().filter(|client| is_answered(client)).count(), 0);
    hangs.seen.gate.store(true, Ordering::SeqCst);
    for client in &mut waiting {
        assert!(client.bytes(bytes.len()) == bytes, "what was sent meanwhile arrives");
    }
}

/// Whether bytes wait to be read at this moment.
fn is_answered(client: &Client) -> bool {
    client.stream.set_nonblocking(true).expect("a socket of ours");
    let peeked = client.stream.peek(&mut [0]);
    client.stream.set_nonblocking(false).expect("a socket of ours");
    peeked.is_ok_and(|count| count > 0)
}

#[test]
fn clients_that_read_nothing_cost_little_memory_and_delay_nobody() {
    const SLOW: usize = 200;
    // One buffer of the relay for each direction, and what else a connection needs.
    const EACH: usize = 160 << 10;
    let echo = Backend::echo();
    let pours = Backend::new("pours", |_, mut stream| {
        let part = noise(1 << 20);
        loop {
            stream.write_all(&part)?;
        }
    });
    let (port, slow) = (free_port(), free_port());
    let config = raw(port, UNCHECKED, &[echo.address]).listener("slow", "tcp", slow, "pours", "").pool(
        "pours",
        UNCHECKED,
        &[pours.address],
    );
    let gateway = Gateway::start(&config);
    under_load(v6(port), |tally| {
        let before = gateway.memory();
        let crowd: Vec<Client> = (0..SLOW).map(|_| Client::connect(v6(slow))).collect();
        let sent = || gateway.metric("bytes_total{listener=\"slow\",direction=\"sent\"}");
        wait_for("every socket to be full", || {
            let so_far = sent();
            tally.goes_on();
            (pours.accepted() == SLOW && sent() == so_far).then_some(())
        });
        let growth = gateway.memory().saturating_sub(before);
        assert!(growth < SLOW * EACH, "{SLOW} slow clients took {growth} bytes");
        for mut client in crowd {
            assert!(client.bytes(1 << 20) == noise(1 << 20), "a slow client loses nothing");
        }
    });
}

#[test]
fn a_reset_in_mid_stream_is_seen_as_one_by_the_other_side_alone() {
    let echo = Backend::echo();
    let breaks = Backend::new("breaks", |_, mut stream| {
        stream.read_exact(&mut [0; 1000])?;
        stream.write_all(&[7; 500])?;
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))
    });
    let learns = Backend::new("learns", |seen, mut stream| {
        let mut all = Vec::new();
        if stream.read_to_end(&mut all).is_err() {
            seen.body_bytes.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    let (port, to_breaks, to_learns) = (free_port(), free_port(), free_port());
    let config = raw(port, UNCHECKED, &[echo.address])
        .listener("breaks", "tcp", to_breaks, "breaks", "")
        .pool("breaks", UNCHECKED, &[breaks.address])
        .listener("learns", "tcp", to_learns, "learns", "")
        .pool("learns", UNCHECKED, &[learns.address]);
    let gateway = Gateway::start(&config);
    let tally = under_load(v6(port), |_| {
        for _ in 0..50 {
            let mut client = Client::connect(v6(to_breaks));
            client.send([1; 1000]);
            let end = client.read_all();
            assert!(end.is_err(), "a part must not be taken for the whole: {end:?}");
            let mut client = Client::connect(v6(to_learns));
            client.send([1; 1000]);
            client.reset();
        }
        wait_for("members to see the resets of clients", || {
            (learns.seen.body_bytes.load(Ordering::SeqCst) == 50).then_some(())
        });
    });
    assert_eq!((tally.broken(), tally.turned_away()), (0, 0));
    gateway.counts("failures_total{listener=\"breaks\",reason=\"member_gone\"}", 50);
    gateway.counts("failures_total{listener=\"learns\",reason=\"client_gone\"}", 50);
}

#[test]
fn listeners_and_members_come_and_go_while_connections_of_others_stand() {
    let echoes = [Backend::echo(), Backend::echo()];
    let (port, extra) = (free_port(), free_port());
    let plain = raw(port, UNCHECKED, &[echoes[0].address]);
    let grown = raw(port, UNCHECKED, &[echoes[0].address, echoes[1].address])
        .listener("extra", "tcp", extra, "raw", "");
    let gateway = Gateway::start(&plain);
    let mut stands = Client::connect(v6(port));
    let tally = under_load(v6(port), |tally| {
        for round in 0..10 {
            gateway.change(&grown);
            let mut outlives = Client::connect(v6(extra));
            outlives.send("ping");
            tally.goes_on();
            gateway.change(&plain);
            wait_for("the listener to be gone", || TcpStream::connect(v6(extra)).is_err().then_some(()));
            for client in [&mut stands, &mut outlives] {
                client.send("ping");
            }
            assert_eq!(outlives.bytes(8), b"pingping", "round {round}: what was accepted goes on");
            assert_eq!(stands.bytes(4), b"ping", "round {round}");
        }
    });
    assert_eq!((tally.broken(), tally.turned_away()), (0, 0));
}
