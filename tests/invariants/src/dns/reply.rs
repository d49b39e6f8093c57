//! Answers of upstreams: whether they are taken, for how long, and what is made of them.

use super::records;
use super::site::{Client, TERMS, resolver};
use super::view::{self, View};
use dns64::answer::{Answer, Failure, Mismatch, Outcome};
use dns64::lifetime::{Bounds, Keep, settle};
use dns64::name::WireName;
use dns64::plan::{Known, Plan, plan};
use dns64::policy::Synthesis;
use dns64::query::Query;
use dns64::question::{CLASS_IN, ClientEdns, Question};
use dns64::reply::{Extras, Origin, Reply, Room};
use dns64::synth::{self, Verdict};
use dns64::{hints, reverse};
use hickory_proto::rr::RecordType;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The number that queries have here.
const ID: u16 = 0x4711;

const NAME: &[u8] = b"\x03www\x07example\x00";

/// The spelling that the upstream is sent.
const SENT: &[u8] = b"\x03wWw\x07ExaMPLe\x00";

/// What queries that come to nothing come to.
const FAILURES: [Failure; 4] = [Failure::Silent, Failure::Unreachable, Failure::Malformed, Failure::Overload];

/// TTLs at most, in seconds.
const BOUNDS: Bounds = Bounds { max_ttl: 86_400, max_negative_ttl: 3600 };

/// TTL in seconds of what is made where nothing says how long AAAA is absent (RFC 6147 §5.1.7).
const MAX_TTL_WITHOUT_AAAA: u32 = 600;

/// The octets before the two answers: resolver and client, what is asked, and how long the first answer is.
const HEAD: usize = 5;

/// Judges what becomes of the answers in `input`.
///
/// # Panics
/// When an invariant is broken.
pub fn check(input: &[u8]) {
    let Some((head, rest)) = input.split_first_chunk::<HEAD>() else { return };
    let [site, client, asked, high, low] = *head;
    let (first, second) = rest.split_at(usize::from(u16::from_be_bytes([high, low])).min(rest.len()));
    let index = usize::from(site) % TERMS.len();
    let terms = &TERMS[index];
    let client = &terms.clients[usize::from(client) % terms.clients.len()];
    let room = if asked & 4 != 0 { Room::Datagram } else { Room::Stream };
    let question = |name: &[u8], qtype| Question {
        id: ID,
        name: WireName::parse(name).expect("it is written so"),
        qtype,
        qclass: CLASS_IN,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        edns: (asked & 8 != 0).then(|| ClientEdns {
            payload: 1232,
            dnssec_ok: asked & 16 != 0,
            ..ClientEdns::default()
        }),
    };
    match (asked & 3, client.synthesis(resolver(index))) {
        (0 | 1, Some(synthesis)) => {
            let question = question(NAME, RecordType::AAAA);
            synthesize(&question, room, client, &synthesis, [first, second], index);
        }
        (0..=2, _) => pass(&question(NAME, RecordType::HTTPS), room, first, index),
        _ => chase(&question(&reverse_name(), RecordType::PTR), room, client, first, index),
    }
}

/// What an upstream said: its octets, and what they come to.
struct Said {
    octets: Vec<u8>,
    outcome: Outcome,
}

/// What an upstream says that is asked `query` at the resolver `index`.
fn hear(input: &[u8], query: &Query, index: usize) -> Said {
    let sent = if query.name.as_bytes() == NAME { SENT } else { query.name.as_bytes() };
    let question = [sent, &u16::from(query.qtype).to_be_bytes(), &query.qclass.to_be_bytes()].concat();
    let (mode, input) = input.split_first().map_or((0, input), |(mode, rest)| (*mode, rest));
    let octets = match mode % 8 {
        0 => {
            let failure = FAILURES[usize::from(mode / 8) % FAILURES.len()];
            return Said { octets: Vec::new(), outcome: Err(failure) };
        }
        1 | 2 => input.to_vec(),
        3 | 4 => records::fitted(input, ID, &question),
        _ => records::built(input, ID, &question),
    };
    let outcome = match Answer::parse(octets.clone(), query, ID, sent) {
        Ok(answer) => {
            taken(&octets, &question);
            let screened = resolver(index).snapshot().guard.screen(query, answer);
            screened.map(|(mut answer, _)| {
                let keep = settle(&mut answer, query, BOUNDS);
                judge_lifetime(keep, &answer, query);
                answer
            })
        }
        Err(mismatch) => {
            refused(mismatch, &octets);
            Err(Failure::Silent)
        }
    };
    Said { octets, outcome }
}

