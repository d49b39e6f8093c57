//! What both `options` and each `view` may say: the clauses that causeway-dns64 has words for, as a table.

use super::super::Note;
use super::super::draft::Spot;
use super::acl::{Acl, Acls};
use super::dns64::{self, Dns64, boolean};
use super::statement::Statement;
use super::value::{Size, seconds, size};
use std::net::{IpAddr, SocketAddr};

/// What one block says. Nothing here has a default.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) dns64: Vec<Dns64>,
    pub(super) forwarders: Option<(Spot, Vec<SocketAddr>)>,
    /// `allow-query`, `allow-query-cache` and `allow-recursion`, as far as they stand there.
    pub(super) allow: Vec<(Spot, &'static str, Acl)>,
    pub(super) recursion: Option<(Spot, bool)>,
    pub(super) empty_zones: Option<(Spot, bool)>,
    pub(super) cache_size: Option<(Spot, u64)>,
    /// Seconds.
    pub(super) max_cache_ttl: Option<(Spot, u64)>,
    /// Seconds.
    pub(super) max_ncache_ttl: Option<(Spot, u64)>,
    pub(super) stale: Option<(Spot, bool)>,
    /// Seconds.
    pub(super) max_stale_ttl: Option<(Spot, u64)>,
    pub(super) response_rate: Option<(Spot, u64)>,
    pub(super) prefetch: Option<(Spot, bool)>,
}

/// The name of a clause and what it does to the block that it stands in.
pub(super) type Clause<T> =
    (&'static str, fn(&mut T, &Statement, &mut Reading<'_, '_>) -> Result<(), String>);

/// What clauses read with, and where they leave what they cannot say.
pub(super) struct Reading<'a, 'b> {
    pub(super) acls: &'a Acls<'b>,
    pub(super) errors: &'a mut Vec<String>,
    pub(super) lost: &'a mut Vec<Note>,
    /// The port of listeners and forwarders that have none of their own.
    pub(super) port: u16,
}

impl Reading<'_, '_> {
    pub(super) fn lose(&mut self, spot: &Spot, directive: &'static str, why: impl Into<String>) {
        self.lost.push(spot.note(directive, why));
    }

    /// The list of a clause; what it loses is noted.
    pub(super) fn list(&mut self, clause: &Statement, directive: &'static str) -> Result<Acl, String> {
        let mut acl = self.acls.read(clause.need_block()?)?;
        for (spot, why) in acl.lost.drain(..) {
            self.lose(&spot, directive, why);
        }
        Ok(acl)
    }
}

/// The clauses that are honoured.
const CLAUSES: &[Clause<Scope>] = &[
    ("dns64", |scope, clause, reading| {
        scope.dns64.extend(dns64::read(clause, reading));
        Ok(())
    }),
    ("forwarders", |scope, clause, reading| {
        scope.forwarders = Some((clause.spot.clone(), forwarders(clause, reading)?));
        Ok(())
    }),
    ("forward", forward),
    ("allow-query", |scope, clause, reading| allow(scope, clause, reading, "allow-query")),
    ("allow-query-cache", |scope, clause, reading| allow(scope, clause, reading, "allow-query-cache")),
    ("allow-recursion", |scope, clause, reading| allow(scope, clause, reading, "allow-recursion")),
    ("max-cache-size", max_cache_size),
    ("max-cache-ttl", |scope, clause, _| {
        scope.max_cache_ttl = Some((clause.spot.clone(), seconds(clause)?));
        Ok(())
    }),
    ("max-ncache-ttl", |scope, clause, _| {
        scope.max_ncache_ttl = Some((clause.spot.clone(), seconds(clause)?));
        Ok(())
    }),
    ("max-stale-ttl", |scope, clause, _| {
        scope.max_stale_ttl = Some((clause.spot.clone(), seconds(clause)?));
        Ok(())
    }),
    ("stale-answer-enable", |scope, clause, _| {
        scope.stale = Some((clause.spot.clone(), boolean(clause)?));
        Ok(())
    }),
    ("rate-limit", rate_limit),
    ("prefetch", |scope, clause, _| {
        scope.prefetch = Some((clause.spot.clone(), clause.value()? != "0"));
        Ok(())
    }),
    ("recursion", |scope, clause, _| {
        scope.recursion = Some((clause.spot.clone(), boolean(clause)?));
        Ok(())
    }),
    ("empty-zones-enable", |scope, clause, _| {
        scope.empty_zones = Some((clause.spot.clone(), boolean(clause)?));
        Ok(())
    }),
];

impl Scope {
    /// Takes `clause`; `false` says that it is none of these.
    pub(super) fn take(&mut self, clause: &Statement, reading: &mut Reading<'_, '_>) -> bool {
        take(CLAUSES, self, clause, reading)
    }
}

/// Has `block` take `clause`; `false` says that none of `clauses` is it.
pub(super) fn take<T>(
    clauses: &[Clause<T>],
    block: &mut T,
    clause: &Statement,
    reading: &mut Reading<'_, '_>,
) -> bool {
    let Some((_, take)) = clauses.iter().find(|(name, _)| *name == clause.name()) else { return false };
    if let Err(error) = take(block, clause, reading) {
        reading.errors.push(error);
    }
    true
}

/// The names of the clauses that are honoured.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CLAUSES.iter().map(|(name, _)| *name)
}

