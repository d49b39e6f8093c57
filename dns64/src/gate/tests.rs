//! Tables: who is received how, what a cookie changes, which replies share a limit.

use super::*;
use crate::question::{Asks, ClientEdns, Cookie};
use crate::reply::Room;
use crate::reply::tests::{built, question, shown, with_edns};
use crate::zone;
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::A;

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn terms(allow: &[&str]) -> Terms {
    let allow_from = Some(allow.iter().map(|net| net.parse().unwrap()).collect());
    Terms { allow_from, refuse: true, cookies: true, ..Terms::default() }
}

#[test]
fn who_is_on_the_list_is_answered_and_others_are_refused_or_dropped() {
    let refuse = terms(&["192.0.2.0/24", "2001:db8::/32"]);
    let drop = Terms { refuse: false, ..refuse.clone() };
    let everyone = Terms { allow_from: None, ..refuse.clone() };
    let check = |client: &str, listed: bool| {
        let client = socket(client);
        let refused = if listed { Reception::Welcome } else { Reception::Prohibited };
        assert_eq!(refuse.receive(client), Ok(refused), "{client}");
        let dropped = if listed { Ok(Reception::Welcome) } else { Err(DropReason::Denied) };
        assert_eq!(drop.receive(client), dropped, "{client}");
        assert_eq!(everyone.receive(client), Ok(Reception::Welcome), "{client}");
    };
    check("192.0.2.255:1024", true);
    check("[::ffff:192.0.2.1]:1024", true);
    check("[2001:db8:ffff::1]:1024", true);
    check("192.0.3.1:1024", false);
    check("[2001:db9::1]:1024", false);
    check("127.0.0.1:1024", false);
    assert_eq!(terms(&[]).receive(socket("192.0.2.1:1024")), Ok(Reception::Prohibited), "an empty list");
}

#[test]
fn nothing_goes_to_port_0_or_to_the_daemons_own_sockets() {
    let listen = ["127.0.0.1:53", "[::]:53"].map(socket).to_vec();
    let terms = Terms { listen, ..Terms::default() };
    let check = |client: &str, expect| assert_eq!(terms.receive(socket(client)), expect, "{client}");
    check("192.0.2.1:0", Err(DropReason::SourcePort));
    check("127.0.0.1:53", Err(DropReason::OwnAddress));
    check("[::ffff:127.0.0.1]:53", Err(DropReason::OwnAddress));
    check("[::1]:53", Err(DropReason::OwnAddress));
    check("127.0.0.1:5353", Ok(Reception::Welcome));
    check("127.0.0.2:53", Ok(Reception::Welcome));
    check("[2001:db8::1]:53", Ok(Reception::Welcome));
    check("192.0.2.53:53", Ok(Reception::Welcome));
}

#[test]
fn who_may_not_ask_is_told_why() {
    let reply = built(prohibited());
    assert_eq!((reply.rcode, reply.errors[0].code), (ResponseCode::Refused, 18));
}

#[test]
fn any_is_answered_with_one_small_record_over_udp_alone() {
    let any = question("www.example", RecordType::ANY);
    let reply = built(minimal_any(&any, Transport::Udp));
    assert_eq!(shown(&reply.answers), ["www.example. 3600 HINFO RFC8482 "]);
    assert_eq!(minimal_any(&any, Transport::Tcp), None);
    assert_eq!(minimal_any(&question("www.example", RecordType::A), Transport::Udp), None);
    let unknown = Some(ClientEdns { version: 1, ..ClientEdns::default() });
    for other in [Question { qclass: 3, ..any.clone() }, Question { edns: unknown, ..any }] {
        assert_eq!(minimal_any(&other, Transport::Udp), None, "{other:?}");
    }
}

fn gate() -> Gate {
    Gate::new([1; SECRET], [2; SECRET])
}

fn asking(cookie: Option<Cookie>, nsid: bool) -> Question {
    let plain = question("www.example", RecordType::AAAA);
    let edns =
        ClientEdns { payload: 1232, cookie, asks: Asks { nsid, ..Asks::default() }, ..ClientEdns::default() };
    Question { edns: Some(edns), ..plain }
}