/// What is taken for the answer has the number, and the question in the spelling that was sent.
fn taken(octets: &[u8], question: &[u8]) {
    let view = View::read(octets).expect("what is taken can be read");
    assert_eq!(view.id, ID);
    assert_eq!(view.flags & (view::RESPONSE | view::OPCODE), view::RESPONSE);
    match view.question() {
        Some(asked) => assert_eq!(asked, question),
        None => assert!(![0, 3].contains(&(view.flags & 0x000f)), "only an error comes without its question"),
    }
}

fn refused(mismatch: Mismatch, octets: &[u8]) {
    if octets.len() >= 12 && octets[..2] != ID.to_be_bytes() {
        assert_eq!(mismatch, Mismatch::Id);
    }
}

/// Nothing is kept for longer than its least TTL, and no TTL is longer than it may be.
fn judge_lifetime(keep: Keep, answer: &Answer, query: &Query) {
    let question = Question {
        id: ID,
        name: query.name,
        qtype: query.qtype,
        qclass: query.qclass,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        edns: None,
    };
    let out = encoded(&Reply::forwarded(answer.clone()), &question, Room::Stream);
    let view = View::read(&out).expect("a reply");
    let least = view.records().map(|record| record.ttl).min();
    match keep {
        Keep::For(lifetime) => {
            assert!(lifetime >= 1 && Some(lifetime) <= least, "{lifetime} s of {least:?}");
            assert!(view.records().all(|record| record.ttl <= BOUNDS.max_ttl));
        }
        Keep::Absence { lifetime, .. } => {
            assert!((1..=BOUNDS.max_negative_ttl).contains(&lifetime) && Some(lifetime) <= least);
        }
        Keep::Not(holds) => assert!(holds <= MAX_TTL_WITHOUT_AAAA),
        Keep::Failure => {}
    }
}

fn synthesize(
    question: &Question,
    room: Room,
    client: &Client,
    synthesis: &Synthesis,
    [first, second]: [&[u8]; 2],
    index: usize,
) {
    let query = |qtype| Query::new(question, question.name, qtype);
    let aaaa = hear(first, &query(RecordType::AAAA), index);
    let a = hear(second, &query(RecordType::A), index);
    let no_aaaa_answer = aaaa.outcome.is_err();
    let reply = match synth::judge(question, aaaa.outcome, synthesis) {
        Verdict::Reply(reply) => reply,
        Verdict::AskA(absent) => synth::finish(question, absent, a.outcome, synthesis),
    };
    let out = encoded(&reply, question, room);
    let view = form(&out, question, room);
    if view.rcode() != 0 {
        assert!(reply.origin != Origin::Synthesized && reply.origin != Origin::Filtered);
        return;
    }
    let real = addresses(&aaaa.octets);
    let v4 = v4_addresses(&a.octets);
    for record in &view.sections[0] {
        // An upstream's answer that stays as it is may hold anything.
        let made = matches!(reply.origin, Origin::Synthesized | Origin::Filtered);
        assert!(!made || record.rtype != view::A, "an A record: {:?}", reply.origin);
        let Some(v6) = record.v6() else { continue };
        if reply.origin == Origin::Synthesized {
            let ttl = v4.iter().filter(|(v4, _)| client.makes(*v4, v6)).map(|(_, ttl)| *ttl).max();
            let most = ttl.unwrap_or_else(|| panic!("{v6} is made of no A record that may be embedded"));
            assert!(record.ttl <= most, "{v6} outlives its A record: {} s of {most}", record.ttl);
            assert!(!no_aaaa_answer || record.ttl <= MAX_TTL_WITHOUT_AAAA, "{} s", record.ttl);
        } else {
            assert!(real.contains(&v6), "{v6} is nobody's");
            assert!(!client.excludes(v6), "{v6} is excluded: {:?}", reply.origin);
        }
    }
}

