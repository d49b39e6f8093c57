//! `[[proxy.pool]]`: members, and how they are picked and checked.

use super::super::{Read, Table, Value, all};
use super::{Named, timeouts, unique_names};
use crate::defaults;
use crate::model::{Check, Member, Pool};
use std::ops::RangeInclusive;
use std::time::Duration;

/// More often than 20 times a second is load, not a check; rarer than hourly nobody would notice.
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(3600);
const COUNT_RANGE: RangeInclusive<u32> = 1..=1000;
/// HAProxy's range, so that weights move over unchanged.
const WEIGHT_RANGE: RangeInclusive<u16> = 0..=256;

pub(super) fn read(Named { table, name }: Named<'_>) -> Read<Pool> {
    let balance = table.or("balance", defaults::BALANCE, Value::choice);
    let check = table.section("check", check).map(Option::unwrap_or_default);
    let member = table.tables("member").and_then(|tables| {
        let tables = Named::read(tables);
        unique_names(&tables).and(all(tables.into_iter().map(member)))
    });
    Ok(Pool { name: name?.value, balance: balance?, check: check?, member: member? })
}

fn check(table: &Table<'_>) -> Read<Check> {
    let default = Check::default();
    let kind = table.or("kind", default.kind, Value::choice);
    let interval = table.or("interval", default.interval, |value| value.duration(INTERVAL_RANGE));
    let timeout = table.maybe("timeout", |value| {
        let longest = interval.unwrap_or(*INTERVAL_RANGE.end());
        value.duration(*timeouts::RANGE.start()..=longest)
    });
    let rise = table.or("rise", default.rise, |value| value.integer(COUNT_RANGE));
    let fall = table.or("fall", default.fall, |value| value.integer(COUNT_RANGE));
    let interval = interval?;
    Ok(Check { kind: kind?, interval, timeout: timeout?.unwrap_or(interval), rise: rise?, fall: fall? })
}

fn member(Named { table, name }: Named<'_>) -> Read<Member> {
    let address = table.need("address", |value| value.target(None));
    let weight = table.or("weight", defaults::WEIGHT, |value| value.integer(WEIGHT_RANGE));
    Ok(Member { name: name?.value, address: address?, weight: weight? })
}
