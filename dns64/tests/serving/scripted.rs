//! An upstream resolver that does what a script says: answers, stays silent, truncates, lies, answers late, breaks
//! connections off; over UDP and TCP. It remembers every query, and can be killed and restored.

use crate::daemon::framed;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// The port of every scripted upstream: below those that the kernel gives away, so nobody else takes it.
const PORT: u16 = 5355;

/// What [`own_port`] gives away.
const PORTS: Range<u16> = 31_000..32_000;

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
    /// From where it was asked, when the next query has come: over UDP from anywhere, over TCP on the connection.
    WithNext(Vec<u8>),
    /// From where it was asked, when the gate is opened.
    When(Gate, Vec<u8>),
    /// Octets as they are, without a length in front. Only over TCP.
    Bare(Vec<u8>),
    /// The end of the connection. Only over TCP.
    Close,
}

/// What a script waits for and a test opens.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<tokio::sync::watch::Sender<bool>>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    async fn opened(&self) {
        // The sender lives in `self`.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

type Script = dyn Fn(&Message, &Asked) -> Sends + std::marker::Send + Sync;

/// A running upstream. Dropping it closes its sockets.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
    arrived: Arc<Notify>,
    tasks: JoinSet<()>,
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

/// A port below those that the kernel gives away, for tests that listen on all addresses: no other test of this
/// machine has it on any, as long as this process lives.
pub(crate) fn own_port() -> u16 {
    static CLAIMS: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    // Known as far as the ports are, in one network namespace, and gone with who holds it.
    let claim = |port: u16| {
        let name = UnixAddr::from_abstract_name(format!("causeway-tests-port-{port}")).unwrap();
        let claim = UnixListener::bind_addr(&name).ok()?;
        let free = std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok();
        free.then_some(claim)
    };
    let mut ports = PORTS;
    let (port, claim) = ports.find_map(|port| Some((port, claim(port)?))).expect("some port is nobody's");
    CLAIMS.lock().unwrap().push(claim);
    port
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
        let mut upstream = Self {
            address,
            script: Arc::new(script),
            asked: Arc::default(),
            arrived: Arc::default(),
            tasks: JoinSet::new(),
        };
        upstream.restore().await;
        upstream
    }

    /// Closes its sockets and connections.
    pub(crate) async fn kill(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Opens its sockets again.
    pub(crate) async fn restore(&mut self) {
        let udp = Arc::new(UdpSocket::bind(self.address).await.unwrap());
        let tcp = TcpListener::bind(self.address).await.unwrap();
        let memory = || Memory {
            script: Arc::clone(&self.script),
            asked: Arc::clone(&self.asked),
            arrived: Arc::clone(&self.arrived),
        };
        let (for_udp, for_tcp) = (memory(), memory());
        self.tasks.spawn(serve_udp(udp, for_udp));
        self.tasks.spawn(serve_tcp(tcp, for_tcp));
    }

    /// An address where nothing listens.
    pub(crate) fn nobody() -> SocketAddr {
        SocketAddr::new(own_address(), PORT)
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// All that was asked since this was called last.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Waits until `enough` holds of what was asked.
    pub(crate) async fn until_asked(&self, enough: impl Fn(&[Asked]) -> bool) {
        let wait = async {
            loop {
                let arrival = self.arrived.notified();
                if enough(&self.asked.lock().unwrap()) {
                    return;
                }
                arrival.await;
            }
        };
        let asked = tokio::time::timeout(crate::world::LONG, wait).await;
        asked.unwrap_or_else(|_| panic!("asked no more than {:?}", self.asked()));
    }

    /// How often a type was asked for.
    pub(crate) fn count(&self, qtype: RecordType) -> usize {
        self.asked().iter().filter(|asked| asked.qtype == qtype).count()
    }
}

/// What the sockets of an upstream share.
#[derive(Clone)]
pub(crate) struct Memory {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
    arrived: Arc<Notify>,
}

impl Memory {
    /// That of an upstream with sockets of its own.
    pub(crate) fn new(
        script: impl Fn(&Message, &Asked) -> Sends + std::marker::Send + Sync + 'static,
    ) -> Self {
        Self { script: Arc::new(script), asked: Arc::default(), arrived: Arc::default() }
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Takes a query in, and says what is sent.
    pub(crate) fn take(&self, message: &[u8], port: u16, tcp: bool) -> Sends {
        let message = Message::from_vec(message).expect("the resolver sends well-formed queries");
        let query = &message.queries[0];
        let name = query.name.to_string().to_lowercase();
        let asked = Asked { name, qtype: query.query_type, port, tcp };
        self.asked.lock().unwrap().push(asked.clone());
        self.arrived.notify_one();
        (self.script)(&message, &asked)
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, memory: Memory) {
    let mut buffer = vec![0; 4096];
    let mut held: Vec<(Vec<u8>, SocketAddr)> = Vec::new();
    let mut late = JoinSet::new();
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
        for (reply, client) in held.drain(..) {
            send_to(&socket, &reply, client).await;
        }
        for send in memory.take(&buffer[..length], client.port(), false) {
            match send {
                Send::Back(reply) => send_to(&socket, &reply, client).await,
                Send::WithNext(reply) => held.push((reply, client)),
                Send::When(gate, reply) => {
                    let socket = Arc::clone(&socket);
                    late.spawn(async move {
                        gate.opened().await;
                        send_to(&socket, &reply, client).await;
                    });
                }
                Send::FromElsewhere(reply) => {
                    let elsewhere = SocketAddr::new(socket.local_addr().unwrap().ip(), 0);
                    send_to(&UdpSocket::bind(elsewhere).await.unwrap(), &reply, client).await;
                }
                Send::Bare(_) | Send::Close => panic!("only over TCP"),
            }
        }
    }
}

async fn send_to(socket: &UdpSocket, reply: &[u8], client: SocketAddr) {
    // A client that is gone needs no reply, and the kernel may tell of it on any later call.
    let _ = socket.send_to(reply, client).await;
}

async fn serve_tcp(listener: TcpListener, memory: Memory) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, client) = listener.accept().await.unwrap();
        // A client that hangs up has heard enough.
        connections.spawn(converse(stream, client.port(), memory.clone()));
    }
}

