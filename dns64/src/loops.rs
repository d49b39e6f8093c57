//! Names by which a query that this daemon sent is known when it comes back.
//!
//! A resolver behind an upstream may forward to this one, and every query then goes in a circle. Such a resolver makes
//! its own message of a query: number, options and spelling are its own, so only the name is left to know a query by.
//! The names stand below `example`, which resolvers are not to treat as special (RFC 6761 §6.5) and of which the root
//! says that it does not exist; `test` and `invalid` stop at resolvers that follow RFC 6761 and would hide the circle.

use crate::name::WireName;
use crate::query::Query;
use crate::question::CLASS_IN;
use hickory_proto::rr::RecordType;

const ZONE: &[u8] = b"\x0eloop-detection\x07example\x00";

/// The question that carries `tag`.
pub(crate) fn question(tag: u64) -> Query {
    let label = format!("{tag:016x}");
    let labels = [label.as_bytes(), b"loop-detection", b"example"];
    Query {
        name: WireName::from_labels(labels).expect("three short labels are a name"),
        qtype: RecordType::TXT,
        qclass: CLASS_IN,
        recursion_desired: true,
        checking_disabled: false,
        dnssec_ok: false,
    }
}

/// The tag in `name`, if it is one of these names.
pub(crate) fn tag(name: &WireName) -> Option<u64> {
    name.labels_below(ZONE).filter(|below| *below == 1)?;
    let label = name.labels().next().filter(|label| label.len() == 16)?;
    let digit = |tag: u64, digit: &u8| Some(tag << 4 | u64::from(char::from(*digit).to_digit(16)?));
    label.iter().try_fold(0, digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_back_whatever_became_of_the_spelling() {
        for sent in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let name = question(sent).name;
            assert_eq!((tag(&name), tag(&name.respelt(&[0xff; 32]))), (Some(sent), Some(sent)));
        }
    }

    #[test]
    fn other_names_have_no_tag() {
        for other in [
            "loop-detection.example",
            "1.loop-detection.example",
            "x.0000000000000001.loop-detection.example",
            "000000000000000g.loop-detection.example",
            "0000000000000001.example",
        ] {
            let name = WireName::from_labels(other.split('.').map(str::as_bytes)).unwrap();
            assert_eq!(tag(&name), None, "{other}");
        }
    }
}
