//! The time of day as responses tell it (RFC 9110 §5.6.7 and §6.6.1).

use crate::clock;
use jiff::Timestamp;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

thread_local! {
    static WRITTEN: RefCell<Written> = const { RefCell::new(Written { second: None, text: String::new() }) };
}

/// What was written last.
struct Written {
    /// Since 1970.
    second: Option<u64>,
    text: String,
}

impl Written {
    fn of(&mut self, time: SystemTime) -> &[u8] {
        let second = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        if self.second != Some(second) {
            self.text.clear();
            let time = Timestamp::from_second(second.cast_signed()).unwrap_or(Timestamp::UNIX_EPOCH);
            // Years of more than four digits cannot be written, and leave it empty.
            let _ = DateTimePrinter::new().print_timestamp_rfc9110(&time, StdFmtWrite(&mut self.text));
            self.second = Some(second);
        }
        self.text.as_bytes()
    }
}

/// Passes on what time it is.
pub(super) fn with<T>(take: impl FnOnce(&[u8]) -> T) -> T {
    WRITTEN.with_borrow_mut(|written| take(written.of(clock::wall(clock::now()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_in_the_one_form_of_http() {
        let mut written = Written { second: None, text: String::new() };
        let mut check = |seconds: u64, expect: &str| {
            let time = UNIX_EPOCH + Duration::from_millis(1000 * seconds + 999);
            assert_eq!(str::from_utf8(written.of(time)), Ok(expect));
        };
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(784_111_778, "Sun, 06 Nov 1994 08:49:38 GMT");
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
