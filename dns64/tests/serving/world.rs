//! The resolver in this process, with time limits of the test's own: a question in, a reply out, upstreams over real
//! sockets; and listening sockets where a test wants them.

use crate::daemon::listener;
use dns64::encryption::Encryption;
use dns64::gate::Gate;
use dns64::hosts::Hosts;
use dns64::hosts::source::Sources;
use dns64::listen;
use dns64::listen::{Endpoint, Kind};
use dns64::metrics::{Metrics, Transport};
use dns64::resolver::{Received, Shared};
use dns64::snapshot::Snapshot;
use dns64::upstream::Timing;
use dns64::worker::Worker;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use prometheus_client::registry::Registry;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The prefix of every test.
pub(crate) const PREF64: &str = "2001:db8:64::/96";

/// A time limit that is never reached in a test that passes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Time enough for a slow machine, so that nothing is asked twice.
pub(crate) fn unhurried() -> Timing {
    Timing { patience: LONG, total: LONG, quick: LONG, ..Timing::default() }
}

/// The octets of an address as the labels of its reverse name, each with its dot.
pub(crate) fn nibbles(v6: Ipv6Addr) -> String {
    let digits = (0..32).map(|i| (v6.to_bits() >> (4 * i)) & 0xf);
    digits.flat_map(|digit| [char::from_digit(u32::try_from(digit).unwrap(), 16).unwrap(), '.']).collect()
}

/// A resolver and its metrics.
pub(crate) struct World {
    shared: Arc<Shared>,
    registry: Registry,
    workers: Mutex<Vec<Worker>>,
}

impl World {
    /// A resolver that asks `upstreams` over UDP, with `timing`.
    pub(crate) fn new(upstreams: &[SocketAddr], timing: Timing) -> Self {
        Self::with(&upstreams.iter().map(SocketAddr::to_string).collect::<Vec<_>>(), timing, PREF64, "")
    }

    /// A resolver of the file that has these upstreams, this prefix, and `more` behind the keys of `[dns64]`.
    pub(crate) fn with(upstreams: &[String], timing: Timing, pref64: &str, more: &str) -> Self {
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::new(&mut registry));
        let (snapshot, hosts) = snapshot(upstreams, timing, pref64, more, &metrics, None);
        let shared = Arc::new(Shared::new(snapshot, Gate::new([1; 16], [2; 16]), metrics));
        shared.serve_hosts(Arc::new(hosts));
        Self { shared, registry, workers: Mutex::default() }
    }

    /// Serves an address of this test's own, as the daemon does.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let address = listener();
        let (failures, _) = tokio::sync::mpsc::unbounded_channel();
        let encryption = Arc::new(Encryption::new(Vec::new()).unwrap());
        let worker = Worker::start(0, Arc::clone(&self.shared), encryption, failures).unwrap();
        for sockets in listen::bind_all(&[Endpoint { kind: Kind::Plain, address }], &[], 1)
            .unwrap()
            .into_iter()
            .flatten()
        {
            worker.serve(sockets).await.expect("the worker serves");
        }
        self.workers.lock().unwrap().push(worker);
        address
    }

    /// The file becomes another.
    pub(crate) fn reload(&self, upstreams: &[String], timing: Timing, pref64: &str, more: &str) {
        let (current, metrics) = (self.shared.snapshot(), self.shared.metrics());
        let (next, hosts) = snapshot(upstreams, timing, pref64, more, metrics, Some(&current));
        self.shared.serve_hosts(Arc::new(hosts));
        self.shared.replace(&Arc::new(next));
    }

    /// The reply to a question with EDNS.
    pub(crate) async fn ask(&self, name: &str, qtype: RecordType) -> Message {
        self.ask_raw(&question(name, qtype)).await.expect("a reply")
    }

    /// The reply to whatever octets.
    pub(crate) async fn ask_raw(&self, message: &[u8]) -> Option<Message> {
        self.ask_as("[2001:db8:6::1]:4096".parse().unwrap(), message).await
    }

    /// The same to this client.
    pub(crate) async fn ask_as(&self, client: SocketAddr, message: &[u8]) -> Option<Message> {
        let mut out = Vec::new();
        match self.shared.receive(message, client, Transport::Udp, &mut out) {
            Received::Nothing => return None,
            Received::Reply => {}
            Received::Job(job) => job.run(&mut out).await,
        }
        Some(Message::from_vec(&out).expect("a well-formed reply"))
    }

    /// The value of a metric's line that begins so.
    pub(crate) fn metric(&self, line: &str) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let found = text.lines().find_map(|found| found.strip_prefix(line));
        found.unwrap_or_else(|| panic!("{line} in\n{text}")).trim().to_owned()
    }
}

fn snapshot(
    upstreams: &[String],
    timing: Timing,
    pref64: &str,
    more: &str,
    metrics: &Arc<Metrics>,
    previous: Option<&Snapshot>,
) -> (Snapshot, Hosts) {
    let upstreams = upstreams.iter().map(|upstream| format!("\"{upstream}\"")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "[prefix]\npref64 = \"{pref64}\"\n[dns64]\nlisten = [\"127.0.0.1:53\"]\nupstream = [{upstreams}]\n{more}\n"
    );
    let model = config::parse(&text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model;
    let (prefix, dns64) = (model.prefix.unwrap(), model.dns64.unwrap());
    let hosts = Sources::new(&dns64.names).load();
    (Snapshot::timed(&prefix, &dns64, timing, Arc::clone(metrics), previous).unwrap(), hosts)
}

/// A question's octets, RD set, with EDNS.
pub(crate) fn question(name: &str, qtype: RecordType) -> Vec<u8> {
    let mut message = Message::new(0x4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), qtype));
    message.set_edns(Edns::new());
    message.to_vec().unwrap()
}

/// The AAAA records' addresses.
pub(crate) fn v6(message: &Message) -> Vec<Ipv6Addr> {
    message
        .answers
        .iter()
        .filter_map(|record| match record.data {
            RData::AAAA(v6) => Some(v6.0),
            _ => None,
        })
        .collect()
}

/// 192.0.2.1 in the prefix of every test.
pub(crate) fn synthesized() -> Vec<Ipv6Addr> {
    vec!["2001:db8:64::192.0.2.1".parse().unwrap()]
}
