//! An authoritative name server for the lab's zones, over UDP and TCP.

use super::TcpServer;
use super::echo::UdpServer;
use crate::namespace::Namespace;
use anyhow::{Context, Result};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, PTR, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How long resolvers may keep an answer, in seconds.
const TTL: u32 = 60;

/// The content of one or several zones.
#[derive(Clone, Debug)]
pub struct Zone {
    origins: Vec<Name>,
    records: Vec<Record>,
}

/// The server. Dropping it closes its ports.
pub struct ZoneServer {
    state: Arc<State>,
    _udp: UdpServer,
    _tcp: TcpServer,
}

struct State {
    zone: Zone,
    silent: AtomicBool,
    asked: Mutex<Vec<(String, RecordType)>>,
}

impl Zone {
    /// Empty zones.
    ///
    /// # Panics
    /// One of `origins` is no domain name.
    pub fn new(origins: &[&str]) -> Self {
        Self { origins: origins.iter().copied().map(name).collect(), records: Vec::new() }
    }

    /// Adds an A record.
    #[must_use]
    pub fn v4(self, owner: &str, address: Ipv4Addr) -> Self {
        self.with(owner, RData::A(A(address)))
    }

    /// Adds an AAAA record.
    #[must_use]
    pub fn v6(self, owner: &str, address: Ipv6Addr) -> Self {
        self.with(owner, RData::AAAA(AAAA(address)))
    }

    /// Adds a CNAME record.
    #[must_use]
    pub fn alias(self, owner: &str, target: &str) -> Self {
        self.with(owner, RData::CNAME(CNAME(name(target))))
    }

    /// Adds a PTR record.
    #[must_use]
    pub fn pointer(self, owner: &str, target: &str) -> Self {
        self.with(owner, RData::PTR(PTR(name(target))))
    }

    fn with(mut self, owner: &str, data: RData) -> Self {
        self.records.push(Record::from_rdata(name(owner), TTL, data));
        self
    }

    /// The answer to one question. Pure.
    fn answer(&self, query: &Message) -> Message {
        let mut reply = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
        reply.metadata.recursion_desired = query.metadata.recursion_desired;
        reply.metadata.recursion_available = true;
        reply.queries.clone_from(&query.queries);
        let [question] = query.queries.as_slice() else {
            reply.metadata.response_code = ResponseCode::FormErr;
            return reply;
        };
        let zone = self.origins.iter().find(|origin| origin.zone_of(&question.name));
        let Some(origin) = zone.filter(|_| query.metadata.op_code == OpCode::Query) else {
            reply.metadata.response_code = ResponseCode::Refused;
            return reply;
        };
        reply.metadata.authoritative = true;
        let last = self.follow(question, &mut reply);
        if !self.records.iter().any(|record| record.name == last) && last != *origin {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        if !reply.answers.iter().any(|record| record.record_type() == question.query_type) {
            reply.add_authority(soa(origin));
        }
        reply
    }

    /// Adds the records of the question's name, along aliases, and returns the last name.
    fn follow(&self, question: &Query, reply: &mut Message) -> Name {
        let mut owner = question.name.clone();
        while let Some((alias, target)) =
            self.alias_at(&owner).filter(|(alias, _)| !reply.answers.contains(alias))
        {
            reply.add_answer(alias.clone());
            owner = target.clone();
        }
        let wanted = |record: &&Record| record.name == owner && record.record_type() == question.query_type;
        reply.add_answers(self.records.iter().filter(wanted).cloned());
        owner
    }

    fn alias_at(&self, owner: &Name) -> Option<(&Record, &Name)> {
        self.records.iter().filter(|record| record.name == *owner).find_map(|record| match &record.data {
            RData::CNAME(target) => Some((record, &target.0)),
            _ => None,
        })
    }
}

fn soa(origin: &Name) -> Record {
    let soa = SOA::new(origin.clone(), origin.clone(), 1, 3600, 600, 86400, TTL);
    Record::from_rdata(origin.clone(), TTL, RData::SOA(soa))
}

impl ZoneServer {
    /// Serves `zone` at `address` inside `namespace`.
    pub fn start(namespace: &Namespace, address: SocketAddr, zone: Zone) -> Result<Self> {
        let state = Arc::new(State { zone, silent: AtomicBool::new(false), asked: Mutex::new(Vec::new()) });
        let listener = namespace
            .run(|| TcpListener::bind(address))
            .with_context(|| format!("cannot listen on {address} in {}", namespace.name()))?;
        let (over_udp, over_tcp) = (Arc::clone(&state), Arc::clone(&state));
        let udp = UdpServer::start(namespace, address, "zone-udp", move |query| over_udp.reply(query))?;
        let tcp = TcpServer::start(listener, "zone-tcp", move |stream| over_tcp.converse(stream))?;
        Ok(Self { state, _udp: udp, _tcp: tcp })
    }

    /// While silent, it takes queries and answers none.
    pub fn set_silent(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::Release);
    }

    /// The questions so far, in order.
    pub fn asked(&self) -> Vec<(String, RecordType)> {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    fn reply(&self, query: &[u8]) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        let questions = query
            .queries
            .iter()
            .map(|question| (question.name.to_lowercase().to_ascii(), question.query_type));
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).extend(questions);
        if self.silent.load(Ordering::Acquire) {
            return None;
        }
        self.zone.answer(&query).to_vec().ok()
    }

    fn converse(&self, mut stream: TcpStream) -> Result<()> {
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut query)?;
            if let Some(reply) = self.reply(&query) {
                let length = u16::try_from(reply.len())?.to_be_bytes();
                stream.write_all(&[&length[..], &reply].concat())?;
            }
        }
    }
}

fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect("the lab's own names are domain names");
    name.set_fqdn(true);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(owner: &str, kind: RecordType) -> Message {
        let zone = Zone::new(&["lab.example"])
            .alias("www.lab.example", "alpha.lab.example")
            .v4("alpha.lab.example", Ipv4Addr::new(192, 0, 2, 10));
        let mut query = Message::query();
        query.add_query(Query::query(name(owner), kind));
        zone.answer(&query)
    }

    #[test]
    fn alias_is_followed_to_its_address() {
        let reply = ask("www.lab.example", RecordType::A);
        assert_eq!(reply.answers.len(), 2);
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    }

    #[test]
    fn missing_type_has_no_answer_but_the_soa() {
        let reply = ask("alpha.lab.example", RecordType::AAAA);
        assert!(reply.answers.is_empty());
        assert_eq!(reply.authorities.len(), 1);
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    }

    #[test]
    fn missing_name_does_not_exist_and_foreign_name_is_refused() {
        assert_eq!(ask("no.lab.example", RecordType::A).metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(ask("example.net", RecordType::A).metadata.response_code, ResponseCode::Refused);
    }
}