fn allow(
    scope: &mut Scope,
    clause: &Statement,
    reading: &mut Reading<'_, '_>,
    directive: &'static str,
) -> Result<(), String> {
    let acl = reading.list(clause, directive)?;
    scope.allow.push((clause.spot.clone(), directive, acl));
    Ok(())
}

/// The addresses of `forwarders [ port N ] { ADDRESS [ port N ] [ tls NAME ]; ... }`.
pub(super) fn forwarders(
    clause: &Statement,
    reading: &mut Reading<'_, '_>,
) -> Result<Vec<SocketAddr>, String> {
    let default = port(clause, &clause.words(), reading.port)?;
    let mut list = Vec::new();
    for one in clause.need_block()? {
        let address: IpAddr = one
            .name()
            .parse()
            .map_err(|_| one.spot.says(format_args!("expected IP address near '{}'", one.name())))?;
        let words = one.words();
        if words.contains(&"tls") {
            reading.lose(
                &one.spot,
                "forwarders",
                format!("{address}: tls is not honoured: write tls://{address}#NAME, with the name that its certificate has"),
            );
        }
        list.push(SocketAddr::new(address, port(one, &words, default)?));
    }
    Ok(list)
}

/// The number behind the word `port`.
pub(super) fn port(statement: &Statement, words: &[&str], default: u16) -> Result<u16, String> {
    let Some(at) = words.iter().position(|word| *word == "port") else { return Ok(default) };
    let word = words.get(at + 1).copied().unwrap_or_default();
    word.parse().map_err(|_| statement.spot.says(format_args!("port '{word}' out of range")))
}

fn forward(_: &mut Scope, clause: &Statement, reading: &mut Reading<'_, '_>) -> Result<(), String> {
    match clause.value()? {
        "only" => {}
        "first" => reading.lose(
            &clause.spot,
            "forward",
            "first is only here: where no forwarder answers, nothing else is asked",
        ),
        other => return Err(clause.spot.says(format_args!("'{other}' unexpected"))),
    }
    Ok(())
}

fn max_cache_size(
    scope: &mut Scope,
    clause: &Statement,
    reading: &mut Reading<'_, '_>,
) -> Result<(), String> {
    match size(clause)? {
        Size::Bytes(bytes) => scope.cache_size = Some((clause.spot.clone(), bytes)),
        Size::Relative => reading.lose(
            &clause.spot,
            "max-cache-size",
            "not honoured: cache_size is a number of bytes, the default is kept",
        ),
    }
    Ok(())
}

/// `rate-limit { responses-per-second N; ... }`.
fn rate_limit(scope: &mut Scope, clause: &Statement, reading: &mut Reading<'_, '_>) -> Result<(), String> {
    let mut log_only = false;
    for one in clause.need_block()? {
        if one.name() == "responses-per-second" {
            let word = one.value()?;
            let rate =
                word.parse().map_err(|_| one.spot.says(format_args!("expected number near '{word}'")))?;
            scope.response_rate = Some((one.spot.clone(), rate));
        } else if one.name() == "log-only" {
            log_only = boolean(one)?;
        } else {
            reading.lose(&one.spot, "rate-limit", format!("{} is not honoured", one.name()));
        }
    }
    if log_only {
        reading.lose(&clause.spot, "rate-limit", "log-only: nothing is limited, and nothing logged");
        scope.response_rate = None;
    }
    Ok(())
}
