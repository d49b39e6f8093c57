//! `[[proxy.listener.rule]]`: which requests, and what becomes of them.

mod action;
mod conditions;
mod edits;
mod gates;
mod text;

use super::super::{Read, Table, Value, all, unique};
use super::Pools;
use crate::model::{Mode, Rule};

/// What a rule needs to know of its listener.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) pools: &'a Pools<'a>,
    pub(super) mode: Read<Mode>,
    /// Whether TLS ends at the listener.
    pub(super) speaks_tls: bool,
}

pub(super) fn all_of(listener: &Table<'_>, around: Around<'_>) -> Read<Vec<Rule>> {
    let tables = listener.tables("rule")?;
    if let (Ok(Mode::Tcp | Mode::Udp), Some(first)) = (around.mode, tables.first()) {
        return Err(first
            .at
            .refuse("only HTTP has requests to have rules for", "set mode = \"http\", or remove the rules"));
    }
    let names: Vec<_> = tables
        .iter()
        .filter_map(|table| table.value("name"))
        .filter_map(|value| Some(value.at.with(value.value.as_str()?.to_owned())))
        .collect();
    let distinct = unique(
        &names,
        |name| Some(name.clone()),
        |name, first| {
            let message = format!("the name {name:?} already stands at {}", first.at.place());
            (message, "give each rule its own name, or none".to_owned())
        },
    );
    let rules = all(tables.iter().map(|table| rule(table, around)));
    distinct.and(rules)
}

fn rule(table: &Table<'_>, around: Around<'_>) -> Read<Rule> {
    let name = table.maybe("name", name);
    let when = conditions::read(table, around);
    let rate = table.section("rate", gates::rate);
    let auth = table.section("auth", gates::auth);
    let edits = edits::read(table);
    let action = action::read(table, around);
    Ok(Rule { name: name?, when: when?, rate: rate?, auth: auth?, action: action?, ..edits? })
}

fn name(value: &Value<'_>) -> Read<String> {
    let name = value.name()?;
    if name.bytes().all(|b| b.is_ascii_digit()) {
        return Err(value.at.refuse(
            "a number is what rules without a name are called by their places",
            "put a letter into the name",
        ));
    }
    Ok(name)
}
