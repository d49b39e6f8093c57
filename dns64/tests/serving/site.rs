//! One resolver that listens, one upstream that knows a zone, and what a person would write of a question and its
//! reply.
//!
//! ```text
//! question   NAME TYPE [+do] [+cd] [+ad] [-rd] [class=CH] [noedns] [size=512] [tcp] [from=ADDRESS]
//! reply      RCODE [aa] [tc] [ad] [cd]     the flags that are set, RD, RA and QR aside
//!            NAME TTL TYPE DATA            each record of the answer section, in order; TTL may be <=60
//!            auth NAME TTL TYPE            the authority section, where any line of it is given
//!            add NAME TTL TYPE DATA        the additional section, where any line of it is given
//!            ede CODE                      an extended error that must be there
//! ```
//!
//! Every reply is held to what holds of all replies: number, question and flags come back, RA is set, OPT answers
//! OPT, datagrams keep to their size.

use crate::daemon::framed;
use crate::scripted::{Asked as Heard, Scripted, Sends};
use crate::world::{LONG, PREF64, World};
use crate::zone::{Zone, name_of};
use dns64::upstream::Timing;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, RwLock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::timeout;

/// AAAA is waited for to the end before A is asked, so that what is asked follows from what was answered.
pub(crate) fn patient() -> Timing {
    Timing { patience: LONG, total: LONG, head_start: LONG, quick: LONG }
}

/// A resolver, its upstream, and what that knows.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) upstream: Scripted,
    pub(crate) address: SocketAddr,
    zone: Arc<RwLock<Zone>>,
}

impl Site {
    /// A resolver of the usual file.
    pub(crate) async fn new(zone: &str) -> Self {
        Self::with(zone, "").await
    }

    /// One whose file has `more` behind the keys of `[dns64]`.
    pub(crate) async fn with(zone: &str, more: &str) -> Self {
        Self::all(PREF64, zone, more, patient()).await
    }

    /// One with another prefix.
    pub(crate) async fn at(pref64: &str, zone: &str) -> Self {
        Self::all(pref64, zone, "", patient()).await
    }

    pub(crate) async fn all(pref64: &str, zone: &str, more: &str, timing: Timing) -> Self {
        let zone = Arc::new(RwLock::new(Zone::parse(zone)));
        let known = Arc::clone(&zone);
        let upstream = Scripted::start(move |query, asked| known.read().unwrap().answer(query, asked)).await;
        let world = World::with(&[upstream.address.to_string()], timing, pref64, more);
        let address = world.listen().await;
        Self { world, upstream, address, zone }
    }

    /// A resolver of the usual file whose upstream follows a script.
    pub(crate) async fn scripted(script: impl Fn(&Message, &Heard) -> Sends + Send + Sync + 'static) -> Self {
        Self::before(Scripted::start(script).await, "", patient()).await
    }

    /// A resolver in front of `upstream`.
    pub(crate) async fn before(upstream: Scripted, more: &str, timing: Timing) -> Self {
        let world = World::with(&[upstream.address.to_string()], timing, PREF64, more);
        let address = world.listen().await;
        Self { world, upstream, address, zone: Arc::default() }
    }

    /// The upstream's zone changes.
    pub(crate) fn becomes(&self, zone: &str) {
        *self.zone.write().unwrap() = Zone::parse(zone);
    }

    /// The file becomes another, with the same upstream.
    pub(crate) fn reload(&self, pref64: &str, more: &str) {
        self.world.reload(&[self.upstream.address.to_string()], patient(), pref64, more);
    }

    /// Asks, and holds the reply to `expect`.
    pub(crate) async fn check(&self, question: &str, expect: &[&str]) {
        let reply = self.ask(question).await;
        if let Err(difference) = judge(&reply, expect) {
            panic!("{question}: {difference}\nexpected {expect:#?}\nfound {:#?}", shown(&reply));
        }
    }

    /// The reply to a question.
    pub(crate) async fn ask(&self, question: &str) -> Message {
        Message::from_vec(&self.ask_octets(question).await).expect("a well-formed reply")
    }

