//! An upstream resolver that does what a script says: answers, stays silent, truncates, lies; over UDP and TCP.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// The port of every scripted upstream: below those that the kernel gives away, so nobody else takes it.
const PORT: u16 = 5355;

/// What the upstream is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) qtype: RecordType,
    pub(crate) port: u16,
    pub(crate) tcp: bool,
}

/// What it sends; none is silence.
pub(crate) type Sends = Vec<Send>;

/// One thing it sends.
pub(crate) enum Send {
    /// From where it was asked.
    Back(Vec<u8>),
    /// From another port.
    FromElsewhere(Vec<u8>),
    /// From where it was asked, when the next query has come. Only over UDP.
    WithNext(Vec<u8>),
}

type Script = dyn Fn(&Message, &Asked) -> Sends + std::marker::Send + Sync;

/// A running upstream. Dropping it closes its sockets.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

/// A loopback address that no other test of this machine has.
pub(crate) fn own_address() -> IpAddr {
    static BLOCK: Mutex<Option<Block>> = Mutex::new(None);
    let mut block = BLOCK.lock().unwrap();
    if block.as_ref().is_none_or(|block| block.last == Block::LAST) {
        // Sockets may still be open on the addresses given out, so the old block's lock is kept for good.
        std::mem::forget(block.replace(Block::claim()));
    }
    let block = block.as_mut().expect("a block was put there");
    block.last += 1;
    Ipv4Addr::new(127, block.net[0], block.net[1], block.last).into()
}

/// 250 addresses that this process has to itself for as long as it holds the lock.
struct Block {
    net: [u8; 2],
    last: u8,
    _lock: std::net::UdpSocket,
}

impl Block {
    const LAST: u8 = 250;

    fn claim() -> Self {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let start = u16::from_be_bytes([high ^ 0x80, low]);
        (0..=u16::MAX)
            .find_map(|step| {
                let net = start.wrapping_add(step).to_be_bytes();
                let lock = std::net::UdpSocket::bind((Ipv4Addr::new(127, net[0], net[1], 254), PORT)).ok()?;
                (net != [0, 0]).then_some(Self { net, last: 0, _lock: lock })
            })
            .expect("one of 65535 networks is free")
    }
}

impl Scripted {
    /// An upstream that follows `script`.
    pub(crate) async fn start(
        script: impl Fn(&Message, &Asked) -> Sends + std::marker::Send + Sync + 'static,
    ) -> Self {
        Self::start_at(SocketAddr::new(own_address(), PORT), script).await
    }

    /// The same at an address that is known before.
    pub(crate) async fn start_at(
        address: SocketAddr,
        script: impl Fn(&Message, &Asked) -> Sends + std::marker::Send + Sync + 'static,
    ) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let udp = UdpSocket::bind(address).await.unwrap();
        let tcp = TcpListener::bind(address).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&script), Arc::clone(&asked)));
        tasks.spawn(serve_tcp(tcp, script, Arc::clone(&asked)));
        Self { address, asked, _tasks: tasks }
    }

    /// An address where nothing listens.
    pub(crate) fn nobody() -> SocketAddr {
        SocketAddr::new(own_address(), PORT)
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often a type was asked for.
    pub(crate) fn count(&self, qtype: RecordType) -> usize {
        self.asked().iter().filter(|asked| asked.qtype == qtype).count()
    }
}

fn read(message: &[u8], port: u16, tcp: bool, asked: &Mutex<Vec<Asked>>) -> (Message, Asked) {
    let message = Message::from_vec(message).expect("the resolver sends well-formed queries");
    let query = &message.queries[0];
    let question = Asked { name: query.name.to_string().to_lowercase(), qtype: query.query_type, port, tcp };
    asked.lock().unwrap().push(question.clone());
    (message, question)
}

async fn serve_udp(socket: UdpSocket, script: Arc<Script>, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut buffer = vec![0; 4096];
    let mut held: Vec<(Vec<u8>, SocketAddr)> = Vec::new();
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
        for (reply, client) in held.drain(..) {
            socket.send_to(&reply, client).await.unwrap();
        }
        let (message, question) = read(&buffer[..length], client.port(), false, &asked);
        for send in script(&message, &question) {
            match send {
                Send::Back(reply) => drop(socket.send_to(&reply, client).await.unwrap()),
                Send::WithNext(reply) => held.push((reply, client)),
                Send::FromElsewhere(reply) => {
                    let elsewhere = SocketAddr::new(socket.local_addr().unwrap().ip(), 0);
                    UdpSocket::bind(elsewhere).await.unwrap().send_to(&reply, client).await.unwrap();
                }
            }
        }
    }
}

async fn serve_tcp(listener: TcpListener, script: Arc<Script>, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, client) = listener.accept().await.unwrap();
        // A client that hangs up has heard enough.
        connections.spawn(converse(stream, client.port(), Arc::clone(&script), Arc::clone(&asked)));
    }
}

async fn converse(
    mut stream: TcpStream,
    port: u16,
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut buffer = vec![0; usize::from(length)];
        stream.read_exact(&mut buffer).await?;
        let (message, question) = read(&buffer, port, true, &asked);
        for send in script(&message, &question) {
            if let Send::Back(reply) = send {
                stream.write_u16(u16::try_from(reply.len()).unwrap()).await?;
                stream.write_all(&reply).await?;
            }
        }
    }
}

// === what scripts are made of ===

/// One reply.
pub(crate) fn back(message: &Message) -> Sends {
    vec![Send::Back(message.to_vec().unwrap())]
}

/// An empty reply to `query`, spelt as it was sent.
pub(crate) fn reply(query: &Message, rcode: ResponseCode) -> Message {
    let mut message = Message::response(query.metadata.id, query.metadata.op_code);
    message.metadata.recursion_desired = query.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.metadata.response_code = rcode;
    message.add_queries(query.queries.clone());
    message.edns.clone_from(&query.edns);
    message
}

/// A reply with `data` at the name asked for.
pub(crate) fn with(query: &Message, data: impl IntoIterator<Item = RData>) -> Message {
    let mut message = reply(query, ResponseCode::NoError);
    let owner = query.queries[0].name.clone();
    message.add_answers(data.into_iter().map(|data| Record::from_rdata(owner.clone(), 300, data)));
    message
}

/// A reply without records, with an SOA record.
pub(crate) fn no_data(query: &Message) -> Message {
    use hickory_proto::rr::rdata::SOA;
    let mut message = reply(query, ResponseCode::NoError);
    let zone = Name::from_ascii("example.").unwrap();
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86_400, 60);
    message.add_authority(Record::from_rdata(zone, 900, RData::SOA(soa)));
    message
}

/// An A record's data.
pub(crate) fn a(v4: &str) -> RData {
    RData::A(v4.parse::<Ipv4Addr>().unwrap().into())
}

/// An AAAA record's data.
pub(crate) fn aaaa(v6: &str) -> RData {
    RData::AAAA(v6.parse::<std::net::Ipv6Addr>().unwrap().into())
}

/// A name that has only an A record.
pub(crate) fn only_a(query: &Message, asked: &Asked) -> Sends {
    match asked.qtype {
        RecordType::A => back(&with(query, [a("192.0.2.1")])),
        _ => back(&no_data(query)),
    }
}
