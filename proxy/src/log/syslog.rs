//! What stands in front of a line in a datagram of syslog. Pure.
//!
//! RFC 3164 without the name of the host, which is how HAProxy and syslog(3) write it: the receiver knows the sender.

use super::dates::month;
use super::number::{digits, plain};
use crate::record::Stamp;
use config::model::Facility;

/// `info` (RFC 3164 §4.1.1): what HAProxy's lines about connections are.
const SEVERITY: u8 = 6;

/// What is the same in front of every line.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub(super) facility: Facility,
    pub(super) tag: String,
    /// The process.
    pub(super) pid: u32,
}

impl Envelope {
    /// Writes what stands in front of a line that is written at this moment.
    pub(super) fn write(&self, now: &Stamp, out: &mut Vec<u8>) {
        out.push(b'<');
        plain((self.facility.code() * 8 + SEVERITY).into(), out);
        out.push(b'>');
        out.extend_from_slice(month(now).as_bytes());
        let local = now.local;
        out.extend_from_slice(if local.day() < 10 { b"  " } else { b" " });
        plain(local.day().unsigned_abs().into(), out);
        for (mark, number) in [(b' ', local.hour()), (b':', local.minute()), (b':', local.second())] {
            out.push(mark);
            digits(number.unsigned_abs().into(), 2, out);
        }
        out.push(b' ');
        out.extend_from_slice(self.tag.as_bytes());
        out.push(b'[');
        plain(self.pid.into(), out);
        out.extend_from_slice(b"]: ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Event;
    use crate::record::Fault;
    use crate::record::tests::record;
    use jiff::civil::date;

    fn text(envelope: &Envelope, now: Stamp) -> String {
        let mut out = Vec::new();
        envelope.write(&now, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn facility_time_tag_and_process_stand_in_front() {
        let envelope = Envelope { facility: Facility::Local0, tag: "gw1".to_owned(), pid: 4242 };
        let now = record(Event::Refused(Fault::LateHeader)).accepted;
        let check = |now: Stamp, expect: &str| {
            assert_eq!(text(&envelope, now), expect);
        };
        check(now, "<134>Feb  6 12:12:51 gw1[4242]: ");
        check(Stamp { local: date(2026, 12, 31).at(0, 0, 0, 0), ..now }, "<134>Dec 31 00:00:00 gw1[4242]: ");
        let mail = Envelope { facility: Facility::Mail, ..envelope.clone() };
        assert!(text(&mail, now).starts_with("<22>"));
    }
}