    pub(crate) async fn ask_owned(&self, question: String) -> Message {
        self.ask(&question).await
    }

    /// The same in octets.
    pub(crate) async fn ask_octets(&self, question: &str) -> Vec<u8> {
        ask(self.address, question).await
    }

    /// What the upstream was asked since this was called last, each as `NAME TYPE`, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.upstream
            .take_asked()
            .into_iter()
            .map(|asked| format!("{} {}", asked.name, asked.qtype))
            .collect()
    }
}

/// The reply of the resolver at `server`, in octets.
pub(crate) async fn ask(server: SocketAddr, question: &str) -> Vec<u8> {
    let asked = Asked::parse(question);
    let octets = asked.encode();
    let from = SocketAddr::new(asked.from.unwrap_or(server.ip()), 0);
    let exchange = async {
        if asked.has("tcp") {
            exchange_tcp(server, from, &octets).await
        } else {
            exchange_udp(server, from, &octets).await
        }
    };
    let reply = timeout(LONG, exchange).await.unwrap_or_else(|_| panic!("{question}: no reply"));
    asked.hold(&octets, &reply);
    reply
}

async fn exchange_udp(server: SocketAddr, from: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind(from).await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(octets).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer).await.unwrap();
    buffer.truncate(length);
    buffer
}

async fn exchange_tcp(server: SocketAddr, from: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from).unwrap();
    let mut stream = socket.connect(server).await.unwrap();
    stream.write_all(&framed(octets)).await.unwrap();
    let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut reply).await.unwrap();
    reply
}

/// A question as a person writes it.
struct Asked {
    name: Name,
    qtype: RecordType,
    class: DNSClass,
    size: u16,
    from: Option<IpAddr>,
    flags: Vec<String>,
}

impl Asked {
    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let (name, qtype) = (words.next().unwrap(), words.next().unwrap());
        let (name, qtype) = (Name::from_ascii(name).unwrap(), crate::zone::rtype(qtype));
        let mut asked = Self { name, qtype, class: DNSClass::IN, size: 1232, from: None, flags: Vec::new() };
        for word in words {
            match word.split_once('=') {
                Some(("size", size)) => asked.size = size.parse().unwrap(),
                Some(("class", class)) => asked.class = DNSClass::from_str(class).unwrap(),
                Some(("from", from)) => asked.from = Some(from.parse().unwrap()),
                _ => {
                    let known = ["+do", "+cd", "+ad", "-rd", "noedns", "tcp"].contains(&word);
                    assert!(known, "{word:?} is no word of a question");
                    asked.flags.push(word.to_owned());
                }
            }
        }
        asked
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|one| one == flag)
    }

    fn encode(&self) -> Vec<u8> {
        let mut message = Message::new(0x4711, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = !self.has("-rd");
        message.metadata.checking_disabled = self.has("+cd");
        message.metadata.authentic_data = self.has("+ad");
        let mut query = Query::query(self.name.clone(), self.qtype);
        query.query_class = self.class;
        message.add_query(query);
        if !self.has("noedns") {
            let mut edns = Edns::new();
            edns.set_max_payload(self.size).set_dnssec_ok(self.has("+do"));
            message.set_edns(edns);
        }
        message.to_vec().unwrap()
    }

    /// What holds of every reply.
    fn hold(&self, question: &[u8], reply: &[u8]) {
        let edns = !self.has("noedns");
        let end = if edns { question.len() - 11 } else { question.len() };
        assert_eq!(reply[..2], question[..2], "the number");
        assert_eq!(reply.get(12..end), Some(&question[12..end]), "the question, octet by octet");
        let message = Message::from_vec(reply).expect("a well-formed reply");
        let metadata = &message.metadata;
        assert_eq!(metadata.message_type, MessageType::Response);
        assert_eq!(metadata.recursion_desired, !self.has("-rd"), "RD");
        assert_eq!(metadata.checking_disabled, self.has("+cd"), "CD");
        assert!(metadata.recursion_available, "RA");
        assert_eq!(message.edns.is_some(), edns, "OPT");
        let dnssec_ok = message.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        assert_eq!(dnssec_ok, self.has("+do"), "DO");
        let room = if edns { self.size.clamp(512, 1232) } else { 512 };
        assert!(self.has("tcp") || reply.len() <= usize::from(room), "{} octets", reply.len());
    }
}

