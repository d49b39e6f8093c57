//! HAProxy's `option tcplog`, and its line about a connection that was closed before it was served. Pure.
//!
//! HAProxy's manual, sections 8.2.2 and 8.2.6. The format of a connection is
//! `%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq`.

use crate::record::{Ended, Event, Fault, Record, Stamp};
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::time::Duration;

/// A record in HAProxy's words.
pub(super) struct Tcplog<'a>(pub(super) &'a Record<'a>);

/// Months as HAProxy and syslog name them.
pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Display for Tcplog<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Record { client, accepted, listener, is_tls, socket, event } = self.0;
        match client {
            // Without brackets: the last colon parts the port.
            Some(SocketAddr::V6(client)) => write!(f, "{}:{}", client.ip(), client.port())?,
            Some(SocketAddr::V4(client)) => write!(f, "{client}")?,
            None => write!(f, "unix:{socket}")?,
        }
        write!(f, " [{}] {listener}", Date(accepted))?;
        match event {
            Event::Ended(ended) => write!(f, "{} {}", if *is_tls { "~" } else { "" }, OfEnded(ended)),
            Event::Refused(fault) => write!(f, "/{socket}: {}", Fault::text(*fault)),
        }
    }
}

struct OfEnded<'a>(&'a Ended<'a>);

impl Display for OfEnded<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Ended { pool, member, course, total, bytes, ending, load } = self.0;
        write!(
            f,
            "{pool}/{} {}/{}/{} {} {} {}/{}/{}/{}/{}{} {}/{}",
            member.unwrap_or("<NOSRV>"),
            Millis(course.queue),
            Millis(course.connect),
            Millis(Some(*total)),
            bytes.sent,
            ending.state(),
            load.process,
            load.listener,
            load.pool,
            load.member,
            if course.redispatched { "+" } else { "" },
            course.retries,
            course.ahead.of_member,
            course.ahead.of_pool,
        )
    }
}

/// `22/Nov/2026:13:57:57.521`
struct Date<'a>(&'a Stamp);

impl Display for Date<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let local = self.0.local;
        let (day, month, year) = (local.day(), month(self.0), local.year());
        let (hour, minute, second) = (local.hour(), local.minute(), local.second());
        let millisecond = local.millisecond();
        write!(f, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02}.{millisecond:03}")
    }
}

pub(super) fn month(stamp: &Stamp) -> &'static str {
    let number = usize::try_from(stamp.local.month()).unwrap_or(1);
    MONTHS[number.clamp(1, 12) - 1]
}

/// Whole milliseconds; -1 is what never came.
struct Millis(Option<Duration>);

impl Display for Millis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "{}", time.as_millis()),
            None => f.write_str("-1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{ended, record};
    use crate::record::{Course, Ending};

    fn check(record: &Record<'_>, expect: &str) {
        assert_eq!(Tcplog(record).to_string(), expect);
    }

    #[test]
    fn a_connection_is_one_line() {
        let record = record(Event::Ended(ended()));
        let rest = "[06/Feb/2026:12:12:51.443] fnt bck/srv1 1/0/5007 212 -- 9/8/7/6/3 4/5";
        check(&record, &format!("2001:db8::1:33313 {rest}"));
        let client = "192.0.2.1:33313".parse().ok();
        check(&Record { client, ..record }, &format!("192.0.2.1:33313 {rest}"));
        check(&Record { client: None, ..record }, &format!("unix:2 {rest}"));
        let rest = rest.replace("fnt", "fnt~");
        check(&Record { is_tls: true, ..record }, &format!("2001:db8::1:33313 {rest}"));
    }

    #[test]
    fn what_never_came_is_minus_one_and_no_member_is_nosrv() {
        let ended = Ended { member: None, course: Course::default(), ending: Ending::NoMember, ..ended() };
        check(
            &record(Event::Ended(ended)),
            "2001:db8::1:33313 [06/Feb/2026:12:12:51.443] fnt bck/<NOSRV> -1/-1/5007 212 SC 9/8/7/6/0 0/0",
        );
    }

    #[test]
    fn a_plus_tells_of_another_member() {
        let mut ended = ended();
        ended.course.redispatched = true;
        let line = Tcplog(&record(Event::Ended(ended))).to_string();
        assert!(line.ends_with(" 9/8/7/6/+3 4/5"), "{line}");
    }

    #[test]
    fn a_connection_that_is_not_served_has_its_reason() {
        check(
            &record(Event::Refused(Fault::LateHeader)),
            "2001:db8::1:33313 [06/Feb/2026:12:12:51.443] fnt/2: Timeout while waiting for PROXY protocol header",
        );
    }
}
