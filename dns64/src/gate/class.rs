//! What a reply is about, so that replies to forged questions fall into one kind however the questions differ.
//!
//! Records count by name and type; that there are none counts by the zone that says so, since one zone has names
//! without end that do not exist; errors are all one (as in BIND's response rate limiting).

use crate::question::Question;
use crate::wire::{self, HEADER, QUESTION_TAIL};
use std::hash::Hasher;

/// Record type SOA.
const SOA: u16 = 6;

/// Names followed through compression pointers.
const MOST_POINTERS: usize = 16;

/// Writes what `reply` to `question` is about to `hasher`.
pub(super) fn write(question: &Question, reply: &[u8], hasher: &mut impl Hasher) {
    let word = |at| wire::u16_at(reply, at).unwrap_or(0);
    let (rcode, answers) = (word(2) & wire::flag::RCODE, word(6));
    hasher.write_u16(rcode);
    match (rcode, answers) {
        (0, 1..) => {
            hasher.write_u16(question.qtype.into());
            write_name(question.name.as_bytes(), 0, hasher);
        }
        (0 | 3, _) => {
            if let Some(at) = soa(reply, question, answers, word(8)) {
                write_name(reply, at, hasher);
            }
        }
        _ => {}
    }
}

/// Where the SOA record of the authority section starts.
fn soa(reply: &[u8], question: &Question, answers: u16, authorities: u16) -> Option<usize> {
    let mut at = HEADER + question.name.as_bytes().len() + QUESTION_TAIL;
    for index in 0..u32::from(answers) + u32::from(authorities) {
        let record = wire::record(reply, at)?;
        if index >= u32::from(answers) && record.rtype == SOA {
            return Some(at);
        }
        at = record.data.end;
    }
    None
}

/// Writes the name at `at`, whatever its case and its compression.
fn write_name(message: &[u8], mut at: usize, hasher: &mut impl Hasher) {
    let mut pointers = 0;
    while let Some(&length) = message.get(at) {
        if length & 0xc0 == 0xc0 && pointers < MOST_POINTERS {
            let Some(target) = wire::u16_at(message, at) else { return };
            at = usize::from(target & 0x3fff);
            pointers += 1;
            continue;
        }
        let label = message.get(at..=at + usize::from(length)).filter(|label| (2..65).contains(&label.len()));
        let Some(label) = label else { return };
        for octet in label {
            hasher.write_u8(octet.to_ascii_lowercase());
        }
        at += label.len();
    }
}
