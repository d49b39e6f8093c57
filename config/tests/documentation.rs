//! docs/configuration.md, the table of keys, the reader and `show` say the same.

use config::keys::{self, Default, Key, Kind};
use config::model::UpstreamTransport;
use config::{Gateway, parse, show};
use std::collections::BTreeSet;
use toml::{Table, Value};

const PAGE: &str = include_str!("../../docs/configuration.md");

/// A file with every section and nothing that has a default.
const LEAST: &str = r#"
[prefix]
pref64 = "2001:db8:64::/96"
[nat64]
ipv4_addr = "192.168.255.1"
ipv6_addr = "2001:db8:ffff::64"
[[nat64.map]]
v4 = "192.0.2.10"
v6 = "2001:db8:1::10"
[dns64]
upstream = ["192.0.2.53"]
[[dns64.client]]
from = ["2001:db8:6::/64"]
[proxy]
[[proxy.listener]]
name = "web"
bind = ["[2001:db8::80]:80"]
pool = "web"
[[proxy.pool]]
name = "web"
[[proxy.pool.member]]
name = "a"
address = "192.0.2.11:8080"
"#;

/// Keys, or all keys of a table, that need a table which a file may lack, and the least that it must hold.
const NEEDS: &[(&str, &str, &str)] = &[
    ("proxy.listener.forwarded_for_header", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.forwarded_for_except", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.forwarded_for_if_none", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.errors", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.compression", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.limits", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.client_certificate_headers", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.hsts", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.hsts", "proxy.listener.tls", "{ certificates = [\"/etc/causeway/web.pem\"] }"),
    ("proxy.listener.hsts", "proxy.listener.hsts", "{ max_age = \"365d\" }"),
    ("proxy.listener.tls", "proxy.listener.tls", "{ certificates = [\"/etc/causeway/web.pem\"] }"),
    ("proxy.listener.rule.redirect", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.rule.redirect", "proxy.listener.rule", "[{ redirect = { to = \"/new\" } }]"),
    ("proxy.listener.rule.answer", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.rule.answer", "proxy.listener.rule", "[{ answer = {} }]"),
    ("proxy.listener.rule.auth", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.rule.auth", "proxy.listener.rule", "[{ auth = { users = \"/etc/causeway/users\" } }]"),
    ("proxy.listener.rule.rate", "proxy.listener.mode", "\"http\""),
    ("proxy.listener.rule.rate", "proxy.listener.rule", "[{ rate = { requests = 100 } }]"),
    ("proxy.pool.tls", "proxy.pool.tls", "{}"),
    ("proxy.pool.cookie", "proxy.pool.cookie", "{ name = \"SRV\" }"),
    ("proxy.pool.cookie", "proxy.pool.member.cookie", "\"s1\""),
    ("proxy.pool.app_cookie", "proxy.pool.app_cookie", "{ name = \"JSESSIONID\" }"),
    ("proxy.pool.stick", "proxy.pool.stick", "{}"),
    ("proxy.pool.passive", "proxy.pool.passive", "{}"),
    ("proxy.pool.check.method", "proxy.pool.check", "{ kind = \"http\" }"),
    ("proxy.pool.check.path", "proxy.pool.check", "{ kind = \"http\" }"),
    ("proxy.pool.check.headers", "proxy.pool.check", "{ kind = \"http\" }"),
    ("proxy.pool.check.expect_status", "proxy.pool.check", "{ kind = \"http\" }"),
];

/// Keys that mean nothing without another one.
const DEPENDENT: &[(&str, &[&str])] = &[
    (
        "proxy.listener.mode",
        &[
            "proxy.listener.forwarded_for",
            "proxy.listener.forwarded_for_header",
            "proxy.listener.forwarded_for_except",
            "proxy.listener.forwarded_for_if_none",
            "proxy.listener.forwarded_headers",
            "proxy.listener.trusted_hops",
            "proxy.listener.limits",
            "proxy.listener.errors",
            "proxy.listener.compression",
            "proxy.listener.rule",
            "proxy.listener.hsts",
            "proxy.listener.client_certificate_headers",
        ],
    ),
    ("proxy.listener.trusted_proxies", &["proxy.listener.trusted_hops"]),
    ("proxy.listener.rule.pool", &["proxy.listener.rule"]),
    ("proxy.listener.rule.deny", &["proxy.listener.rule"]),
    (
        "proxy.listener.tls.client_ca",
        &["proxy.listener.tls.client_auth", "proxy.listener.client_certificate_headers"],
    ),
    ("proxy.pool.balance", &["proxy.pool.source_prefix_v6"]),
    ("proxy.pool.member.cookie", &["proxy.pool.cookie"]),
    (
        "proxy.pool.check.kind",
        &[
            "proxy.pool.check.server_name",
            "proxy.pool.check.protocol",
            "proxy.pool.check.method",
            "proxy.pool.check.path",
            "proxy.pool.check.host",
            "proxy.pool.check.headers",
            "proxy.pool.check.expect_status",
            "proxy.pool.check.expect_body",
        ],
    ),
];

/// What the page says of one key.
struct Entry {
    path: &'static str,
    doc: &'static str,
    row: Vec<&'static str>,
    see_also: Vec<&'static str>,
    example: &'static str,
}

#[test]
fn every_example_is_valid() {
    let sample: Table = every_key().parse().expect("the whole file is TOML");
    for entry in entries() {
        let mut file = sample.clone();
        if entry.example.starts_with("[[proxy.pool") {
            // Its pools stand in the place of those that the listeners name.
            remove(&mut file, "proxy.listener");
        }
        merge(&mut file, entry.example.parse().unwrap_or_else(|error| panic!("{}: {error}", entry.path)));
        assert_valid(&toml::to_string(&file).expect("a table is TOML"));
    }
}

#[test]
fn the_whole_file_has_every_key() {
    let file: Table = every_key().parse().expect("the whole file is TOML");
    let given = paths(&file);
    for key in keys::all() {
        assert!(given.contains(key.path), "{} is not in the whole file", key.path);
    }
}

#[test]
fn the_whole_file_asks_for_nothing_that_is_not_served_yet() {
    let model = model(whole_file());
    let dns64 = model.dns64.expect("the whole file has every section");
    for upstream in dns64.upstream {
        assert!(!matches!(upstream.transport, UpstreamTransport::Tls { .. }), "{}", upstream.address);
    }
}

#[test]
fn the_page_has_the_keys_of_the_table_in_its_order() {
    let documented: Vec<&str> = entries().iter().map(|entry| entry.path).collect();
    let known: Vec<&str> = keys::all().map(|key| key.path).collect();
    assert_eq!(documented, known);
}

#[test]
fn each_entry_says_what_the_table_says() {
    for entry in entries() {
        let key = keys::find(entry.path).expect("the page has only keys of the table");
        let source = if key.source.is_empty() { "own" } else { key.source };
        let expected =
            [key.kind.to_string(), key.default.to_string(), key.apply.to_string(), source.to_owned()];
        assert_eq!(entry.row, expected, "{}", entry.path);
        assert_eq!(entry.doc, key.doc, "{}", entry.path);
        let name = match key.kind {
            Kind::Table | Kind::Tables => key.path.to_owned(),
            Kind::Value(_) => format!("{} = ", key.name()),
        };
        let inline = format!("{} = ", key.name());
        let shown = entry.example.contains(&name) || entry.example.contains(&inline);
        assert!(shown, "the example of {} does not show it", entry.path);
        assert!(!entry.see_also.is_empty(), "{} has no see-also", entry.path);
        for other in entry.see_also {
            assert!(keys::find(other).is_some(), "{} refers to {other}, which is no key", entry.path);
        }
    }
}

#[test]
fn defaults_are_those_of_the_reader() {
    let least = model(LEAST);
    let shown: Table = show(&least).parse().expect("show writes TOML");
    for key in keys::all().filter(|key| matches!(key.kind, Kind::Value(_))) {
        match key.default {
            Default::Value(literal) => {
                let mut file: Table = LEAST.parse().expect("the least file is TOML");
                for (_, table, least) in NEEDS.iter().filter(|(of, ..)| [key.table(), key.path].contains(of))
                {
                    set(&mut file, table, literal_value(least));
                }
                let without = model(&toml::to_string(&file).expect("a table is TOML"));
                set(&mut file, key.path, literal_value(literal));
                let with = model(&toml::to_string(&file).expect("a table is TOML"));
                assert_eq!(with, without, "{}", key.path);
            }
            Default::Absent => assert_eq!(value(&shown, key.path), None, "{}", key.path),
            Default::Required | Default::Derived(_) => {}
        }
    }
}

#[test]
fn show_writes_every_key_of_the_table_and_no_other() {
    let shown: Table = show(&model(&every_key())).parse().expect("show writes TOML");
    let mut written = paths(&shown);
    assert!(written.insert("dns64.client.mapped".to_owned()), "written at each prefix instead");
    let known: BTreeSet<String> = keys::all().map(|key| key.path.to_owned()).collect();
    assert_eq!(written, known);
}

#[test]
fn required_keys_are_required_and_others_are_not() {
    let whole: Table = every_key().parse().expect("the whole file is TOML");
    for key in keys::all().filter(|key| matches!(key.kind, Kind::Value(_))) {
        let mut file = whole.clone();
        remove(&mut file, key.path);
        let dependent = DEPENDENT.iter().filter(|(needed, _)| key.path == *needed);
        dependent.flat_map(|(_, keys)| *keys).for_each(|key| remove(&mut file, key));
        let result = parse(&toml::to_string(&file).expect("a table is TOML"), "without.toml");
        match (key.default, result) {
            (Default::Required, Ok(_)) => panic!("{} can be left out", key.path),
            (Default::Required, Err(diagnostics)) => {
                let missing = format!("the key {} is missing", key.name());
                assert!(
                    diagnostics.iter().all(|one| one.message == missing || depends(key, &one.message)),
                    "{diagnostics}"
                );
            }
            (_, Err(diagnostics)) => panic!("{} cannot be left out: {diagnostics}", key.path),
            (_, Ok(_)) => {}
        }
    }
}

#[test]
fn examples_of_the_table_are_toml() {
    for key in keys::all() {
        assert_eq!(matches!(key.kind, Kind::Value(_)), !key.example.is_empty(), "{}", key.path);
        if !key.example.is_empty() {
            literal_value(key.example);
        }
    }
}

/// Whether a message follows from the absence of `key` without naming it.
fn depends(key: &Key, message: &str) -> bool {
    key.path == "proxy.pool.name" && message.starts_with("there is no pool")
}

fn whole_file() -> &'static str {
    toml_blocks(PAGE).next().expect("the page begins with a whole file")
}

/// The whole file with the lines that are not served yet.
fn every_key() -> String {
    let lines = whole_file().lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn toml_blocks(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default())
}

fn entries() -> Vec<Entry> {
    let sections = PAGE.split("\n## `").skip(1).flat_map(|section| section.split("\n### `"));
    sections
        .map(|text| {
            let (path, rest) = text.split_once("`\n").expect("a heading ends with its path");
            let row = rest.lines().skip_while(|line| !line.starts_with("|---")).nth(1).unwrap_or_default();
            let see_also = rest.lines().find_map(|line| line.strip_prefix("See also: ")).unwrap_or_default();
            Entry {
                path,
                doc: rest.trim_start().lines().next().unwrap_or_default(),
                row: row.trim_matches('|').split('|').map(str::trim).collect(),
                see_also: see_also.split('`').skip(1).step_by(2).collect(),
                example: toml_blocks(rest).next().unwrap_or_else(|| panic!("{path} has no example")),
            }
        })
        .collect()
}

fn model(text: &str) -> Gateway {
    parse(text, "text.toml").unwrap_or_else(|diagnostics| panic!("{diagnostics}\n{text}")).model
}

fn assert_valid(text: &str) {
    model(text);
}

fn literal_value(literal: &str) -> Value {
    let table: Table = format!("x = {literal}").parse().unwrap_or_else(|error| panic!("{literal}: {error}"));
    table["x"].clone()
}

/// Puts what `over` has in the place of what `file` has; tables are merged, arrays are not.
fn merge(file: &mut Table, over: Table) {
    for (key, value) in over {
        match (file.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                file.insert(key, value);
            }
        }
    }
}

/// The value at a path without indices, in the first element of each array of tables.
fn value(file: &Table, path: &str) -> Option<Value> {
    let mut at = Value::Table(file.clone());
    for name in path.split('.') {
        let table = match at {
            Value::Array(array) => array.first()?.as_table()?.clone(),
            other => other.as_table()?.clone(),
        };
        at = table.get(name)?.clone();
    }
    Some(at)
}

/// Sets the value at a path without indices, in the first element of each array of tables.
fn set(file: &mut Table, path: &str, value: Value) {
    let Some((name, below)) = path.split_once('.') else {
        file.insert(path.to_owned(), value);
        return;
    };
    match file.entry(name).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(table) => set(table, below, value),
        Value::Array(array) => {
            let first =
                array.first_mut().and_then(Value::as_table_mut).expect("the least file has one of each");
            set(first, below, value);
        }
        other => panic!("{path} goes through {other}"),
    }
}

/// Every path in a file, without indices. A table whose keys the operator chooses is a value.
fn paths(file: &Table) -> BTreeSet<String> {
    fn enter(paths: &mut BTreeSet<String>, path: &str, value: &Value) {
        match value {
            Value::Table(_) if keys::find(path).is_some() && keys::of_table(path).next().is_none() => {}
            Value::Table(table) => {
                for (key, value) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    enter(paths, &path, value);
                    paths.insert(path);
                }
            }
            Value::Array(array) => array.iter().for_each(|value| enter(paths, path, value)),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_) => {}
        }
    }
    let mut paths = BTreeSet::new();
    enter(&mut paths, "", &Value::Table(file.clone()));
    paths
}

/// Removes a key wherever it stands.
fn remove(file: &mut Table, path: &str) {
    let Some((name, below)) = path.split_once('.') else {
        file.remove(path);
        return;
    };
    match file.get_mut(name) {
        Some(Value::Table(table)) => remove(table, below),
        Some(Value::Array(array)) => {
            array.iter_mut().filter_map(Value::as_table_mut).for_each(|table| remove(table, below));
        }
        _ => {}
    }
}
