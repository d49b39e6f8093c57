//! What is asked: files of questions for dnsperf, and the zone that has the answers.

use anyhow::{Context, Result};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The zone: every name in it has an A record and no AAAA record.
pub const ZONE: &str = "wild.example";

/// The address of all names.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// How long answers may be kept, in seconds: longer than any run.
pub const TTL: u32 = 86_400;

/// The prefix of all resolvers.
pub const PREFIX: &str = "2001:db8:64::/96";

/// What a resolver has to answer.
///
/// # Panics
/// Never: a test of this module calls it.
pub fn synthesized() -> Ipv6Addr {
    let prefix: addr::Prefix64 = PREFIX.parse().expect("the prefix is one");
    prefix.embed(ADDRESS)
}

/// The name of this number.
pub fn name(number: u32) -> String {
    format!("n{number}.{ZONE}")
}

/// Questions for the AAAA records of the names of these numbers, as octets, in the order of [`write()`].
pub fn messages(numbers: Range<u32>) -> Result<Vec<Vec<u8>>> {
    each(numbers).collect()
}

/// The same, one by one.
pub fn each(numbers: Range<u32>) -> impl Iterator<Item = Result<Vec<u8>>> {
    let message = |number| {
        let mut query = Message::query();
        query.metadata.recursion_desired = true;
        let mut owner = Name::from_ascii(name(number))?;
        owner.set_fqdn(true);
        query.add_query(Query::query(owner, RecordType::AAAA));
        Ok(query.to_vec()?)
    };
    shuffled(numbers).map(message)
}

/// Whether these octets are an answer without an error and with a record (RFC 1035 §4.1.1).
pub fn is_answer(reply: &[u8]) -> bool {
    matches!(reply, [_, _, first, second, _, _, high, low, ..]
        if first & 0x80 != 0 && second.trailing_zeros() >= 4 && (*high, *low) != (0, 0))
}

/// Writes a file in `folder` that asks for the AAAA records of the names of these numbers, in an order that no cache
/// can guess.
pub fn write(folder: &Path, numbers: Range<u32>) -> Result<PathBuf> {
    let file = folder.join(format!("questions-{}-{}", numbers.start, numbers.end));
    let mut text = String::new();
    for number in shuffled(numbers) {
        writeln!(text, "{} AAAA", name(number))?;
    }
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// All of `numbers`, each once: steps of a length that shares no factor with how many there are.
fn shuffled(numbers: Range<u32>) -> impl Iterator<Item = u32> {
    let count = u64::from(numbers.end - numbers.start);
    let step = (count * 5 / 8..count).find(|step| coprime(*step, count)).unwrap_or(1);
    let at = move |place: u64| u32::try_from(place * step % count.max(1)).unwrap_or_default();
    (0..count).map(move |place| numbers.start + at(place))
}

fn coprime(a: u64, b: u64) -> bool {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

/// The zone's file.
pub fn zone() -> String {
    format!(
        "$TTL {TTL}\n@ SOA ns.{ZONE}. admin.{ZONE}. 1 3600 600 {TTL} {TTL}\n@ NS ns\nns A 192.0.2.53\n* A {ADDRESS}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_is_asked_once_in_another_order() {
        for numbers in [0..1, 5..6, 0..10, 100..1_100, 7..30_007] {
            let found: Vec<u32> = shuffled(numbers.clone()).collect();
            assert_eq!(found.iter().copied().collect::<HashSet<_>>(), numbers.clone().collect());
            assert_eq!(found.len(), numbers.len());
            assert!(numbers.len() < 3 || !found.is_sorted(), "{numbers:?}");
        }
    }

    #[test]
    fn answers_are_told_from_questions_and_errors() {
        let query = messages(0..1).unwrap().remove(0);
        assert!(!is_answer(&query));
        let with = |flags: [u8; 2], answers| {
            let mut reply = query.clone();
            reply[2..4].copy_from_slice(&flags);
            reply[7] = answers;
            reply
        };
        assert!(is_answer(&with([0x81, 0x80], 1)));
        assert!(!is_answer(&with([0x81, 0x80], 0)), "no record");
        assert!(!is_answer(&with([0x81, 0x82], 1)), "an error");
        assert!(!is_answer(&query[..6]), "cut");
    }

    #[test]
    fn address_is_in_the_prefix() {
        assert_eq!(synthesized().to_string(), "2001:db8:64::c633:6401");
    }
}
