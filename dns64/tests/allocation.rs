//! A cache hit allocates nothing: not in the resolver, whatever is asked and however, and not on its way from socket
//! to socket through a worker's batches. Under an allocator that counts.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails; where it runs it says what it counted"
)]

use dns64::encryption::Encryption;
use dns64::gate::Gate;
use dns64::hosts::source::Sources;
use dns64::listen::{self, Endpoint, Kind};
use dns64::metrics::{Metrics, Transport};
use dns64::resolver::{Received, Shared};
use dns64::snapshot::Snapshot;
use dns64::worker::Worker;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, AAAA, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use prometheus_client::registry::Registry;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

/// The system's allocator, which counts what is asked of it: by each thread, and by all.
struct Counting;

static ALL: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HERE: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALL.fetch_add(1, Ordering::Relaxed);
    // A thread that is ending has no counter any more, and nobody asks for it.
    let _ = HERE.try_with(|count| count.set(count.get() + 1));
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
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time, since the worker's is held to what all threads allocate.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

const TTL: u32 = 3600;

/// An address of this process's own, its last octet given.
fn own(last: u8) -> IpAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | high >> 2, low, last).into()
}

/// Knows A of every name, AAAA of names that begin with `v6`, PTR of every name, and no name that begins with `no`.
fn answer(query: &[u8]) -> Vec<u8> {
    let query = Message::from_vec(query).unwrap();
    let (name, qtype) = (query.queries[0].name.clone(), query.queries[0].query_type);
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.queries.clone_from(&query.queries);
    let spelt = name.to_lowercase().to_string();
    let data = match qtype {
        _ if spelt.starts_with("no") => None,
        RecordType::A => Some(RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))),
        RecordType::AAAA if spelt.starts_with("v6") => {
            Some(RData::AAAA(AAAA("2001:db8:1::1".parse().unwrap())))
        }
        RecordType::PTR => Some(RData::PTR(PTR(Name::from_ascii("host.example.").unwrap()))),
        _ => None,
    };
    if let Some(data) = data {
        reply.add_answer(Record::from_rdata(name, TTL, data));
    } else {
        let zone = Name::from_ascii("example.").unwrap();
        let soa = RData::SOA(SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86_400, TTL));
        reply.add_authority(Record::from_rdata(zone, TTL, soa));
    }
    reply.set_edns(Edns::new());
    reply.to_vec().unwrap()
}

/// An upstream on a thread of its own, which lives as long as the process.
fn upstream() -> SocketAddr {
    let socket = UdpSocket::bind((own(1), 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(&answer(&buffer[..length]), from).unwrap();
        }
    });
    address
}

fn resolver(more: &str) -> Arc<Shared> {
    let upstream = upstream();
    let text = format!(
        "[prefix]\npref64 = \"2001:db8:64::/96\"\n[dns64]\nlisten = [\"127.0.0.1:53\"]\nupstream = [\"{upstream}\"]\n{more}"
    );
    let model = config::parse(&text, "gateway.toml").unwrap_or_else(|errors| panic!("{errors}")).model;
    let (prefix, dns64) = (model.prefix.unwrap(), model.dns64.unwrap());
    let metrics = Arc::new(Metrics::new(&mut Registry::default()));
    let snapshot = Snapshot::new(&prefix, &dns64, Arc::clone(&metrics), None).unwrap();
    let shared = Arc::new(Shared::new(snapshot, Gate::new([1; 16], [2; 16]), metrics));
    shared.serve_hosts(Arc::new(Sources::new(&dns64.names).load()));
    shared
}

/// A question; `edns` changes its OPT record.
fn question(name: &str, qtype: RecordType, edns: Option<impl FnOnce(&mut Edns)>) -> Vec<u8> {
    let mut message = Message::new(0x4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), qtype));
    if let Some(change) = edns {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        change(&mut edns);
        message.set_edns(edns);
    }
    message.to_vec().unwrap()
}

const NONE: Option<fn(&mut Edns)> = None;

