//! The encrypted listeners as clients of plain DNS learn of them: the answer to `_dns.resolver.arpa` (RFC 9462 §4), one
//! SVCB record for each protocol and port (RFC 9461). Pure.
//!
//! A client verifies what it learns here by the certificate, which must hold for the address that it asked
//! (RFC 9462 §4.2). Choices: what listens on loopback alone is named only where everything does, since whoever comes
//! from elsewhere would look for it at home; a listener at the wildcard address has no hint, and its clients look up
//! the name; HTTP/1.1 is not named, and neither are AAAA and A records beside the hints.

use crate::question::Question;
use crate::reply::Reply;
use crate::zone::Zone;
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, SvcParamKey, SvcParamValue, Unknown};
use hickory_proto::rr::rdata::{A, AAAA, SVCB};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, SocketAddr};

/// The name that clients ask for.
const NAME: &[u8] = b"\x04_dns\x08resolver\x04arpa\x00";

/// TTL in seconds: a listener that moves is found within minutes.
const TTL: u32 = 300;

/// The key `dohpath` (RFC 9461 §5).
const DOHPATH: u16 = 7;

/// Where is listened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listening<'a> {
    /// In the clear.
    pub(crate) plain: &'a [SocketAddr],
    pub(crate) tls: &'a [SocketAddr],
    pub(crate) https: &'a [SocketAddr],
    pub(crate) quic: &'a [SocketAddr],
    pub(crate) https_path: &'a str,
}

/// What is said of `listening` by records that name `target`, the first one preferred.
pub(crate) fn records(listening: &Listening<'_>, target: &Name) -> Vec<SVCB> {
    let Listening { plain, tls, https, quic, https_path } = *listening;
    let protocols = [("dot", tls), ("h2", https), ("doq", quic)];
    let mut all = protocols.iter().map(|(_, list)| *list).chain([plain]).flatten();
    let only_here = all.all(|address| address.ip().is_loopback());
    let mut records = Vec::new();
    for (alpn, list) in protocols {
        let known = |address: &&SocketAddr| only_here || !address.ip().is_loopback();
        let mut ports: Vec<u16> = Vec::new();
        for port in list.iter().filter(known).map(SocketAddr::port) {
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        for port in ports {
            let at_port = list.iter().filter(known).filter(|address| address.port() == port);
            let hints: Vec<_> = at_port.map(SocketAddr::ip).filter(|ip| !ip.is_unspecified()).collect();
            let path = (alpn == "h2").then_some(https_path);
            let priority = u16::try_from(records.len() + 1).unwrap_or(u16::MAX);
            records.push(SVCB::new(priority, target.clone(), params(alpn, port, &hints, path)));
        }
    }
    records
}

/// In the order of their keys (RFC 9460 §2.2).
fn params(alpn: &str, port: u16, hints: &[IpAddr], path: Option<&str>) -> Vec<(SvcParamKey, SvcParamValue)> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for hint in hints {
        match hint {
            IpAddr::V4(address) => v4.push(A(*address)),
            IpAddr::V6(address) => v6.push(AAAA(*address)),
        }
    }
    let mut params = vec![
        (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec![alpn.to_owned()]))),
        (SvcParamKey::Port, SvcParamValue::Port(port)),
    ];
    if !v4.is_empty() {
        params.push((SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(v4))));
    }
    if !v6.is_empty() {
        params.push((SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(IpHint(v6))));
    }
    if let Some(path) = path {
        let template = format!("{path}{{?dns}}").into_bytes();
        params.push((SvcParamKey::Unknown(DOHPATH), SvcParamValue::Unknown(Unknown(template))));
    }
    params
}

/// The reply to a question about a name of `zone`, `resolver.arpa`: `designated` to who asks for it, and no data
/// otherwise.
pub(crate) fn answer(question: &Question, designated: &[SVCB], zone: &Zone) -> Reply {
    let asked = question.qtype == RecordType::SVCB && question.name.labels_below(NAME) == Some(0);
    if !asked || designated.is_empty() {
        return zone.no_data();
    }
    let record = |svcb: &SVCB| Record::from_rdata(question.name.to_name(), TTL, RData::SVCB(svcb.clone()));
    Zone::answer(designated.iter().map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn shown(plain: &[&str], tls: &[&str], https: &[&str], quic: &[&str]) -> Vec<String> {
        let [plain, tls, https, quic] = [plain, tls, https, quic]
            .map(|list| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>());
        let listening =
            Listening { plain: &plain, tls: &tls, https: &https, quic: &quic, https_path: "/dns-query" };
        let records = records(&listening, &Name::from_str("dns.example.").unwrap());
        records.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_protocol_and_port_has_its_record_with_the_addresses_there() {
        let records = shown(
            &["192.0.2.53:53"],
            &["192.0.2.53:853", "[2001:db8::53]:853", "192.0.2.54:853", "192.0.2.53:8853"],
            &["[2001:db8::53]:443"],
            &["192.0.2.53:853"],
        );
        assert_eq!(records.len(), 4, "{records:#?}");
        for (record, parts) in records.iter().zip([
            ["1 dns.example.", "dot", "853", "192.0.2.53,192.0.2.54", "2001:db8::53"],
            ["2 dns.example.", "dot", "8853", "192.0.2.53", ""],
            ["3 dns.example.", "h2", "443", "2001:db8::53", "/dns-query{?dns}"],
            ["4 dns.example.", "doq", "853", "192.0.2.53", ""],
        ]) {
            for part in parts {
                assert!(record.contains(part), "{part} in {record}");
            }
        }
        assert!(!records[0].contains("key7"), "only HTTPS has a path: {}", records[0]);
    }

    #[test]
    fn a_wildcard_has_no_hint_and_loopback_is_named_only_among_its_own() {
        let wildcard = shown(&["0.0.0.0:53"], &["[::]:853"], &[], &[]);
        assert!(wildcard.len() == 1 && !wildcard[0].contains("hint"), "{wildcard:?}");
        assert_eq!(shown(&["192.0.2.53:53"], &["127.0.0.1:853"], &[], &[]), [""; 0]);
        let here = shown(&["127.0.0.1:53"], &["127.0.0.1:853"], &[], &[]);
        assert!(here[0].contains("127.0.0.1"), "{here:?}");
        assert_eq!(shown(&["192.0.2.53:53"], &[], &[], &[]), [""; 0]);
    }
}
