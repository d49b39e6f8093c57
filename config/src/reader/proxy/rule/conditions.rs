//! The conditions of a rule.

use super::super::super::{Placed, Read, Table, Value, all, not_empty, unique, values};
use super::Around;
use super::text::{is_token, is_visible, path_text, pattern};
use crate::model::{Conditions, HeaderCondition, HostPattern, Wanted};
use toml::de::DeValue;

pub(super) fn read(table: &Table<'_>, around: Around<'_>) -> Read<Conditions> {
    let host = list(table, "host", host);
    let path = list(table, "path", |value| path_text(value, true));
    let path_prefix = list(table, "path_prefix", |value| path_text(value, true));
    let path_suffix = list(table, "path_suffix", |value| path_text(value, false));
    let path_regex = list(table, "path_regex", pattern);
    let method = list(table, "method", method);
    let header = table.maybe("header", headers).map(Option::unwrap_or_default);
    let sni = list(table, "sni", Value::server_name);
    let source = list(table, "source", Value::client_network);
    if !around.speaks_tls && table.value("sni").is_some() {
        return Err(table.spot("sni").refuse(
            "clients ask for a name in TLS, and this listener has none",
            "add tls to the listener, or ask for the host instead",
        ));
    }
    Ok(Conditions {
        host: host?,
        path: path?,
        path_prefix: path_prefix?,
        path_suffix: path_suffix?,
        path_regex: path_regex?,
        method: method?,
        header: header?,
        sni: sni?,
        source: source?,
    })
}

/// The elements of a condition, at least one; none if the rule does not have it.
pub(super) fn list<'a, T>(
    table: &Table<'a>,
    key: &str,
    read: impl Fn(&Value<'a>) -> Read<T>,
) -> Read<Vec<T>> {
    let Some(list) = table.list(key, |value| read(value))? else { return Ok(Vec::new()) };
    let what = "element; leave the key out to look at any";
    not_empty(&table.spot(key), list, what).map(values)
}

fn host(value: &Value<'_>) -> Read<HostPattern> {
    let text = value.text("the name of a host such as \"a.example\" or \"*.b.example\"")?;
    if let Some(rest) = text.strip_prefix('[') {
        let address = rest.strip_suffix(']').and_then(|address| address.parse().ok());
        return address
            .map(HostPattern::V6)
            .ok_or_else(|| value.mismatch("an address such as \"[2001:db8::80]\""));
    }
    if let Ok(address) = text.parse() {
        let help = format!("write it in brackets, as requests do: \"[{text}]\"");
        let _: std::net::Ipv6Addr = address;
        return Err(value.mismatch_but("the name of a host", help));
    }
    if let Some((name, _)) = text.split_once(':') {
        let help = format!("leave out the port: {name:?}");
        return Err(value.mismatch_but("the name of a host", help));
    }
    value.server_name().map(HostPattern::Name)
}

fn method(value: &Value<'_>) -> Read<String> {
    let expected = "a method such as \"GET\"";
    let text = value.text(expected)?;
    let capitals = text.to_ascii_uppercase();
    if !is_token(text) {
        return Err(value.mismatch(expected));
    }
    if text != capitals {
        return Err(value.mismatch_but(expected, format!("methods are in capitals: {capitals:?}")));
    }
    Ok(capitals)
}

fn headers(value: &Value<'_>) -> Read<Vec<HeaderCondition>> {
    let expected = "a table such as { \"X-Debug\" = true, \"X-Version\" = \"2\" }";
    let DeValue::Table(entries) = value.value else { return Err(value.mismatch(expected)) };
    if entries.is_empty() {
        return Err(value.at.refuse(
            "expected at least one header, found an empty table",
            "leave the key out to look at none",
        ));
    }
    let conditions = all(entries.iter().map(|(name, wanted)| {
        let path = format!("{}.{}", value.at.path, name.get_ref());
        let entry = Value::new(path, wanted, value.at.problems);
        if !is_token(name.get_ref()) {
            return Err(entry.at.refuse(format!("{:?} is not the name of a header", name.get_ref()), ""));
        }
        let name = name.get_ref().to_ascii_lowercase();
        let at = entry.at.clone();
        Ok(at.with(HeaderCondition { name, wanted: wanted_of(&entry)? }))
    }))?;
    let twice = |condition: &HeaderCondition, first: &Placed<'_, HeaderCondition>| {
        let message = format!("the header {} already stands at {}", condition.name, first.at.place());
        (message, "names of headers have no case: keep one".to_owned())
    };
    unique(&conditions, |condition| Some(condition.name.clone()), twice)?;
    let mut conditions = values(conditions);
    conditions.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(conditions)
}

fn wanted_of(value: &Value<'_>) -> Read<Wanted> {
    match value.value {
        DeValue::Boolean(present) => Ok(Wanted::Presence(*present)),
        DeValue::String(text) if is_visible(text) => Ok(Wanted::Value(text.to_string())),
        DeValue::Table(entries) if entries.len() == 1 && entries.contains_key("regex") => {
            let path = format!("{}.regex", value.at.path);
            let regex = Value::new(path, &entries["regex"], value.at.problems);
            pattern(&regex).map(Wanted::Pattern)
        }
        _ => Err(value.mismatch(
            "true, false, the value in ASCII without blanks around it, or a table such as { regex = \"^2\" }",
        )),
    }
}
