//! Discovery of designated resolvers (RFC 9462): what clients of plain DNS learn of the other listeners.

use super::tls::connect;
use super::{FILE, NAME, Site, pem};
use crate::daemon::{Daemon, ask_udp, file, framed, listener, read_framed};
use crate::scripted::Scripted;
use crate::world::{PREF64, question, synthesized, v6};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::SVCB;
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use tokio::io::AsyncWriteExt;

const ASKED: &str = "_dns.resolver.arpa.";

fn designated(reply: &Message) -> Vec<SVCB> {
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
    let svcb = |data: &RData| if let RData::SVCB(svcb) = data { Some(svcb.clone()) } else { None };
    reply.answers.iter().filter_map(|record| svcb(&record.data)).collect()
}

/// Protocol, address and path of a record.
fn read(svcb: &SVCB) -> (String, SocketAddr, Option<String>) {
    let (mut alpn, mut port, mut hint, mut path) = (None, None, None, None);
    for (_, value) in &svcb.svc_params {
        match value {
            SvcParamValue::Alpn(list) => alpn = Some(list.0.join(",")),
            SvcParamValue::Port(number) => port = Some(*number),
            SvcParamValue::Ipv4Hint(list) => hint = Some(IpAddr::V4(list.0[0].0)),
            SvcParamValue::Unknown(octets) => path = Some(String::from_utf8(octets.0.clone()).unwrap()),
            other => panic!("{other:?} in {svcb}"),
        }
    }
    (alpn.unwrap(), SocketAddr::new(hint.unwrap(), port.unwrap()), path)
}

#[tokio::test]
async fn clients_of_plain_dns_find_every_encrypted_listener() {
    let site = Site::new().await;
    let found = designated(&ask_udp(site.plain, ASKED, RecordType::SVCB).await);
    let read: Vec<_> = found.iter().map(read).collect();
    let expect = [
        ("dot".to_owned(), site.tls, None),
        ("h2".to_owned(), site.https, Some("/dns-query{?dns}".to_owned())),
        ("doq".to_owned(), site.quic, None),
    ];
    assert_eq!(read, expect);
    // What a client needs, it has: address, port, protocol, and the name to verify.
    let name = found[0].target_name.to_string();
    assert_eq!(name, format!("{NAME}."));
    let mut stream = connect(read[0].1, &site.pem, NAME).await;
    stream.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await.unwrap();
    assert_eq!(v6(&read_framed(&mut stream).await), synthesized());
    for (name, qtype) in [(ASKED, RecordType::AAAA), ("resolver.arpa.", RecordType::SVCB)] {
        let reply = ask_udp(site.plain, name, qtype).await;
        assert_eq!((designated(&reply).len(), reply.answers.len(), reply.authorities.len()), (0, 0, 1));
    }
    assert!(site.upstream.asked().iter().all(|asked| !asked.name.contains("resolver")), "it never leaves");
}

#[tokio::test]
async fn another_certificate_or_path_changes_what_they_find_live() {
    let site = Site::new().await;
    site.daemon.put(FILE, &pem(&["*.wild.example", "second.example"]));
    let text = site.text(PREF64, [site.tls, site.https, site.quic]);
    let text = text.replace("[dns64]\n", "[dns64]\nhttps_path = \"/other\"\n");
    assert!(site.daemon.reload(&text).await.starts_with("HTTP/1.1 200"));
    let found = designated(&ask_udp(site.plain, ASKED, RecordType::SVCB).await);
    assert!(found.iter().all(|svcb| svcb.target_name.to_string() == "second.example."), "{found:?}");
    assert_eq!(read(&found[1]).2.unwrap(), "/other{?dns}");
    // No name that a client could verify.
    site.daemon.put(FILE, &pem(&["*.wild.example"]));
    assert!(site.daemon.admin("POST", "/reload").await.starts_with("HTTP/1.1 200"));
    assert_eq!(designated(&ask_udp(site.plain, ASKED, RecordType::SVCB).await), []);
}

#[tokio::test]
async fn without_encrypted_listeners_there_is_nothing_to_find_and_nobody_is_asked() {
    let (upstream, address) = (Scripted::start(crate::scripted::only_a).await, listener());
    let forward = format!(
        "[[dns64.forward]]\ndomains = [\"arpa\", \"resolver.arpa\"]\nupstream = [\"{}\"]",
        upstream.address
    );
    let _daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], &forward)).await;
    let reply = ask_udp(address, ASKED, RecordType::SVCB).await;
    assert_eq!((designated(&reply).len(), reply.authorities.len()), (0, 1));
    assert!(upstream.asked().iter().all(|asked| !asked.name.contains("resolver")));
}
