//! Moments as HAProxy writes them. Pure.

use super::number::digits;
use crate::record::Stamp;

/// Months as HAProxy and syslog name them.
pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

pub(super) fn month(stamp: &Stamp) -> &'static str {
    let number = usize::try_from(stamp.local.month()).unwrap_or(1);
    MONTHS[number.clamp(1, 12) - 1]
}

/// `22/Nov/2026:13:57:57.521`
pub(super) fn precise(stamp: &Stamp, out: &mut Vec<u8>) {
    seconds(stamp, out);
    out.push(b'.');
    milliseconds(stamp, out);
}

/// `22/Nov/2026:13:57:57 +0100`
pub(super) fn with_offset(stamp: &Stamp, out: &mut Vec<u8>) {
    seconds(stamp, out);
    let ahead = stamp.offset.seconds() / 60;
    out.extend_from_slice(if ahead < 0 { b" -" } else { b" +" });
    part(ahead.abs() / 60, 2, out);
    part(ahead.abs() % 60, 2, out);
}

/// `2026-11-22T13:57:57.521+01:00` (RFC 3339).
pub(super) fn rfc3339(stamp: &Stamp, out: &mut Vec<u8>) {
    let local = stamp.local;
    part(local.year().into(), 4, out);
    for (mark, number) in [(b'-', local.month()), (b'-', local.day()), (b'T', local.hour())] {
        out.push(mark);
        part(number.into(), 2, out);
    }
    for number in [local.minute(), local.second()] {
        out.push(b':');
        part(number.into(), 2, out);
    }
    out.push(b'.');
    milliseconds(stamp, out);
    let ahead = stamp.offset.seconds() / 60;
    out.push(if ahead < 0 { b'-' } else { b'+' });
    part(ahead.abs() / 60, 2, out);
    out.push(b':');
    part(ahead.abs() % 60, 2, out);
}

/// The milliseconds alone, in three digits.
pub(super) fn milliseconds(stamp: &Stamp, out: &mut Vec<u8>) {
    part(stamp.local.millisecond().into(), 3, out);
}

fn seconds(stamp: &Stamp, out: &mut Vec<u8>) {
    let local = stamp.local;
    part(local.day().into(), 2, out);
    out.push(b'/');
    out.extend_from_slice(month(stamp).as_bytes());
    out.push(b'/');
    part(local.year().into(), 4, out);
    for number in [local.hour(), local.minute(), local.second()] {
        out.push(b':');
        part(number.into(), 2, out);
    }
}

/// A number that is not negative, in at least so many digits.
fn part(number: i32, width: usize, out: &mut Vec<u8>) {
    digits(u64::from(number.unsigned_abs()), width, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use jiff::tz::Offset;

    fn check(write: fn(&Stamp, &mut Vec<u8>), offset: i32, expect: &str) {
        let stamp = Stamp {
            local: date(2026, 2, 6).at(7, 8, 9, 43_900_000),
            offset: Offset::from_seconds(offset).unwrap(),
        };
        let mut out = Vec::new();
        write(&stamp, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn moments_have_haproxys_forms() {
        check(precise, 3600, "06/Feb/2026:07:08:09.043");
        check(with_offset, 0, "06/Feb/2026:07:08:09 +0000");
        check(with_offset, -12_600, "06/Feb/2026:07:08:09 -0330");
        check(with_offset, 20_700, "06/Feb/2026:07:08:09 +0545");
        check(milliseconds, 0, "043");
        check(rfc3339, 0, "2026-02-06T07:08:09.043+00:00");
        check(rfc3339, -12_600, "2026-02-06T07:08:09.043-03:30");
        check(rfc3339, 20_700, "2026-02-06T07:08:09.043+05:45");
    }
}