/// The difference of a reply from what is expected.
fn judge(reply: &Message, expect: &[&str]) -> Result<(), String> {
    let found = shown(reply);
    let section = |line: &str| line.split(' ').next().is_some_and(|word| word == "auth" || word == "add");
    let all_of = |kind: &str| expect.iter().any(|line| line.starts_with(kind));
    let wanted: Vec<_> = expect.iter().filter(|line| !line.starts_with("ede ")).collect();
    let judged: Vec<_> = found
        .iter()
        .filter(|line| !line.starts_with("ede "))
        .filter(|line| !section(line) || all_of(line.split(' ').next().unwrap_or_default()))
        .collect();
    if wanted.len() != judged.len() {
        return Err("another number of lines".to_owned());
    }
    if let Some((wanted, _)) = wanted.iter().zip(&judged).find(|(wanted, found)| !fits(wanted, found)) {
        return Err(format!("not {wanted}"));
    }
    let missing =
        expect.iter().find(|line| line.starts_with("ede ") && !found.iter().any(|found| found == *line));
    missing.map_or(Ok(()), |line| Err(format!("no {line}")))
}

/// Whether a line is the expected one, TTLs up to a bound where one is given.
fn fits(wanted: &str, found: &str) -> bool {
    let (wanted, found) = (wanted.split(' '), found.split(' '));
    if wanted.clone().count() != found.clone().count() {
        return false;
    }
    wanted.zip(found).all(|(wanted, found)| match wanted.strip_prefix("<=") {
        Some(most) => found.parse::<u32>().is_ok_and(|found| found <= most.parse().unwrap()),
        None => wanted == found,
    })
}

/// A reply as a person writes it.
pub(crate) fn shown(reply: &Message) -> Vec<String> {
    let metadata = &reply.metadata;
    let mut head = rcode(metadata.response_code);
    for (flag, set) in [
        (" aa", metadata.authoritative),
        (" tc", metadata.truncation),
        (" ad", metadata.authentic_data),
        (" cd", metadata.checking_disabled),
    ] {
        head.push_str(if set { flag } else { "" });
    }
    let mut lines = vec![head];
    lines.extend(reply.answers.iter().map(line));
    let authority = |record: &Record| format!("auth {} {} {}", record.name, record.ttl, record.record_type());
    lines.extend(reply.authorities.iter().map(authority));
    lines.extend(reply.additionals.iter().map(|record| format!("add {}", line(record))));
    let errors = reply.edns.iter().flat_map(|edns| edns.options().get_all(EdnsCode::Unknown(15)));
    lines.extend(errors.filter_map(|option| match option {
        EdnsOption::Unknown(_, body) => Some(format!("ede {}", u16::from_be_bytes([body[0], body[1]]))),
        _ => None,
    }));
    lines
}

fn rcode(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::NXDomain => "NXDOMAIN".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::BADVERS => "BADVERS".into(),
        other => other.to_string(),
    }
}

fn line(record: &Record) -> String {
    let data = match &record.data {
        RData::Unknown { code: RecordType::RRSIG, rdata } => {
            RecordType::from(u16::from_be_bytes([rdata.anything[0], rdata.anything[1]])).to_string()
        }
        RData::Unknown { code: RecordType::DNAME, rdata } => name_of(&rdata.anything).to_string(),
        RData::Unknown { rdata, .. } => crate::zone::digits(&rdata.anything),
        data => data.to_string(),
    };
    let rtype = match record.record_type() {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        rtype => rtype.to_string(),
    };
    format!("{} {} {rtype} {data}", record.name, record.ttl)
}
