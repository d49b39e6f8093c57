//! `[[proxy.listener.rule]]`: which requests, and what becomes of them.

use super::super::{Placed, Read, Table, Value, all, listing, not_empty, unique, values};
use super::Pools;
use super::listener::existing_pool;
use crate::defaults;
use crate::keys;
use crate::model::{
    Conditions, FixedAnswer, HeaderCondition, HeaderEdit, HostPattern, Mode, Part, Place, Redirect, Rule,
    RuleAction, Template, TemplateError, Wanted,
};
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// A head has no room for longer paths and fields.
const LONGEST_TEXT: usize = 1024;
/// What a page in a file may have.
const LONGEST_BODY: usize = 64 << 10;
/// RFC 9110 §15.5 and §15.6.
const DENY_RANGE: RangeInclusive<u16> = 400..=599;
/// RFC 9110 §15.3 to §15.6.
const ANSWER_RANGE: RangeInclusive<u16> = 200..=599;
/// Those of RFC 9110 §15.4 that send a client elsewhere by `Location`.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
/// Statuses whose answers have no content (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
const WITHOUT_CONTENT: [u16; 3] = [204, 205, 304];
/// Keys of which one says what becomes of a request.
const ACTIONS: [&str; 4] = ["pool", "redirect", "deny", "answer"];

/// Keys that change messages on their way.
const EDITS: [&str; 2] = ["request_headers", "response_headers"];
/// Headers that say where a message ends or whom it is for, and those of one connection.
const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

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
    let when = conditions(table, around);
    let request_headers = edits(table, "request_headers");
    let response_headers = edits(table, "response_headers");
    let action = action(table, around);
    Ok(Rule {
        name: name?,
        when: when?,
        request_headers: request_headers?,
        response_headers: response_headers?,
        action: action?,
    })
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

fn conditions(table: &Table<'_>, around: Around<'_>) -> Read<Conditions> {
    let host = list(table, "host", host);
    let path = list(table, "path", |value| path_text(value, true));
    let path_prefix = list(table, "path_prefix", |value| path_text(value, true));
    let path_suffix = list(table, "path_suffix", |value| path_text(value, false));
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
        method: method?,
        header: header?,
        sni: sni?,
        source: source?,
    })
}

/// The elements of a condition, at least one; none if the rule does not have it.
fn list<'a, T>(table: &Table<'a>, key: &str, read: impl Fn(&Value<'a>) -> Read<T>) -> Read<Vec<T>> {
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

fn path_text(value: &Value<'_>, whole: bool) -> Read<String> {
    let expected = if whole { "a path such as \"/static/\"" } else { "the end of a path such as \".png\"" };
    let text = value.text(expected)?;
    let help = if whole && !text.starts_with('/') {
        "begin with a slash"
    } else if text.contains(['?', '#']) {
        "leave out what is behind the path: rules look at the path alone"
    } else if text.contains('%') {
        "write the characters themselves: paths are decoded before rules see them"
    } else if text.contains("//") || text.split('/').any(|part| matches!(part, "." | "..")) {
        "write the path without \"//\", \"/./\" and \"/../\": rules see it without them"
    } else if text.is_empty() || text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
        "give 1 to 1024 bytes without control characters"
    } else {
        return Ok(text.to_owned());
    };
    Err(value.mismatch_but(expected, help))
}

fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.len() <= LONGEST_TEXT && text.bytes().all(token)
}

