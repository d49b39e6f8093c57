//! What stands in front of a line in a datagram of syslog. Pure.
//!
//! RFC 3164 without the name of the host, which is how HAProxy and syslog(3) write it: the receiver knows the sender.

use super::dates::month;
use crate::record::Stamp;
use config::model::Facility;
use std::fmt::{self, Display, Formatter};

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

/// What stands in front of one line.
pub(super) struct Front<'a> {
    pub(super) envelope: &'a Envelope,
    /// When it is written.
    pub(super) now: Stamp,
}

impl Display for Front<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Envelope { facility, tag, pid } = self.envelope;
        let priority = facility.code() * 8 + SEVERITY;
        let (month, local) = (month(&self.now), self.now.local);
        let (day, hour, minute, second) = (local.day(), local.hour(), local.minute(), local.second());
        write!(f, "<{priority}>{month} {day:>2} {hour:02}:{minute:02}:{second:02} {tag}[{pid}]: ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Event;
    use crate::record::Fault;
    use crate::record::tests::record;
    use jiff::civil::date;

    #[test]
    fn facility_time_tag_and_process_stand_in_front() {
        let envelope = Envelope { facility: Facility::Local0, tag: "gw1".to_owned(), pid: 4242 };
        let now = record(Event::Refused(Fault::LateHeader)).accepted;
        let check = |now: Stamp, expect: &str| {
            assert_eq!(Front { envelope: &envelope, now }.to_string(), expect);
        };
        check(now, "<134>Feb  6 12:12:51 gw1[4242]: ");
        check(Stamp { local: date(2026, 12, 31).at(0, 0, 0, 0), ..now }, "<134>Dec 31 00:00:00 gw1[4242]: ");
        let mail = Envelope { facility: Facility::Mail, ..envelope.clone() };
        assert!(Front { envelope: &mail, now }.to_string().starts_with("<22>"));
    }
}