/// Serves one connection, whatever carries it.
pub(crate) async fn converse<S>(stream: S, port: u16, memory: Memory) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + std::marker::Send + 'static,
{
    let (mut input, output) = tokio::io::split(stream);
    let output = Arc::new(tokio::sync::Mutex::new(output));
    let write = async |octets: Vec<u8>| output.lock().await.write_all(&octets).await;
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut late = JoinSet::new();
    loop {
        let length = input.read_u16().await?;
        let mut buffer = vec![0; usize::from(length)];
        input.read_exact(&mut buffer).await?;
        for reply in held.drain(..) {
            write(framed(&reply)).await?;
        }
        for send in memory.take(&buffer, port, true) {
            match send {
                Send::Back(reply) => write(framed(&reply)).await?,
                Send::WithNext(reply) => held.push(reply),
                Send::When(gate, reply) => {
                    let output = Arc::clone(&output);
                    late.spawn(async move {
                        gate.opened().await;
                        output.lock().await.write_all(&framed(&reply)).await
                    });
                }
                Send::Bare(octets) => write(octets).await?,
                Send::Close => return Ok(()),
                Send::FromElsewhere(_) => {}
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

/// The first octets of a message behind its length.
pub(crate) fn framed_part(message: &Message, octets: usize) -> Vec<u8> {
    let mut framed = framed(&message.to_vec().unwrap());
    framed.truncate(octets);
    framed
}

/// An A record's data.
pub(crate) fn a(v4: &str) -> RData {
    RData::A(v4.parse::<Ipv4Addr>().unwrap().into())
}

/// An AAAA record's data.
pub(crate) fn aaaa(v6: &str) -> RData {
    RData::AAAA(v6.parse::<Ipv6Addr>().unwrap().into())
}

/// A name that has only an A record.
pub(crate) fn only_a(query: &Message, asked: &Asked) -> Sends {
    match asked.qtype {
        RecordType::A => back(&with(query, [a("192.0.2.1")])),
        _ => back(&no_data(query)),
    }
}
