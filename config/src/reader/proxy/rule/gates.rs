//! Whose requests pass a rule, and how many.

use super::super::super::{Read, Table, Value};
use super::super::listener::{PREFIX_V4_RANGE, PREFIX_V6_RANGE};
use super::text::{is_token, is_visible};
use crate::defaults;
use crate::model::{Auth, Rate, RateBy};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Keys that hold requests up.
pub(super) const KEYS: [&str; 2] = ["auth", "rate"];

/// The longest realm that dialogs have room for.
const LONGEST_REALM: usize = 255;
/// More than a machine answers in a second.
const REQUESTS_RANGE: RangeInclusive<u32> = 1..=1_000_000;
/// From what timers tell apart to a day.
const PER_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY;
/// Whoever asked for all at once is forgotten after this at the latest.
const DAY: Duration = Duration::from_secs(86_400);
/// RFC 9110 §15.5 and §15.6.
const STATUS_RANGE: RangeInclusive<u16> = 400..=599;

pub(super) fn auth(table: &Table<'_>) -> Read<Auth> {
    let realm = table.or("realm", defaults::REALM.to_owned(), |value| {
        let expected = "1 to 255 characters of ASCII without quotes, backslashes and blanks around them";
        let text = value.text(expected)?;
        let fits = !text.is_empty() && text.len() <= LONGEST_REALM && is_visible(text);
        if fits && !text.contains(['"', '\\', '\t']) {
            Ok(text.to_owned())
        } else {
            Err(value.mismatch(expected))
        }
    });
    let users = table.need("users", Value::path);
    let forward = table.or("forward", defaults::AUTH_FORWARD, Value::boolean);
    Ok(Auth { realm: realm?, users: users?, forward: forward? })
}

pub(super) fn rate(table: &Table<'_>) -> Read<Rate> {
    let usual = Rate::new(1);
    let requests = table.need("requests", |value| value.integer(REQUESTS_RANGE));
    let per = table.or("per", usual.per, |value| value.duration(PER_RANGE));
    let burst = table.maybe("burst", |value| value.integer(REQUESTS_RANGE));
    let by = table.or("by", usual.by, by);
    let prefix_v6 = table.or("prefix_v6", usual.prefix_v6, |value| value.integer(PREFIX_V6_RANGE));
    let prefix_v4 = table.or("prefix_v4", usual.prefix_v4, |value| value.integer(PREFIX_V4_RANGE));
    let status = table.or("status", usual.status, |value| value.integer(STATUS_RANGE));
    let (requests, per) = (requests?, per?);
    let burst = burst?.unwrap_or(requests);
    if (per / requests).saturating_mul(burst) > DAY {
        return Err(table.spot("burst").refuse(
            format!("a burst of {burst} takes more than a day to come back"),
            "give a smaller burst, or more requests in less time",
        ));
    }
    Ok(Rate { requests, per, burst, by: by?, prefix_v6: prefix_v6?, prefix_v4: prefix_v4?, status: status? })
}

fn by(value: &Value<'_>) -> Read<RateBy> {
    let expected = "\"source\" or a header such as \"header:X-Api-Key\"";
    let text = value.text(expected)?;
    match text.split_once(':') {
        None if text == "source" => Ok(RateBy::Source),
        Some(("header", name)) if is_token(name) => Ok(RateBy::Header(name.to_ascii_lowercase())),
        _ => Err(value.mismatch(expected)),
    }
}
