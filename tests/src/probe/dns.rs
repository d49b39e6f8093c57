//! One DNS question over UDP or TCP.

use super::ANSWER_LIMIT;
use anyhow::{Context, Result, ensure};
use hickory_proto::op::{Message, MessageType, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

/// How a question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram each way.
    Udp,
    /// One connection (RFC 7766).
    Tcp,
}

/// Asks `server` for the records of one type of one name, which is absolute with or without its last dot.
pub fn ask(server: SocketAddr, name: &str, kind: RecordType, transport: Transport) -> Result<Message> {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    let mut question = Name::from_ascii(name)?;
    question.set_fqdn(true);
    query.add_query(Query::query(question, kind));
    let bytes = query.to_vec()?;
    let reply = match transport {
        Transport::Udp => exchange_datagram(server, &bytes),
        Transport::Tcp => exchange_stream(server, &bytes),
    };
    let reply = reply.with_context(|| format!("{name} {kind} from {server} over {transport:?}"))?;
    let reply = Message::from_vec(&reply)?;
    ensure!(reply.metadata.message_type == MessageType::Response, "{name} {kind}: the answer is no response");
    ensure!(reply.metadata.id == query.metadata.id, "{name} {kind}: the answer has another id");
    ensure!(reply.queries == query.queries, "{name} {kind}: the answer repeats another question");
    Ok(reply)
}

/// The AAAA addresses among the answers, in order.
pub fn addresses(reply: &Message) -> Vec<Ipv6Addr> {
    let address = |data: &RData| match data {
        RData::AAAA(address) => Some(address.0),
        _ => None,
    };
    reply.answers.iter().filter_map(|record| address(&record.data)).collect()
}

/// Sends bytes that need not be a query, and returns the answer if there is one within `ANSWER_LIMIT`.
pub fn exchange_datagram(server: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let socket = UdpSocket::bind((any(server), 0))?;
    socket.set_read_timeout(Some(ANSWER_LIMIT))?;
    socket.connect(server)?;
    socket.send(bytes)?;
    let mut buffer = vec![0; 1 << 16];
    let length = socket.recv(&mut buffer).context("no answer")?;
    buffer.truncate(length);
    Ok(buffer)
}

fn exchange_stream(server: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, ANSWER_LIMIT).context("connecting")?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let length = u16::try_from(bytes.len())?.to_be_bytes();
    stream.write_all(&[&length[..], bytes].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).context("no answer")?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).context("half an answer")?;
    Ok(reply)
}

fn any(peer: SocketAddr) -> IpAddr {
    if peer.is_ipv6() { IpAddr::from([0_u16; 8]) } else { IpAddr::from([0_u8; 4]) }
}
