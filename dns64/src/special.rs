//! Special-use names that never leave the machine (RFC 6761, RFC 6762, RFC 7686, RFC 9462).
//!
//! One table row per name. Choice: `test`, `home.arpa` and the private reverse zones of RFC 6303 are forwarded, since
//! the upstream of a router often serves exactly those.

use crate::name::WireName;
use crate::question::Question;
use crate::reply::Reply;
use crate::zone::Zone;
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// TTL in seconds of loopback records.
const TTL: u32 = 10_800;

/// What becomes of a name and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// The loopback addresses (RFC 6761 §6.3).
    Loopback,
    /// The reverse of a loopback address (RFC 6303 §4.1, §4.3).
    LoopbackReverse,
    /// Does not exist.
    Absent,
    /// Exists without records (RFC 9462 §6.4).
    Empty,
}

/// Zone, what becomes of it, and the document that says so.
const TABLE: [(&[u8], Use, &str); 7] = [
    (b"\x09localhost\x00", Use::Loopback, "RFC 6761 §6.3"),
    (b"\x07invalid\x00", Use::Absent, "RFC 6761 §6.4"),
    (b"\x05onion\x00", Use::Absent, "RFC 7686 §2"),
    (b"\x05local\x00", Use::Absent, "RFC 6762 §22.1"),
    (b"\x08resolver\x04arpa\x00", Use::Empty, "RFC 9462 §6.4"),
    (b"\x03127\x07in-addr\x04arpa\x00", Use::LoopbackReverse, "RFC 6303 §4.1"),
    (
        b"\x011\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\
          \x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x010\x03ip6\x04arpa\x00",
        Use::LoopbackReverse,
        "RFC 6303 §4.3",
    ),
];

/// The reply where the name is special; `None` elsewhere.
pub(crate) fn answer(question: &Question) -> Option<Reply> {
    let (zone, becomes) = TABLE
        .iter()
        .find_map(|&(zone, becomes, _)| question.name.labels_below(zone).map(|_| (zone, becomes)))?;
    let owner = || question.name.to_name();
    let one = |rdata| Zone::answer(vec![Record::from_rdata(owner(), TTL, rdata)]);
    let zone = Zone::new(WireName::parse(zone).expect("a constant name").to_name());
    Some(match (becomes, question.qtype) {
        (Use::Loopback, RecordType::A) => one(RData::A(A(Ipv4Addr::LOCALHOST))),
        (Use::Loopback, RecordType::AAAA) => one(RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
        (Use::LoopbackReverse, RecordType::PTR) => one(RData::PTR(PTR(localhost()))),
        (Use::Loopback | Use::LoopbackReverse | Use::Empty, _) => zone.no_data(),
        (Use::Absent, _) => zone.name_error(),
    })
}

fn localhost() -> Name {
    Name::from_str("localhost.").expect("a constant name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::tests::{built, question, shown};
    use hickory_proto::op::ResponseCode;

    fn ask(name: &str, qtype: RecordType) -> Option<Reply> {
        answer(&question(name, qtype))
    }

    #[test]
    fn localhost_is_the_loopback_and_is_not_synthesized() {
        for name in ["localhost", "LocalHost", "printer.localhost"] {
            assert_eq!(
                shown(&built(ask(name, RecordType::A)).answers),
                [format!("{name}. 10800 A 127.0.0.1")]
            );
            assert_eq!(
                shown(&built(ask(name, RecordType::AAAA)).answers),
                [format!("{name}. 10800 AAAA ::1")]
            );
            assert!(built(ask(name, RecordType::MX)).answers.is_empty());
        }
    }

    #[test]
    fn invalid_onion_and_local_do_not_exist() {
        for name in ["invalid", "a.invalid", "abc.onion", "printer.local"] {
            let reply = built(ask(name, RecordType::AAAA));
            assert_eq!(reply.rcode, ResponseCode::NXDomain, "{name}");
            assert_eq!(reply.authorities.len(), 1, "{name}");
        }
    }

    #[test]
    fn resolver_arpa_exists_without_records() {
        for name in ["resolver.arpa", "_dns.resolver.arpa"] {
            let reply = built(ask(name, RecordType::SVCB));
            assert_eq!((reply.rcode, reply.answers.len()), (ResponseCode::NoError, 0), "{name}");
        }
    }

    #[test]
    fn loopback_addresses_point_to_localhost() {
        let v6 = format!("1.{}ip6.arpa", "0.".repeat(31));
        for name in ["1.0.0.127.in-addr.arpa", &v6] {
            assert_eq!(
                shown(&built(ask(name, RecordType::PTR)).answers),
                [format!("{name}. 10800 PTR localhost.")]
            );
        }
    }

    #[test]
    fn names_that_only_look_special_are_not() {
        for name in ["notlocalhost", "localhost.example", "onion.example", "xonion", "test", "home.arpa"] {
            assert_eq!(ask(name, RecordType::A), None, "{name}");
        }
    }
}
