//! `ipv4only.arpa`, the name that tells clients the prefix (RFC 7050), and the reverse names of its two addresses.
//!
//! Served here whatever the upstreams do and whatever DO and CD say (RFC 8880 §7.1), since phones leave a network
//! where it does not resolve. Only its DS record is asked for upstream: the delegation is insecure and the parent
//! proves it. A client without synthesis gets the A records and no AAAA, which tells it that there is no NAT64.
//! The addresses are embedded in each of the client's prefixes, past every range policy. Choice: SOA and NS at the
//! apex have no data, as RFC 8880 §7.1 says of every type but A, AAAA and DS, where BIND answers them.

use crate::policy::Synthesis;
use crate::question::Question;
use crate::reply::Reply;
use crate::zone::Zone;
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The Well-Known IPv4 Addresses (RFC 7050 §8.2).
pub(crate) const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];

/// TTL in seconds of the zone's records.
const TTL: u32 = 3600;

const ZONE: &[u8] = b"\x08ipv4only\x04arpa\x00";

const REVERSE_ZONES: [&[u8]; 2] =
    [b"\x03170\x010\x010\x03192\x07in-addr\x04arpa\x00", b"\x03171\x010\x010\x03192\x07in-addr\x04arpa\x00"];

/// The reply where the question is about these names; `None` elsewhere and for DS, which goes upstream.
pub(crate) fn answer(question: &Question, synthesis: Option<&Synthesis>) -> Option<Reply> {
    if let Some(below) = question.name.labels_below(ZONE) {
        let zone = Zone::new(apex());
        return match (below, question.qtype) {
            (0, RecordType::DS) => None,
            (0, RecordType::A) => Some(Zone::answer(records(question, ADDRESSES.map(|v4| RData::A(A(v4)))))),
            (0, RecordType::AAAA) => Some(match synthesis {
                Some(synthesis) => Zone::answer(records(question, mapped(synthesis))),
                None => zone.no_data(),
            }),
            (0, _) => Some(zone.no_data()),
            _ => Some(zone.name_error()),
        };
    }
    let (below, zone) =
        REVERSE_ZONES.iter().find_map(|zone| Some((question.name.labels_below(zone)?, *zone)))?;
    Some(match (below, question.qtype) {
        (0, RecordType::PTR) => Zone::answer(vec![pointer(question.name.to_name())]),
        (0, _) => reverse_zone(zone).no_data(),
        _ => reverse_zone(zone).name_error(),
    })
}

/// `owner PTR ipv4only.arpa.`
pub(crate) fn pointer(owner: Name) -> Record {
    Record::from_rdata(owner, TTL, RData::PTR(PTR(apex())))
}

fn apex() -> Name {
    Name::from_str("ipv4only.arpa.").expect("a constant name")
}

fn reverse_zone(zone: &[u8]) -> Zone {
    Zone::new(crate::name::WireName::parse(zone).expect("a constant name").to_name())
}

/// Both addresses in each prefix; each address counts for one record per prefix, addresses first.
fn mapped(synthesis: &Synthesis) -> impl Iterator<Item = RData> + '_ {
    ADDRESSES
        .into_iter()
        .flat_map(|v4| synthesis.prefixes.iter().map(move |rule| RData::AAAA(AAAA(rule.address(v4)))))
}

fn records(question: &Question, data: impl IntoIterator<Item = RData>) -> Vec<Record> {
    let owner = question.name.to_name();
    data.into_iter().map(|rdata| Record::from_rdata(owner.clone(), TTL, rdata)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::synthesis;
    use crate::reply::tests::{built, question, shown};
    use hickory_proto::op::ResponseCode;

    fn ask(name: &str, qtype: RecordType, prefixes: &[&str]) -> Option<Reply> {
        let synthesis = (!prefixes.is_empty()).then(|| synthesis(prefixes));
        answer(&question(name, qtype), synthesis.as_ref())
    }

    #[test]
    fn a_gives_both_well_known_addresses() {
        let reply = built(ask("ipv4only.arpa", RecordType::A, &[]));
        assert_eq!(
            shown(&reply.answers),
            ["ipv4only.arpa. 3600 A 192.0.0.170", "ipv4only.arpa. 3600 A 192.0.0.171"]
        );
        assert!(reply.authoritative);
    }

    #[test]
    fn aaaa_gives_every_address_in_every_prefix_even_the_well_known_one() {
        let reply = built(ask("IPv4only.ARPA", RecordType::AAAA, &["2001:db8:64::/96", "64:ff9b::/96"]));
        assert_eq!(
            shown(&reply.answers),
            [
                "IPv4only.ARPA. 3600 AAAA 2001:db8:64::c000:aa",
                "IPv4only.ARPA. 3600 AAAA 64:ff9b::c000:aa",
                "IPv4only.ARPA. 3600 AAAA 2001:db8:64::c000:ab",
                "IPv4only.ARPA. 3600 AAAA 64:ff9b::c000:ab",
            ]
        );
    }

    #[test]
    fn a_client_without_synthesis_gets_no_aaaa() {
        let reply = built(ask("ipv4only.arpa", RecordType::AAAA, &[]));
        assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 0));
        assert!(shown(&reply.authorities)[0].starts_with("ipv4only.arpa. 10800 SOA"));
    }

    #[test]
    fn other_types_have_no_data_and_ds_goes_upstream() {
        for qtype in [RecordType::TXT, RecordType::MX, RecordType::NS, RecordType::SOA, RecordType::HTTPS] {
            let reply = built(ask("ipv4only.arpa", qtype, &["64:ff9b::/96"]));
            assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 0), "{qtype}");
        }
        assert_eq!(ask("ipv4only.arpa", RecordType::DS, &["64:ff9b::/96"]), None);
    }

    #[test]
    fn names_below_do_not_exist() {
        for name in ["a.ipv4only.arpa", "a.b.ipv4only.arpa", "x.170.0.0.192.in-addr.arpa"] {
            assert_eq!(
                built(ask(name, RecordType::AAAA, &["64:ff9b::/96"])).rcode,
                ResponseCode::NXDomain,
                "{name}"
            );
        }
    }

    #[test]
    fn the_reverse_names_of_both_addresses_point_back() {
        for name in ["170.0.0.192.in-addr.arpa", "171.0.0.192.in-addr.arpa"] {
            let reply = built(ask(name, RecordType::PTR, &[]));
            assert_eq!(shown(&reply.answers), [format!("{name}. 3600 PTR ipv4only.arpa.")]);
            assert!(built(ask(name, RecordType::A, &[])).answers.is_empty());
        }
        assert_eq!(ask("172.0.0.192.in-addr.arpa", RecordType::PTR, &[]), None);
        assert_eq!(ask("example.arpa", RecordType::A, &[]), None);
    }
}