/// The addresses of all AAAA records of the answer section.
fn addresses(octets: &[u8]) -> Vec<Ipv6Addr> {
    let view = View::read(octets);
    view.iter().flat_map(|view| &view.sections[0]).filter_map(view::Record::v6).collect()
}

/// The addresses of all A records of the answer section, with their TTLs as RFC 2181 §8 reads them.
fn v4_addresses(octets: &[u8]) -> Vec<(Ipv4Addr, u32)> {
    let view = View::read(octets);
    let sane = |ttl: u32| if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
    let records = view.iter().flat_map(|view| &view.sections[0]);
    records.filter_map(|record| Some((record.v4()?, sane(record.ttl)))).collect()
}

/// An answer about service bindings, passed on as it is and without IPv4 hints.
fn pass(question: &Question, room: Room, input: &[u8], index: usize) {
    let query = Query::new(question, question.name, question.qtype);
    let said = hear(input, &query, index);
    let out = encoded(&Reply::relayed(said.outcome.clone(), false), question, room);
    form(&out, question, room);
    let out = encoded(&hints::strip(question, said.outcome, false), question, room);
    form(&out, question, room);
}

/// 192.0.2.33 under the prefix `2001:db8:64::/96`.
fn reverse_name() -> Vec<u8> {
    let digits = "1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    let labels = digits
        .split('.')
        .flat_map(|label| [&[u8::try_from(label.len()).expect("it is short")], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn chase(question: &Question, room: Room, client: &Client, input: &[u8], index: usize) {
    let resolver = resolver(index);
    let (snapshot, hosts) = (resolver.snapshot(), resolver.hosts());
    let known = Known { hosts: &hosts, special: &snapshot.special, now: 0 };
    let view = snapshot.policy.view(client.socket().ip());
    let (query, reply): (_, Box<dyn Fn(Outcome) -> Reply>) =
        match plan(question, &snapshot.policy, view, &known) {
            Plan::Reverse(chase) => (
                Query::new(question, chase.target(), chase.qtype),
                Box::new(move |outcome| reverse::assemble(question, &chase, outcome)),
            ),
            Plan::Local(reply) => {
                form(&encoded(&reply, question, room), question, room);
                return;
            }
            Plan::Forward | Plan::Strip | Plan::Synthesize(_) => (
                Query::new(question, question.name, question.qtype),
                Box::new(|outcome| Reply::relayed(outcome, false)),
            ),
        };
    let said = hear(input, &query, index);
    form(&encoded(&reply(said.outcome), question, room), question, room);
}

fn encoded(reply: &Reply, question: &Question, room: Room) -> Vec<u8> {
    let mut out = Vec::new();
    reply.encode(question, room, Extras::default(), &mut out);
    out
}

/// What holds of every reply: it is one, of class IN, to the question, and not too long.
fn form<'a>(out: &'a [u8], question: &Question, room: Room) -> View<'a> {
    let view = View::read(out).unwrap_or_else(|| panic!("no message: {out:02x?}"));
    assert_eq!(view.end, out.len(), "octets behind the reply");
    assert_eq!(view.id, ID);
    assert_ne!(view.flags & view::RESPONSE, 0, "QR");
    assert_eq!(
        view.flags & (view::AUTHENTIC | view::OPCODE | view::RESERVED),
        0,
        "AD is never believed here"
    );
    let asked =
        [question.name.as_bytes(), &u16::from(question.qtype).to_be_bytes(), &question.qclass.to_be_bytes()]
            .concat();
    assert_eq!(view.question(), Some(asked.as_slice()));
    assert!(
        view.records().all(|record| record.class == view::IN || record.rtype == view::OPT),
        "another class"
    );
    assert_eq!(view.opts.len(), usize::from(question.edns.is_some()));
    assert!(out.len() <= usize::from(room.limit(question)), "{} octets", out.len());
    view
}
