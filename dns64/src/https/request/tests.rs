use super::*;
use crate::answer::Failure;
use crate::reply::tests::question;
use crate::reply::{Extras, Reply, Room};
use crate::zone::Zone;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record};
use http::Request;
use std::net::Ipv4Addr;
use std::str::FromStr;

const PATH: &str = "/dns-query";

fn judged(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Asks, Refused> {
    let request = Request::builder().method(method).uri(target);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    judge(&request.body(()).unwrap().into_parts().0, PATH)
}

#[test]
fn a_message_stands_in_the_path_of_a_get_or_is_the_body_of_a_post() {
    // The example of RFC 8484 §4.1.1.
    let target = "/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";
    let Ok(Asks::InPath(message)) = judged("GET", target, &[]) else { panic!("a message") };
    assert_eq!((message.len(), &message[12..17]), (33, &b"\x03www\x07"[..]));
    assert_eq!(judged("GET", "/dns-query?ct=x&dns=AAAA", &[]), Ok(Asks::InPath(vec![0, 0, 0])));
    for media_type in ["application/dns-message", "Application/DNS-Message; charset=x"] {
        assert_eq!(judged("POST", PATH, &[("content-type", media_type)]), Ok(Asks::InBody));
    }
}

#[test]
fn requests_without_a_message_get_the_right_error() {
    let message = ("content-type", "application/dns-message");
    let check = |method, target: &str, headers: &[(&str, &str)], expect: u16| {
        let refused = judged(method, target, headers).unwrap_err();
        let response = refused.response();
        assert_eq!(response.status().as_u16(), expect, "{method} {target} {headers:?}");
        assert!(!response.body().is_empty());
        assert_eq!(response.headers().contains_key(ALLOW), expect == 405);
    };
    check("GET", "/", &[], 404);
    check("POST", "/dns-query/", &[message], 404);
    check("GET", "/dns-query", &[], 400);
    check("GET", "/dns-query?name=www.example", &[], 400);
    check("GET", "/dns-query?dns=AA%3D%3D", &[], 400);
    check("GET", "/dns-query?dns=AA==", &[], 400);
    check("GET", &format!("/dns-query?dns={}", "A".repeat(6000)), &[], 413);
    check("PUT", "/dns-query", &[message], 405);
    check("HEAD", "/dns-query?dns=AAAA", &[], 405);
    check("POST", "/dns-query", &[], 415);
    check("POST", "/dns-query", &[("content-type", "application/json")], 415);
    check("POST", "/dns-query", &[message, ("content-length", "4097")], 413);
}

#[test]
fn a_reply_may_be_kept_as_long_as_its_records_say() {
    let question = question("v4.example", RecordType::A);
    let a = |ttl| Record::from_rdata(question.name.to_name(), ttl, RData::A(A(Ipv4Addr::new(192, 0, 2, 1))));
    let check = |reply: Reply, expect: Option<u32>| {
        let mut octets = Vec::new();
        reply.encode(&question, Room::Stream, Extras::default(), &mut octets);
        assert_eq!(freshness(&octets), expect);
        let response = response(octets);
        let header = response.headers()[CACHE_CONTROL].to_str().unwrap().to_owned();
        assert_eq!(header, format!("max-age={}", expect.unwrap_or(0)));
    };
    check(Zone::answer(vec![a(300), a(60), a(600)]), Some(60));
    let zone = Zone::new(Name::from_str("example.").unwrap());
    check(zone.no_data(), Some(10_800));
    check(zone.name_error(), Some(10_800));
    check(Zone::answer(vec![]), None);
    check(Reply::failed(Failure::Silent), None);
    assert_eq!(freshness(b"\x00\x00\x80\x00"), None);
}
