//! Questions of clients, through the door of the resolver: octets in, and a reply, silence, or a job that would ask.

use super::site::{Client, TERMS, Terms, resolver};
use super::view::{self, View};
use dns64::metrics::Transport;
use dns64::resolver::Received;

/// How questions come.
const TRANSPORTS: [Transport; 5] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https, Transport::Quic];

/// Domains that are answered here whatever is asked about them.
const NEVER_ASKED: [&[u8]; 3] = [b"\x09localhost\x00", b"\x07invalid\x00", b"\x05onion\x00"];

/// Judges what becomes of a message: the first octet says at which resolver and by which transport, the second from
/// which client.
///
/// # Panics
/// When an invariant is broken.
pub fn check(input: &[u8]) {
    let Some(([place, client], message)) = input.split_first_chunk::<2>().map(|(head, rest)| (*head, rest))
    else {
        return;
    };
    let index = usize::from(place) % TERMS.len();
    let terms = &TERMS[index];
    let via = TRANSPORTS[usize::from(place) / TERMS.len() % TRANSPORTS.len()];
    let client = &terms.clients[usize::from(client) % terms.clients.len()];
    let mut out = b"what stood there before".to_vec();
    match resolver(index).receive(message, client.socket(), via, &mut out) {
        Received::Nothing => {
            let unanswerable = message.len() < 12 || message[2] & 0x80 != 0;
            assert!(unanswerable || terms.limited && via == Transport::Udp, "silence");
        }
        Received::Reply => judge(message, &out, via, terms, client),
        Received::Job(_) => judge_job(message, client),
    }
}

fn judge(message: &[u8], out: &[u8], via: Transport, terms: &Terms, client: &Client) {
    let reply = View::read(out).unwrap_or_else(|| panic!("no message: {out:02x?}"));
    assert_eq!(reply.end, out.len(), "octets behind the reply");
    assert_eq!(out[..2], message[..2], "the number");
    let asked = u16::from_be_bytes([message[2], message[3]]);
    let copied = view::OPCODE | view::RECURSION_DESIRED | view::CHECKING_DISABLED;
    assert_eq!(reply.flags & copied, asked & copied, "opcode, RD and CD");
    let set = view::RESPONSE | view::RECURSION_AVAILABLE;
    assert_eq!(reply.flags & set, set, "QR and RA");
    assert_eq!(reply.flags & (view::RESERVED | view::AUTHENTIC), 0, "the reserved bit and AD");
    let Some(question) = reply.question() else {
        // What is no question is answered with its number and an error, in no more octets.
        assert!(
            out.len() == 12 && out.len() <= message.len() && [1, 4].contains(&reply.rcode()),
            "{out:02x?}"
        );
        return;
    };
    assert_eq!(message.get(12..12 + question.len()), Some(question), "the question, octet by octet");
    let query = View::read(message).expect("what has a question in its reply can be read");
    assert!(query.opts.len() < 2 && reply.opts.len() == query.opts.len(), "OPT for OPT");
    let limit = match (via, query.opts.first()) {
        (Transport::Udp, Some(opt)) => opt.class.clamp(512, 1232).into(),
        (Transport::Udp, None) => 512,
        _ => usize::from(u16::MAX),
    };
    assert!(out.len() <= limit, "{} octets of {limit}", out.len());
    if let (Some(asks), Some(says)) = (query.opts.first(), reply.opts.first()) {
        assert_eq!(asks.ttl & 0x8000, says.ttl & 0x8000, "DO");
        assert_eq!(says.ttl >> 16 & 0xff, 0, "the version");
        // Where responses are limited, one that is cut off may go in its place.
        let unknown = asks.ttl >> 16 & 0xff != 0 && !client.refused;
        assert!(terms.limited || unknown == (reply.rcode() == 16), "BADVERS");
    }
    if client.refused {
        assert_eq!((reply.rcode(), reply.records().count()), (5, 0));
    }
    for record in reply.records() {
        assert!(record.owner.is_some(), "an owner that cannot be read");
        assert!(record.ttl <= i32::MAX.unsigned_abs(), "a TTL that counts as 0");
        if let Some(v6) = record.v6() {
            assert!(client.may_know(v6), "{v6} is nobody's, at {}", terms.pref64);
        }
    }
}

fn judge_job(message: &[u8], client: &Client) {
    let query = View::read(message).expect("what asks upstreams can be read");
    let question = query.question().expect("what asks upstreams has a question");
    assert!(!client.refused, "on behalf of who may not ask");
    assert_ne!(query.flags & view::RECURSION_DESIRED, 0, "on behalf of who does not want it");
    let (name, tail) = question.split_at(question.len() - 4);
    let name = name.to_ascii_lowercase();
    let labels = |zone: &[u8]| {
        // Label by label, since octets of a label may look like a length.
        let mut at = 0;
        loop {
            if name[at..] == *zone {
                return true;
            }
            match name[at] {
                0 => return false,
                length => at += 1 + usize::from(length),
            }
        }
    };
    if tail[2..] == [0, 1] {
        assert!(!NEVER_ASKED.into_iter().any(labels), "{name:02x?} leaves");
    }
}