const NOW: u32 = 1_700_000_000;

#[test]
fn a_cookie_is_answered_with_ours_and_proves_the_client_when_it_comes_back() {
    let (gate, client) = (gate(), "192.0.2.1".parse().unwrap());
    let on = Terms { cookies: true, ..Terms::default() };
    let first = asking(Some(Cookie { client: [7; 8], server: None }), false);
    let pass = gate.pass(&on, &first, client, Transport::Udp, || NOW);
    let sent = on.extras(&first, &pass).cookie.expect("a cookie");
    assert!(sent.starts_with(&[7; 8]) && !pass.proven);
    let server = sent.last_chunk().copied();
    let second = asking(Some(Cookie { client: [7; 8], server }), false);
    assert!(gate.pass(&on, &second, client, Transport::Udp, || NOW + 60).proven);
    let elsewhere = "192.0.2.2".parse().unwrap();
    assert!(!gate.pass(&on, &second, elsewhere, Transport::Udp, || NOW + 60).proven);
    gate.rotate([3; SECRET]);
    assert!(gate.pass(&on, &second, client, Transport::Udp, || NOW + 60).proven);
    gate.rotate([4; SECRET]);
    assert!(!gate.pass(&on, &second, client, Transport::Udp, || NOW + 60).proven);
    let off = Terms::default();
    let pass = gate.pass(&off, &second, client, Transport::Udp, || panic!("no cookie is looked at"));
    assert_eq!(pass, Pass { cookie: None, proven: false });
}

#[test]
fn the_servers_name_is_told_to_who_asks_where_it_has_one() {
    let gate = gate();
    let named = Terms { nsid: Some(b"gw1".to_vec()), ..Terms::default() };
    let check = |terms: &Terms, asks: bool, expect: Option<&[u8]>| {
        let question = asking(None, asks);
        let pass = gate.pass(terms, &question, "::1".parse().unwrap(), Transport::Udp, || NOW);
        assert_eq!(terms.extras(&question, &pass).nsid, expect);
    };
    check(&named, true, Some(b"gw1"));
    check(&named, false, None);
    check(&Terms::default(), true, None);
}

/// A reply about `question` with `answers` addresses, or with the SOA record of `zone`.
fn reply(question: &Question, rcode: ResponseCode, answers: u8, zone: Option<&str>) -> Vec<u8> {
    let address = |last| RData::A(A::new(192, 0, 2, last));
    let record = |last| Record::from_rdata(question.name.to_name(), 60, address(last));
    let authorities = zone.map(|zone| zone::soa(Name::from_ascii(zone).unwrap(), 60)).into_iter().collect();
    let answers = (0..answers).map(record).collect();
    let built = Built { rcode, answers, authorities, ..Built::default() };
    let mut out = Vec::new();
    let reply = Reply { origin: Origin::Forwarded, body: Body::Built(built) };
    reply.encode(question, Room::Datagram, Extras::default(), &mut out);
    out
}

/// What becomes of `reply` to `question` after as many like `first` as the limit allows.
fn after(first: (&str, &Question, &[u8]), then: (&str, &Question, &[u8])) -> Release {
    let (gate, terms) = (gate(), Terms { response_rate: 5, ..Terms::default() });
    let release = |(client, question, reply): (&str, &Question, &[u8])| {
        let pass = Pass { cookie: None, proven: false };
        gate.release(&terms, question, &pass, socket(client), reply, || Duration::from_secs(100))
    };
    for _ in 0..5 {
        assert_eq!(release(first), Release::Send);
    }
    release(then)
}

