//! A hundred thousand guests in one hosts file, which changes while they are asked for.

use crate::daemon::{Daemon, ask_udp, file, listener};
use crate::scripted::{Scripted, only_a};
use crate::site::ask;
use crate::world::{LONG, PREF64, synthesized, v6};
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use std::fmt::Write;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::JoinSet;
use tokio::time::timeout;

const GUESTS: u32 = 100_000;

/// The first octet of the guests' addresses, one for each content of the file.
const OLD: u8 = 10;
const NEW: u8 = 11;

/// The file: guest `n` has the address that ends with its number.
fn guests(first: u8) -> String {
    (0..GUESTS).fold(String::new(), |mut text, number| {
        let [_, high, middle, low] = number.to_be_bytes();
        writeln!(text, "{first}.{high}.{middle}.{low} n{number}.guests").unwrap();
        text
    })
}

fn address_of(first: u8, number: u32) -> Vec<Ipv6Addr> {
    let prefix = u128::from(0x2001_0db8_0064_u64) << 80;
    vec![Ipv6Addr::from_bits(prefix | u128::from(first) << 24 | u128::from(number))]
}

async fn serving() -> (Daemon, SocketAddr, Scripted) {
    let (address, upstream) = (listener(), Scripted::start(only_a).await);
    let keys = "workers = 2\nhosts_files = [\"FOLDER/guests\"]\nlocal_domains = [\"guests\"]";
    let text = file(PREF64, &[address], &[upstream.address], keys);
    let daemon = Daemon::start_beside(&text, &[("guests", &guests(OLD))]).await;
    (daemon, address, upstream)
}

/// Waits until the last guest has its new address.
async fn reread(address: SocketAddr, first: u8) {
    let last = GUESTS - 1;
    let name = format!("n{last}.guests.");
    let wait = async {
        while v6(&ask_udp(address, &name, RecordType::AAAA).await) != address_of(first, last) {
            tokio::task::yield_now().await;
        }
    };
    timeout(2 * LONG, wait).await.expect("the file is reread");
}

/// Clients that ask for guests without a pause, and in between for a name that needs the upstream.
struct Crowd {
    stop: Arc<AtomicBool>,
    /// Somebody saw a new address.
    turned: Arc<AtomicBool>,
    /// Replies with old addresses, and with new ones.
    counts: Arc<[AtomicUsize; 2]>,
    clients: JoinSet<()>,
}

impl Crowd {
    fn start(address: SocketAddr) -> Self {
        let mut crowd = Self {
            stop: Arc::default(),
            turned: Arc::default(),
            counts: Arc::default(),
            clients: JoinSet::new(),
        };
        for client in 0..8 {
            let (stop, turned, counts) =
                (Arc::clone(&crowd.stop), Arc::clone(&crowd.turned), Arc::clone(&crowd.counts));
            crowd.clients.spawn(async move {
                let mut number = client;
                while !stop.load(Ordering::Relaxed) {
                    number = (number * 31 + 7) % GUESTS;
                    let transport = if number % 4 == 0 { "tcp" } else { "" };
                    let late = turned.load(Ordering::SeqCst);
                    let reply = ask(address, &format!("n{number}.guests. AAAA {transport}")).await;
                    let found = v6(&Message::from_vec(&reply).unwrap());
                    let new = found == address_of(NEW, number);
                    assert!(new || found == address_of(OLD, number), "n{number}: {found:?}");
                    assert!(new || !late, "n{number} is old again");
                    turned.fetch_or(new, Ordering::SeqCst);
                    counts[usize::from(new)].fetch_add(1, Ordering::SeqCst);
                    if number % 8 == 1 {
                        let reply = ask(address, &format!("m{number}.example. AAAA")).await;
                        assert_eq!(v6(&Message::from_vec(&reply).unwrap()), synthesized());
                    }
                }
            });
        }
        crowd
    }

    fn count(&self, new: bool) -> usize {
        self.counts[usize::from(new)].load(Ordering::SeqCst)
    }

    async fn until(&self, new: bool, count: usize) {
        let wait = async {
            while self.count(new) < count {
                tokio::task::yield_now().await;
            }
        };
        timeout(2 * LONG, wait).await.expect("the clients go on");
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("every reply was good");
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_names_are_reread_and_every_query_meanwhile_gets_the_old_or_the_new_address() {
    let (daemon, address, _upstream) = serving().await;
    let crowd = Crowd::start(address);
    crowd.until(false, 200).await;
    let before = crowd.count(false);
    daemon.replace("guests", &guests(NEW));
    crowd.until(true, 200).await;
    // Rereading takes its time, in which the old addresses were served.
    assert!(crowd.count(false) > before, "nobody was served while the file was reread");
    crowd.end().await;
    assert_eq!(daemon.metric(r#"causeway_dns64_hosts{table="fixed"}"#).await, GUESTS.to_string());
}

#[tokio::test]
async fn files_are_reread_on_no_workers_thread_and_leave_no_memory_behind() {
    let (daemon, address, _upstream) = serving().await;
    reread(address, OLD).await;
    let before = daemon.memory();
    for first in [NEW, OLD, NEW] {
        let (workers, all) = daemon.processor_time();
        let rereads = daemon.metric("causeway_dns64_hosts_rereads_total").await;
        daemon.replace("guests", &guests(first));
        let wait = async {
            while daemon.metric("causeway_dns64_hosts_rereads_total").await == rereads {
                tokio::task::yield_now().await;
            }
        };
        timeout(2 * LONG, wait).await.expect("the file is reread");
        let (workers_after, all_after) = daemon.processor_time();
        let (workers, all) = (workers_after - workers, all_after - all);
        // Nobody asks meanwhile: what the workers do is next to nothing, and the reading is not.
        assert!(workers * 10 < all, "the workers took {workers} of {all} ns");
        assert_eq!(v6(&ask_udp(address, "n77.guests.", RecordType::AAAA).await), address_of(first, 77));
    }
    let grown = daemon.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} octets more");
}
