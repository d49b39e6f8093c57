//! `[proxy]`: what is the same for all listeners and pools, and how they are called.

mod answers;
mod check;
mod cookie;
mod endpoint;
mod forwarding;
mod hsts;
mod limits;
mod listener;
mod log;
mod pool;
mod rule;
mod timeouts;
mod tls;

use super::{Placed, Read, Table, Value, all, unique};
use crate::defaults;
use crate::model::{Pool, Proxy};

pub(super) fn read(table: &Table<'_>) -> Read<Proxy> {
    let workers = table.or("workers", defaults::WORKERS, |value| value.integer(super::nat64::WORKER_RANGE));
    let timeout = table.section("timeout", timeouts::of_section).map(Option::unwrap_or_default);
    let log = table.section("log", log::read).map(Option::unwrap_or_default);
    let pools = table.tables("pool").map(Named::read);
    // If a pool's name could not be read, nobody can say which pools there are.
    let known = pools.as_ref().ok().and_then(|pools| all(pools.iter().map(|pool| pool.name.clone())).ok());
    let pool = pools.and_then(|pools| unique_names(&pools).and(all(pools.into_iter().map(pool::read))));
    let known = Pools { names: known, read: pool.as_deref().unwrap_or_default() };
    let usual = timeout.unwrap_or_default();
    let listener = table.tables("listener").and_then(|tables| listener::all_of(tables, &known, usual));
    Ok(Proxy { workers: workers?, timeout: timeout?, log: log?, listener: listener?, pool: pool? })
}

/// The pools that listeners may name.
struct Pools<'a> {
    /// All names with their places, if each could be read.
    names: Option<Vec<Placed<'a, String>>>,
    /// All pools, if each could be read.
    read: &'a [Pool],
}

/// A table and the name that it goes by.
struct Named<'a> {
    table: Table<'a>,
    name: Read<Placed<'a, String>>,
}

impl<'a> Named<'a> {
    fn read(tables: Vec<Table<'a>>) -> Vec<Self> {
        let named = |table: Table<'a>| {
            let name = table.need("name", Value::name).map(|name| table.spot("name").with(name));
            Self { table, name }
        };
        tables.into_iter().map(named).collect()
    }
}

fn unique_names(tables: &[Named<'_>]) -> Read<()> {
    let names: Vec<_> = tables.iter().filter_map(|named| named.name.clone().ok()).collect();
    unique(
        &names,
        |name| Some(name.clone()),
        |name, first| {
            (
                format!("the name {name:?} already stands at {}", first.at.place()),
                "give each its own name".to_owned(),
            )
        },
    )
}
