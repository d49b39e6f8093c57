//! `proxy.listener.errors` and `proxy.listener.compression`.

use super::super::{Read, Table, Value, all, unique, values};
use crate::model::{Coding, Mode};
use crate::words::Word;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use toml::de::DeValue;

/// RFC 9110 §15.5 and §15.6.
const STATUS_RANGE: RangeInclusive<u16> = 400..=599;

pub(super) fn errors(table: &Table<'_>, mode: Read<Mode>) -> Read<BTreeMap<u16, PathBuf>> {
    for_http(table, "errors", mode)?;
    table.or("errors", BTreeMap::new(), |value| {
        let expected = "a table such as { \"503\" = \"/etc/causeway/503.html\" }";
        let DeValue::Table(entries) = value.value else { return Err(value.mismatch(expected)) };
        let pages = all(entries.iter().map(|(status, file)| {
            let path = format!("{}.{}", value.at.path, status.get_ref());
            let entry = Value::new(path, file, value.at.problems);
            let code = status.get_ref().parse().ok().filter(|code| STATUS_RANGE.contains(code));
            let code = code.ok_or_else(|| {
                entry.at.refuse(
                    format!("{:?} is not the status of an error", status.get_ref()),
                    "the proxy answers with statuses from 400 to 599",
                )
            });
            let file = entry.path();
            Ok((code?, file?))
        }))?;
        Ok(pages.into_iter().collect())
    })
}

pub(super) fn compression(table: &Table<'_>, mode: Read<Mode>) -> Read<Vec<Coding>> {
    for_http(table, "compression", mode)?;
    let list = table.list("compression", Value::choice)?.unwrap_or_default();
    unique(
        &list,
        |coding: &Coding| Some(*coding),
        |coding, first| {
            let message = format!("{:?} already stands at {}", coding.word(), first.at.place());
            (message, "remove one of the two".to_owned())
        },
    )?;
    Ok(values(list))
}

fn for_http(table: &Table<'_>, key: &str, mode: Read<Mode>) -> Read<()> {
    match mode {
        Ok(Mode::Tcp | Mode::Udp) if table.value(key).is_some() => Err(table
            .spot(key)
            .refuse("only HTTP has answers", format!("set mode = \"http\", or leave out {key}"))),
        Ok(Mode::Tcp | Mode::Http | Mode::Udp) | Err(_) => Ok(()),
    }
}
