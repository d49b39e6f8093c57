//! What is asked: every name with every type and every set of flags.

use super::zones::{NAMES, REVERSE, ZONES};
use hickory_proto::rr::RecordType;
use std::fmt;

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The name without the dot at its end.
    pub(crate) name: String,
    pub(crate) qtype: RecordType,
    pub(crate) flags: Flags,
}

/// What a client says besides.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are bits of the message")]
pub(crate) struct Flags {
    pub(crate) name: &'static str,
    pub(crate) checking_disabled: bool,
    pub(crate) authentic: bool,
    pub(crate) edns: bool,
    pub(crate) dnssec: bool,
}

const PLAIN: Flags =
    Flags { name: "", checking_disabled: false, authentic: false, edns: false, dnssec: false };

/// Every set of flags.
const FLAGS: [Flags; 6] = [
    PLAIN,
    Flags { name: "+edns", edns: true, ..PLAIN },
    Flags { name: "+ad", authentic: true, ..PLAIN },
    Flags { name: "+do", edns: true, dnssec: true, ..PLAIN },
    Flags { name: "+cd", checking_disabled: true, ..PLAIN },
    Flags { name: "+do +cd", edns: true, dnssec: true, checking_disabled: true, ..PLAIN },
];

/// Every type.
const TYPES: [RecordType; 8] = [
    RecordType::AAAA,
    RecordType::A,
    RecordType::TXT,
    RecordType::MX,
    RecordType::HTTPS,
    RecordType::CNAME,
    RecordType::SOA,
    RecordType::DS,
];

/// Names outside of the zones, each with the types that it is asked with.
const OTHERS: &[(&str, &[RecordType])] = &[
    ("ipv4only.arpa", &[RecordType::A, RecordType::AAAA, RecordType::MX]),
    ("localhost", &[RecordType::A, RecordType::AAAA]),
    ("x.invalid", &[RecordType::A, RecordType::AAAA]),
    ("x.onion", &[RecordType::A, RecordType::AAAA]),
];

impl Question {
    /// The name below its zone, or the whole name.
    pub(crate) fn label(&self) -> &str {
        let zone = ZONES.iter().find_map(|zone| self.name.strip_suffix(zone)?.strip_suffix('.'));
        zone.unwrap_or(&self.name)
    }

    /// Whether the zone is signed.
    pub(crate) fn is_signed(&self) -> bool {
        self.name.ends_with(ZONES[1])
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.qtype, self.flags.name)
    }
}

/// All questions, each once.
pub(crate) fn all() -> Vec<Question> {
    let mut list = Vec::new();
    let mut add = |name: String, types: &[RecordType]| {
        for qtype in types {
            list.extend(FLAGS.map(|flags| Question { name: name.clone(), qtype: *qtype, flags }));
        }
    };
    for zone in ZONES {
        for name in NAMES {
            add(format!("{name}.{zone}"), &TYPES);
        }
    }
    for (name, types) in OTHERS {
        add((*name).to_owned(), types);
    }
    add(format!("1.{REVERSE}"), &[RecordType::PTR]);
    for address in ["2001:db8:64::c633:6401", "2001:db8:64::c633:64fe", "2001:db8:64::c000:aa"] {
        add(reverse_name(address), &[RecordType::PTR, RecordType::TXT]);
    }
    list
}

/// The reverse name of an IPv6 address (RFC 3596 §2.5).
fn reverse_name(address: &str) -> String {
    let bits = address.parse::<std::net::Ipv6Addr>().expect("an address of this file").to_bits();
    let nibbles: Vec<_> = (0..32).map(|place| format!("{:x}", (bits >> (4 * place)) & 0xf)).collect();
    format!("{}.ip6.arpa", nibbles.join("."))
}

/// Whether a zone is there, with its signatures.
pub(crate) fn signed_question(zone: &str) -> Question {
    Question { name: format!("v4.{zone}"), qtype: RecordType::A, flags: FLAGS[3] }
}