fn is_visible(text: &str) -> bool {
    let visible = |b: u8| b.is_ascii_graphic() || b == b' ' || b == b'\t';
    text.len() <= LONGEST_TEXT && text.bytes().all(visible) && text.trim_matches([' ', '\t']) == text
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

fn edits(table: &Table<'_>, key: &str) -> Read<Vec<HeaderEdit>> {
    list(table, key, edit)
}

fn edit(value: &Value<'_>) -> Read<HeaderEdit> {
    let expected =
        "an edit: { set = \"X-A\", value = \"1\" }, { add = \"X-A\", value = \"1\" } or { delete = \"X-A\" }";
    let DeValue::Table(entries) = value.value else { return Err(value.mismatch(expected)) };
    let mut parts: Vec<(&str, Value<'_>)> = Vec::new();
    for (key, entry) in entries {
        let path = format!("{}.{}", value.at.path, key.get_ref());
        parts.push((key.get_ref(), Value::new(path, entry, value.at.problems)));
    }
    // The keys of a table come in the order of the alphabet.
    match parts.as_slice() {
        [("set", name), ("value", text)] => Ok(HeaderEdit::Set(header_name(name)?, header_text(text)?)),
        [("add", name), ("value", text)] => Ok(HeaderEdit::Add(header_name(name)?, header_text(text)?)),
        [("delete", name)] => Ok(HeaderEdit::Delete(header_name(name)?)),
        _ => {
            Err(value
                .mismatch_but(expected, "give one of set, add and delete, and value beside the first two"))
        }
    }
}

fn header_name(value: &Value<'_>) -> Read<String> {
    let expected = "the name of a header such as \"X-Client\"";
    let text = value.text(expected)?;
    if !is_token(text) {
        return Err(value.mismatch(expected));
    }
    let name = text.to_ascii_lowercase();
    if FRAMING.contains(&name.as_str()) {
        return Err(value.at.refuse(format!("{text} says how a message is read, and is not for rules"), ""));
    }
    Ok(name)
}

fn header_text(value: &Value<'_>) -> Read<Template> {
    let expected = "a text in ASCII without blanks around it";
    if is_visible(value.text(expected)?) { template(value, expected) } else { Err(value.mismatch(expected)) }
}

fn wanted_of(value: &Value<'_>) -> Read<Wanted> {
    match value.value {
        DeValue::Boolean(present) => Ok(Wanted::Presence(*present)),
        DeValue::String(text) if is_visible(text) => Ok(Wanted::Value(text.to_string())),
        _ => Err(value.mismatch("true, false, or the value in ASCII without blanks around it")),
    }
}

fn action(table: &Table<'_>, around: Around<'_>) -> Read<Option<RuleAction>> {
    let pool = table.maybe("pool", |value| existing_pool(value, around.pools, around.mode));
    let redirect = table.section("redirect", redirect);
    let deny = table.maybe("deny", |value| value.integer(DENY_RANGE));
    let answer = table.section("answer", answer);
    let mut given = ACTIONS.into_iter().filter(|key| table.value(key).is_some());
    match (given.next(), given.next()) {
        (Some(first), Some(second)) => {
            return Err(table.spot(second).refuse(
                format!("the rule has {first} already, and does one of them alone"),
                "make it two rules, or remove one of the keys",
            ));
        }
        (None, _) if EDITS.iter().any(|key| table.value(key).is_some()) => return Ok(None),
        (None, _) => {
            let actions = listing(ACTIONS.into_iter().chain(EDITS), "or");
            return Err(table.at.lacks("the rule does nothing", format!("add {actions}")));
        }
        (Some(_), None) => {}
    }
    let (pool, redirect) = (pool?.map(RuleAction::Pool), redirect?.map(RuleAction::Redirect));
    let (deny, answer) = (deny?.map(RuleAction::Deny), answer?.map(RuleAction::Answer));
    Ok(pool.or(redirect).or(deny).or(answer))
}

fn redirect(table: &Table<'_>) -> Read<Redirect> {
    let to = table.need("to", location);
    let status = table.or("status", defaults::REDIRECT_STATUS, |value| {
        let status = value.integer(300..=399)?;
        let expected = format!("one of {}", listing(REDIRECTS.map(|known| known.to_string()), "and"));
        if REDIRECTS.contains(&status) { Ok(status) } else { Err(value.mismatch(&expected)) }
    });
    Ok(Redirect { to: to?, status: status? })
}

fn location(value: &Value<'_>) -> Read<Template> {
    let expected = "an http address or a path such as \"https://{host}{uri}\"";
    let template = template(value, expected)?;
    let whole = match template.parts().first() {
        Some(Part::Text(text)) => {
            let scheme = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
            scheme || text.starts_with('/') && !text.starts_with("//")
        }
        Some(Part::Place(place)) => matches!(place, Place::Path | Place::Scheme | Place::Uri),
        None => false,
    };
    let legal = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b);
    let plain = template.parts().iter().all(|part| match part {
        Part::Text(text) => text.bytes().all(legal),
        Part::Place(_) => true,
    });
    if whole && plain {
        return Ok(template);
    }
    Err(value
        .mismatch_but(expected, "begin with http://, https:// or one slash; write other characters as %20"))
}

/// A text with places in braces.
fn template(value: &Value<'_>, expected: &str) -> Read<Template> {
    let text = value.text(expected)?;
    text.parse().map_err(|error| {
        let names = || Place::ALL.iter().map(|(name, _)| *name);
        let help = match &error {
            TemplateError::Unknown(name) => keys::nearest(name, names()).map_or_else(
                || format!("the places are {}", listing(names().map(|name| format!("{{{name}}}")), "and")),
                |near| format!("did you mean {{{near}}}?"),
            ),
            TemplateError::Brace => "write {{ and }} for a brace that stands for itself".to_owned(),
        };
        value.at.refuse(format!("{text:?}: {error}"), help)
    })
}

fn answer(table: &Table<'_>) -> Read<FixedAnswer> {
    let status = table.or("status", defaults::ANSWER_STATUS, |value| value.integer(ANSWER_RANGE));
    let content_type = table.or("content_type", defaults::ANSWER_CONTENT_TYPE.to_owned(), |value| {
        let expected = "a media type such as \"text/html; charset=utf-8\"";
        let text = value.text(expected)?;
        let fits = text.contains('/') && is_visible(text);
        if fits { Ok(text.to_owned()) } else { Err(value.mismatch(expected)) }
    });
    let body = table.or("body", String::new(), |value| {
        let expected = format!("a text of at most {LONGEST_BODY} bytes");
        let text = value.text(&expected)?;
        if text.len() <= LONGEST_BODY { Ok(text.to_owned()) } else { Err(value.mismatch(&expected)) }
    });
    let (status, body) = (status?, body?);
    if WITHOUT_CONTENT.contains(&status) && !body.is_empty() {
        return Err(table
            .spot("body")
            .refuse(format!("an answer of status {status} has no content"), "leave out body"));
    }
    Ok(FixedAnswer { status, content_type: content_type?, body })
}
