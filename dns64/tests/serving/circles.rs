//! Upstreams that forward to the resolver that asks them.

use crate::daemon::{Daemon, ask_udp, file, listener};
use crate::scripted::{Scripted, only_a, own_address};
use crate::world::{LONG, PREF64};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A resolver that asks `target` all that it is asked, in messages of its own, and says so of nothing once it stops.
struct Forwarder {
    address: SocketAddr,
    goes_on: Arc<AtomicBool>,
    _task: JoinSet<()>,
}

impl Forwarder {
    async fn start(target: SocketAddr) -> Self {
        let address = SocketAddr::new(own_address(), 5356);
        let socket = Arc::new(UdpSocket::bind(address).await.unwrap());
        let goes_on = Arc::new(AtomicBool::new(true));
        let mut task = JoinSet::new();
        let relays = Arc::clone(&goes_on);
        task.spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
                let query = Message::from_vec(&buffer[..length]).unwrap();
                let (socket, relays) = (Arc::clone(&socket), relays.load(Ordering::Relaxed));
                tokio::spawn(async move {
                    let reply = if relays {
                        relayed(&query, target).await
                    } else {
                        crate::scripted::reply(&query, ResponseCode::NXDomain)
                    };
                    // Who asked may be gone.
                    let _ = socket.send_to(&reply.to_vec().unwrap(), client).await;
                });
            }
        });
        Self { address, goes_on, _task: task }
    }
}

async fn relayed(query: &Message, target: SocketAddr) -> Message {
    let mut own = query.clone();
    own.metadata.id ^= 0x5555;
    let name = own.queries[0].name.to_lowercase();
    own.queries[0].name = name;
    let socket = UdpSocket::bind(SocketAddr::new(target.ip(), 0)).await.unwrap();
    socket.send_to(&own.to_vec().unwrap(), target).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(LONG, socket.recv(&mut buffer)).await.expect("a reply").unwrap();
    let mut reply = Message::from_vec(&buffer[..length]).unwrap();
    reply.metadata.id = query.metadata.id;
    reply.queries.clone_from(&query.queries);
    reply
}

/// Asks until the daemon says of an upstream whether it leads back.
async fn until(daemon: &Daemon, server: SocketAddr, leads_back: bool) {
    let told = format!("\"leads_back\":{leads_back}");
    let wait = async {
        while !daemon.admin("GET", "/upstreams").await.contains(&told) {
            ask_udp(server, "www.example.", RecordType::A).await;
        }
    };
    timeout(LONG, wait).await.unwrap_or_else(|_| panic!("{told} is never said"));
}

#[tokio::test]
async fn an_upstream_that_leads_back_is_found_out_left_aside_and_taken_back() {
    let address = listener();
    let forwarder = Forwarder::start(address).await;
    let daemon = Daemon::start(&file(PREF64, &[address], &[forwarder.address], "")).await;
    until(&daemon, address, true).await;
    let reply = ask_udp(address, "other.example.", RecordType::A).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    let edns = reply.edns.expect("an OPT record");
    let said = match edns.option(EdnsCode::Unknown(15)) {
        Some(EdnsOption::Unknown(15, error)) => String::from_utf8_lossy(&error[2..]).into_owned(),
        other => panic!("{other:?}"),
    };
    assert!(said.contains("leads back"), "{said}");
    assert_ne!(daemon.metric("causeway_dns64_loops_total").await, "0");
    assert!(daemon.log().contains("asks this resolver in turn"), "{}", daemon.log());
    forwarder.goes_on.store(false, Ordering::Relaxed);
    until(&daemon, address, false).await;
    let reply = ask_udp(address, "new.example.", RecordType::A).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn the_other_upstreams_answer_where_one_leads_back() {
    let (address, upstream) = (listener(), Scripted::start(only_a).await);
    let forwarder = Forwarder::start(address).await;
    let daemon = Daemon::start(&file(PREF64, &[address], &[forwarder.address, upstream.address], "")).await;
    until(&daemon, address, true).await;
    assert_eq!(ask_udp(address, "www.example.", RecordType::A).await.answers.len(), 1);
}
