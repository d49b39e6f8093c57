//! The keys about who may ask dns64, and how much.

use super::super::{Read, Table, Value, not_empty, values};
use crate::defaults;
use crate::model::Admission;
use std::ops::RangeInclusive;

/// More responses of one kind than any network of clients asks for.
const RATE_RANGE: RangeInclusive<u16> = 0..=10_000;

pub(super) fn read(table: &Table<'_>) -> Read<Admission> {
    let allow_from = table.list("allow_from", Value::client_network).and_then(|list| match list {
        Some(list) => {
            let what = "network; leave the key out to answer everyone";
            not_empty(&table.spot("allow_from"), list, what).map(|list| Some(values(list)))
        }
        None => Ok(None),
    });
    let denied = table.or("denied", defaults::DENIED, Value::choice);
    let response_rate = table.or("response_rate", defaults::RESPONSE_RATE, |value| value.integer(RATE_RANGE));
    let cookies = table.or("cookies", defaults::COOKIES, Value::boolean);
    let nsid = table.maybe("nsid", Value::name);
    Ok(Admission {
        allow_from: allow_from?,
        denied: denied?,
        response_rate: response_rate?,
        cookies: cookies?,
        nsid: nsid?,
    })
}
