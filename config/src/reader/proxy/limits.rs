//! `proxy.listener.limits`: how much of a request is taken.

use super::super::{Read, Table, Value};
use crate::model::{Mode, RequestLimits};
use std::ops::RangeInclusive;

/// A head must fit into the buffer of a connection, with room to spare.
const HEAD_RANGE: RangeInclusive<u64> = 1 << 10..=48 << 10;
const LINE_RANGE: RangeInclusive<u64> = 256..=48 << 10;
const FIELDS_RANGE: RangeInclusive<u16> = 1..=1000;
const STREAMS_RANGE: RangeInclusive<u16> = 1..=1000;
/// More than any network carries in a second.
const RATE_RANGE: RangeInclusive<u32> = 1..=1_000_000_000;

pub(super) fn read(table: &Table<'_>, mode: Read<Mode>) -> Read<RequestLimits> {
    let fits = match mode {
        Ok(Mode::Tcp | Mode::Udp) => Err(table.at.refuse(
            "only HTTP has requests that could be limited",
            "set mode = \"http\", or leave out limits",
        )),
        Ok(Mode::Http) | Err(_) => Ok(()),
    };
    let default = RequestLimits::default();
    let octets = |key: &str, default: u32, range: RangeInclusive<u64>| {
        let length = table.or(key, default.into(), |value| value.size(range))?;
        Ok(u32::try_from(length).expect("the range ends far below"))
    };
    let head = octets("head", default.head, HEAD_RANGE);
    let fields = table.or("fields", default.fields, |value| value.integer(FIELDS_RANGE));
    let line = octets("line", default.line, LINE_RANGE);
    let body_rate = table.maybe("body_rate", |value: &Value<'_>| value.integer(RATE_RANGE));
    let streams = table.or("streams", default.streams, |value| value.integer(STREAMS_RANGE));
    fits?;
    Ok(RequestLimits { head: head?, fields: fields?, line: line?, body_rate: body_rate?, streams: streams? })
}
