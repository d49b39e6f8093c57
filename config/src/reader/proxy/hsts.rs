//! `proxy.listener.hsts`: what browsers are told about TLS (RFC 6797).

use super::super::{Read, Table, Value};
use crate::defaults;
use crate::model::{Hsts, Mode, Tls};
use std::ops::RangeInclusive;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const MAX_AGE_RANGE: RangeInclusive<Duration> = Duration::ZERO..=DAY.saturating_mul(3650);
/// What lists of browsers ask for.
const PRELOAD_AGE: Duration = DAY.saturating_mul(365);

pub(super) fn read(table: &Table<'_>, mode: Read<Mode>, tls: &Read<Option<Tls>>) -> Read<Hsts> {
    let fits = match (mode, tls) {
        (Ok(Mode::Tcp | Mode::Udp), _) => Err(table
            .at
            .refuse("only HTTP tells browsers anything", "set mode = \"http\", or leave out hsts")),
        (_, Ok(None)) => Err(table.at.lacks(
            "browsers heed hsts over TLS alone (RFC 6797 §8.1), and the listener has none",
            "add tls = { certificates = [\"/etc/causeway/web.pem\"] }, or leave out hsts",
        )),
        _ => Ok(()),
    };
    let max_age = table.need("max_age", |value| value.duration(MAX_AGE_RANGE));
    let subdomains = table.or("subdomains", defaults::HSTS_SUBDOMAINS, Value::boolean);
    let preload = table.or("preload", defaults::HSTS_PRELOAD, Value::boolean);
    fits?;
    let hsts = Hsts { max_age: max_age?, subdomains: subdomains?, preload: preload? };
    if hsts.preload && !(hsts.subdomains && hsts.max_age >= PRELOAD_AGE) {
        return Err(table.spot("preload").refuse(
            "no list takes this host",
            "set subdomains = true and a max_age of \"365d\" at least, or leave out preload",
        ));
    }
    Ok(hsts)
}
