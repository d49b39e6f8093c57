//! An explanation as lines for people.

use super::Explanation;
use crate::verdict::{Direction, Reply, Verdict};
use std::fmt;

/// Width of the left column.
const TOPIC: usize = 12;

/// Packets that are shown, and bytes of each; of more only the number is told.
const SHOWN: usize = 4;
const BYTES: usize = 128;
const BYTES_IN_LINE: usize = 16;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let mark = if step.refused.is_some() { "refused: " } else { "" };
            row(f, step.topic, format_args!("{mark}{}", step.text))?;
        }
        self.verdict_rows(f)?;
        for packet in self.leaving.iter().take(SHOWN) {
            row(f, "leaves", &packet.text)?;
            for line in packet.bytes[..packet.bytes.len().min(BYTES)].chunks(BYTES_IN_LINE) {
                let words: Vec<String> = line.chunks(2).map(hex).collect();
                row(f, "", words.join(" "))?;
            }
            if packet.bytes.len() > BYTES {
                row(f, "", format_args!("... {} bytes more", packet.bytes.len() - BYTES))?;
            }
        }
        if self.leaving.len() > SHOWN {
            row(f, "", format_args!("... {} packets more", self.leaving.len() - SHOWN))?;
        }
        Ok(())
    }
}

impl Explanation {
    fn verdict_rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::Forward(direction) => {
                row(f, "verdict", format_args!("translated, {}", words(direction)))
            }
            Verdict::Split(direction) => {
                let count = self.leaving.len();
                row(f, "verdict", format_args!("translated, {}, into {count} packets", words(direction)))
            }
            Verdict::Reply(Reply::Echo) => row(f, "verdict", "answered with an echo reply"),
            Verdict::Reply(Reply::Error(reason)) => {
                let rate = self.icmp_error_rate;
                row(
                    f,
                    "verdict",
                    format_args!("not translated, and answered with an ICMP error: {}", reason.label()),
                )?;
                row(f, "meaning", reason.meaning())?;
                row(f, "remedy", reason.remedy())?;
                row(
                    f,
                    "limit",
                    format_args!("at most {rate} ICMP errors leave in a second (nat64.icmp_error_rate)"),
                )
            }
            Verdict::Drop(reason) => {
                row(f, "verdict", format_args!("dropped without a word: {}", reason.label()))?;
                row(f, "meaning", reason.meaning())?;
                row(f, "remedy", reason.remedy())
            }
        }
    }
}

fn row(f: &mut fmt::Formatter<'_>, topic: &str, text: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{topic:TOPIC$} {text}")
}

const fn words(direction: Direction) -> &'static str {
    match direction {
        Direction::V6ToV4 => "IPv6 to IPv4",
        Direction::V4ToV6 => "IPv4 to IPv6",
        Direction::V6ToV6 => "IPv6 to IPv6, turned around",
    }
}

/// Bytes in hexadecimal, two digits each.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
