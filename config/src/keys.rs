//! Every key of gateway.toml as data: what docs/configuration.md documents, what unknown keys are compared with, and
//! what a change of each key takes.
//!
//! A path here has no indices: `proxy.pool.member.address`.

mod dns64;
mod nat64;
mod proxy;
mod shared;

use crate::reader::listing;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The path without indices.
    pub path: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What holds where it is left out.
    pub default: Default,
    /// How a change of it is applied.
    pub apply: Apply,
    /// The standard or the program it follows; empty if it is our own.
    pub source: &'static str,
    /// A value that could stand in a file, as TOML; empty for tables.
    pub example: &'static str,
    /// What it is for, in one sentence.
    pub doc: &'static str,
}

/// What stands at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `[path]`.
    Table,
    /// `[[path]]`, any number of times.
    Tables,
    /// A value, described in words.
    Value(&'static str),
}

/// What holds where a key is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// It cannot be left out of its table.
    Required,
    /// There is then none.
    Absent,
    /// This value, as TOML.
    Value(&'static str),
    /// What these words say.
    Derived(&'static str),
}

/// How a change is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Apply {
    /// By a reload, while traffic flows.
    Live,
    /// By restarting the daemon.
    Restart,
}

/// A key that its table does not have.
pub(crate) struct Unknown {
    pub(crate) message: String,
    pub(crate) help: String,
    /// The key that was most likely meant.
    pub(crate) near: Option<&'static str>,
}

/// Every key, in the order of docs/configuration.md.
pub fn all() -> impl Iterator<Item = &'static Key> {
    let sections = [
        shared::PREFIX,
        nat64::NAT64,
        dns64::DNS64,
        dns64::SYNTHESIS,
        dns64::ADMISSION,
        dns64::NAMES,
        dns64::FORWARD,
        proxy::PROXY,
        proxy::listener::LISTENER,
        proxy::forwarding::FORWARDING,
        proxy::limits::LIMITS,
        proxy::answers::ANSWERS,
        proxy::hsts::HSTS,
        proxy::rule::RULE,
        proxy::gate::GATE,
        proxy::pool::POOL,
        proxy::cookie::COOKIE,
        proxy::check::CHECK,
        proxy::member::MEMBER,
        shared::ADMIN,
        shared::LOG,
    ];
    sections.into_iter().flatten()
}

/// The key at `path`, with or without indices.
pub fn find(path: &str) -> Option<&'static Key> {
    INDEX.by_path.get(schema(path).as_str()).copied()
}

/// The keys that the table at `path` has; the sections for the empty path.
pub fn of_table(path: &str) -> impl Iterator<Item = &'static Key> {
    INDEX.by_table.get(schema(path).as_str()).into_iter().flatten().copied()
}

/// Each key of a file is looked up: a walk over all that there are was most of the time that reading one took.
static INDEX: LazyLock<Index> = LazyLock::new(Index::new);

struct Index {
    by_path: HashMap<&'static str, &'static Key>,
    /// In the order of [`all`].
    by_table: HashMap<&'static str, Vec<&'static Key>>,
}

impl Index {
    fn new() -> Self {
        let mut by_table: HashMap<_, Vec<_>> = HashMap::new();
        for key in all() {
            by_table.entry(key.table()).or_default().push(key);
        }
        Self { by_path: all().map(|key| (key.path, key)).collect(), by_table }
    }
}