/// Every kind of reply that the cache holds, asked for in every way.
fn mix() -> Vec<Vec<u8>> {
    let reverse = "1.0.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
    let plain = |_: &mut Edns| {};
    let option = |number: u16, body: &'static [u8]| {
        move |edns: &mut Edns| edns.options_mut().insert(EdnsOption::Unknown(number, body.to_vec()))
    };
    let signed = |edns: &mut Edns| {
        edns.set_dnssec_ok(true);
    };
    vec![
        question("v4.example.", RecordType::AAAA, NONE),
        question("v4.example.", RecordType::AAAA, Some(plain)),
        question("V4.Example.", RecordType::AAAA, Some(plain)),
        question("v4.example.", RecordType::AAAA, Some(signed)),
        question("v4.example.", RecordType::AAAA, Some(option(10, b"\x01\x02\x03\x04\x05\x06\x07\x08"))),
        question("v4.example.", RecordType::AAAA, Some(option(3, b""))),
        question("v4.example.", RecordType::AAAA, Some(option(12, b"\x00\x00"))),
        question("v4.example.", RecordType::A, Some(plain)),
        question("v6.example.", RecordType::AAAA, Some(plain)),
        question("v6.example.", RecordType::TXT, Some(plain)),
        question("no.example.", RecordType::AAAA, Some(plain)),
        question(reverse, RecordType::PTR, Some(plain)),
        question("v4.example.", RecordType::HTTPS, Some(plain)),
    ]
}

/// How often the questions were answered from the cache and otherwise, and how often that allocated.
fn round(shared: &Arc<Shared>, questions: &[Vec<u8>], runtime: &Runtime, out: &mut Vec<u8>) -> (u64, u64) {
    let client = "[2001:db8:6::1]:4096".parse().unwrap();
    let (mut jobs, mut allocations) = (0, 0);
    for question in questions {
        for via in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            let before = HERE.get();
            let received = shared.receive(question, client, via, out);
            allocations += HERE.get() - before;
            match received {
                Received::Nothing => panic!("no reply"),
                Received::Reply => {}
                Received::Job(job) => {
                    jobs += 1;
                    runtime.block_on(job.run(out));
                }
            }
            assert!(out.len() > 12 && out[..2] == question[..2]);
        }
    }
    (jobs, allocations)
}

fn check(more: &str) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shared = resolver(more);
    let questions = mix();
    let mut out = Vec::with_capacity(512);
    let (jobs, cold) = round(&shared, &questions, &runtime, &mut out);
    println!("{jobs} of {} questions were jobs, whose making allocated {cold} times", 3 * questions.len());
    assert!(jobs > 0 && cold > 0, "the count sees nothing");
    let mut warm = (0, 0);
    for _ in 0..200 {
        let (jobs, allocations) = round(&shared, &questions, &runtime, &mut out);
        warm = (warm.0 + jobs, warm.1 + allocations);
    }
    assert_eq!(warm, (0, 0), "jobs and allocations in 200 rounds of {} questions", questions.len());
}

#[test]
fn a_hit_allocates_nothing_whatever_is_asked() {
    check("");
}

#[test]
fn a_hit_allocates_nothing_where_responses_are_limited_and_clients_told_apart() {
    check(
        "response_rate = 10000\nnsid = \"one\"\nstrip_ipv4hint = true\nallow_from = [\"2001:db8::/32\"]\n\
         [[dns64.client]]\nfrom = [\"192.0.2.0/24\"]\nsynthesize = false\n\
         [[dns64.client]]\nfrom = [\"::/0\"]\nprefixes = [\"2001:db8:64::/96\", \"2001:db8:b::/64\"]\n\
         [[dns64.host]]\nname = \"vm1.lan\"\naddresses = [\"192.168.7.10\"]\n",
    );
}

#[test]
fn a_worker_allocates_nothing_from_socket_to_socket() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let shared = resolver("");
    let address = SocketAddr::new(own(2), 5353);
    let (failures, _) = tokio::sync::mpsc::unbounded_channel();
    let encryption = Arc::new(Encryption::new(Vec::new()).unwrap());
    let worker = Worker::start(0, shared, encryption, failures).unwrap();
    for sockets in
        listen::bind_all(&[Endpoint { kind: Kind::Plain, address }], &[], 1).unwrap().into_iter().flatten()
    {
        worker.serve(sockets).blocking_recv().unwrap();
    }
    let client = UdpSocket::bind((own(3), 0)).unwrap();
    client.connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let questions = mix();
    let mut buffer = [0; 4096];
    let mut exchange = |questions: &[Vec<u8>]| {
        for question in questions {
            client.send(question).unwrap();
        }
        for _ in questions {
            client.recv(&mut buffer).expect("a reply to each");
        }
    };
    // One by one until the cache and all buffers are warm, and then in batches.
    for _ in 0..50 {
        questions.chunks(1).for_each(&mut exchange);
        exchange(&questions);
    }
    let before = ALL.load(Ordering::Relaxed);
    assert!(before > 0, "the count sees nothing");
    for _ in 0..200 {
        questions.chunks(1).for_each(&mut exchange);
        exchange(&questions);
    }
    assert_eq!(ALL.load(Ordering::Relaxed) - before, 0, "400 rounds of {} questions", questions.len());
}