#[test]
fn replies_of_one_kind_to_one_network_share_a_limit_and_others_do_not() {
    let www = question("www.example", RecordType::A);
    let shouted = question("WWW.Example", RecordType::A);
    let (other, aaaa) = (question("other.example", RecordType::A), question("www.example", RecordType::AAAA));
    let answer = |question: &Question| reply(question, ResponseCode::NoError, 1, None);
    let negative = |question: &Question, rcode, zone| reply(question, rcode, 0, Some(zone));
    let absent = |question: &Question| negative(question, ResponseCode::NXDomain, "example");
    let none = |question: &Question| negative(question, ResponseCode::NoError, "EXAMPLE");
    let error = |question: &Question| reply(question, ResponseCode::ServFail, 0, None);
    let first = "192.0.2.1:1024";
    let check = |a: (&str, &Question, &[u8]), b: (&str, &Question, &[u8]), shared: bool| {
        assert_eq!(after(a, b) != Release::Send, shared, "{} {} and {} {}", a.0, a.1.name, b.0, b.1.name);
    };
    check((first, &www, &answer(&www)), (first, &shouted, &answer(&shouted)), true);
    check((first, &www, &answer(&www)), ("192.0.2.255:9", &www, &answer(&www)), true);
    check((first, &www, &answer(&www)), ("192.0.3.1:1024", &www, &answer(&www)), false);
    check(("[2001:db8::1]:1", &www, &answer(&www)), ("[2001:db8:0:ff::1]:1", &www, &answer(&www)), true);
    check(("[2001:db8::1]:1", &www, &answer(&www)), ("[2001:db8:0:100::1]:1", &www, &answer(&www)), false);
    check((first, &www, &answer(&www)), (first, &other, &answer(&other)), false);
    check((first, &www, &answer(&www)), (first, &aaaa, &answer(&aaaa)), false);
    check((first, &www, &absent(&www)), (first, &other, &absent(&other)), true);
    check((first, &www, &none(&www)), (first, &aaaa, &none(&aaaa)), true);
    check((first, &www, &none(&www)), (first, &www, &absent(&www)), false);
    let elsewhere = negative(&www, ResponseCode::NXDomain, "net");
    check((first, &www, &absent(&www)), (first, &www, &elsewhere), false);
    check((first, &www, &error(&www)), (first, &other, &error(&other)), true);
}

#[test]
fn of_what_is_over_the_limit_about_half_is_cut_off_and_the_rest_dropped() {
    let (gate, terms) = (gate(), Terms { response_rate: 1, ..Terms::default() });
    let count = |cookie: Option<[u8; 24]>, wanted: Release| {
        let release = |id: u16| {
            let question = Question { id, ..question("www.example", RecordType::A) };
            let answer = reply(&question, ResponseCode::NoError, 1, None);
            let pass = Pass { cookie, proven: false };
            gate.release(&terms, &question, &pass, socket("192.0.2.1:1024"), &answer, || Duration::ZERO)
        };
        (0..1000).filter(|id| release(*id) == wanted).count()
    };
    assert!((400..600).contains(&count(None, Release::Truncate)));
    assert!((400..600).contains(&count(None, Release::Drop)));
    assert!((400..600).contains(&count(Some([0; 24]), Release::BadCookie)));
    assert_eq!(count(Some([0; 24]), Release::Truncate), 0);
}

#[test]
fn a_good_cookie_a_connection_and_no_limit_keep_the_limit_away() {
    let gate = gate();
    let question = with_edns(&question("www.example", RecordType::A), 1232);
    let answer = reply(&question, ResponseCode::NoError, 1, None);
    let limited = Terms { response_rate: 1, cookies: true, ..Terms::default() };
    let check = |terms: &Terms, proven: bool| {
        let pass = Pass { cookie: None, proven };
        for _ in 0..100 {
            let release = gate.release(terms, &question, &pass, socket("192.0.2.1:1"), &answer, || {
                panic!("no time is read")
            });
            assert_eq!(release, Release::Send);
        }
    };
    check(&limited, true);
    check(&Terms::default(), false);
    let pass = gate.pass(&limited, &question, "192.0.2.1".parse().unwrap(), Transport::Tcp, || NOW);
    assert!(pass.proven, "who completed a handshake");
}