impl Key {
    /// The path of the table it stands in; empty for a section.
    pub fn table(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// Its name in that table.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

/// `path` without indices and without the names that a [`crate::Change`] has in their place.
pub(crate) fn schema(path: &str) -> String {
    let mut depth = 0_u32;
    let outside = path.chars().filter(|c| match c {
        '[' => {
            depth += 1;
            false
        }
        ']' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => depth == 0,
    });
    outside.collect()
}

/// What other programs call a key: its table, their word, and ours.
const ALIASES: [(&str, &str, &str); 2] =
    [("proxy.listener.rule.redirect", "code", "status"), ("proxy.pool.check", "type", "kind")];

/// What to say about `key` in the table at `table`, a path without indices, unless the table has it.
pub(crate) fn unknown(table: &str, key: &str) -> Option<Unknown> {
    let known = INDEX.by_table.get(table).map_or(&[][..], Vec::as_slice);
    if known.iter().any(|known| known.name() == key) {
        return None;
    }
    let section = table.is_empty();
    let message = if section {
        "there is no section of this name".to_owned()
    } else {
        format!("[{table}] has no key of this name")
    };
    let show = |name: &str| if section { format!("[{name}]") } else { name.to_owned() };
    let alias = ALIASES.iter().find(|(of, word, _)| (*of, *word) == (table, key)).map(|(_, _, near)| *near);
    let near = alias.or_else(|| nearest(key, known.iter().map(|known| known.name())));
    let help = if let Some(near) = near {
        format!("did you mean {}?", show(near))
    } else if let Some(elsewhere) = all().find(|known| known.name() == key) {
        format!("{key} is a key of [{}]", elsewhere.table())
    } else {
        format!("known here: {}", listing(known.iter().map(|known| show(known.name())), "and"))
    };
    Some(Unknown { message, help, near })
}

/// The candidate that `word` is most likely a slip of the pen of.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

const fn key(
    path: &'static str,
    kind: &'static str,
    default: Default,
    apply: Apply,
    source: &'static str,
    example: &'static str,
    doc: &'static str,
) -> Key {
    Key { path, kind: Kind::Value(kind), default, apply, source, example, doc }
}

const fn table(path: &'static str, default: Default, apply: Apply, doc: &'static str) -> Key {
    Key { path, kind: Kind::Table, default, apply, source: "", example: "", doc }
}

const fn tables(path: &'static str, apply: Apply, doc: &'static str) -> Key {
    Key { path, kind: Kind::Tables, default: Default::Absent, apply, source: "", example: "", doc }
}

impl fmt::Display for Apply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Restart => "restart",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Tables => "array of tables",
            Self::Value(words) => words,
        })
    }
}

impl fmt::Display for Default {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("required"),
            Self::Absent => f.write_str("none"),
            Self::Value(toml) => write!(f, "`{toml}`"),
            Self::Derived(words) => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_unique_and_every_key_stands_in_a_table() {
        for key in all() {
            assert_eq!(all().filter(|other| other.path == key.path).count(), 1, "{}", key.path);
            if !key.table().is_empty() {
                let table = find(key.table()).unwrap_or_else(|| panic!("no table for {}", key.path));
                assert!(
                    matches!(table.kind, Kind::Table | Kind::Tables) || table.path == "dns64.client.prefixes",
                    "{}",
                    key.path
                );
            }
        }
    }

    #[test]
    fn a_key_that_restarts_does_not_hide_in_one_that_is_live() {
        for key in all().filter(|key| key.kind == Kind::Tables && key.apply == Apply::Live) {
            for below in all().filter(|below| below.path.starts_with(&format!("{}.", key.path))) {
                assert_eq!(below.apply, Apply::Live, "{}", below.path);
            }
        }
    }

    #[test]
    fn paths_lose_their_indices() {
        assert_eq!(schema("proxy.pool[0].member[12].address"), "proxy.pool.member.address");
        assert_eq!(schema("proxy.pool[a.b:c].member[x].weight"), "proxy.pool.member.weight");
        assert_eq!(schema("nat64.mtu"), "nat64.mtu");
        assert_eq!(schema("]a[b"), "a");
    }

    #[test]
    fn slips_are_recognized_and_strangers_are_not() {
        let check = |word: &str, expect: Option<&str>| {
            assert_eq!(nearest(word, ["pref64", "allow_private_ipv4"]), expect, "{word}");
        };
        check("perf64", Some("pref64"));
        check("prefix", Some("pref64"));
        check("PREF64", Some("pref64"));
        check("allow-private-ipv4", Some("allow_private_ipv4"));
        check("listen", None);
        check("", None);
    }
}
