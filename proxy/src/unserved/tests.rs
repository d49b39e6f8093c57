use super::*;
use config::keys;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/configuration.md");

/// The whole file of the page, which has what is not served behind `#`.
fn whole_file() -> &'static str {
    let (_, rest) = PAGE.split_once("```toml\n").expect("the page has a whole file");
    rest.split("```").next().expect("split gives at least one part")
}

fn paths(text: &str) -> BTreeSet<String> {
    let loaded = config::parse(text, "gateway.toml").unwrap_or_else(|errors| panic!("{errors}"));
    refusals(&loaded.model).into_iter().map(|refusal| refusal.path).collect()
}

/// A path without its indices.
fn key(path: &str) -> String {
    path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect()
}

#[test]
fn the_documented_file_is_served_but_for_what_stands_behind_a_hash() {
    assert_eq!(paths(whole_file()), BTreeSet::new());
}

#[test]
fn what_stands_behind_a_hash_is_what_the_tables_refuse() {
    let lines = whole_file().lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let refused: BTreeSet<String> =
        paths(&lines.collect::<Vec<_>>().join("\n")).iter().map(|path| key(path)).collect();
    let rows = LISTENER.iter().map(|row| format!("proxy.listener.{}", row.key));
    assert_eq!(refused, rows.collect::<BTreeSet<_>>());
    for path in refused {
        assert!(keys::find(&path).is_some(), "{path} is no key");
    }
}
