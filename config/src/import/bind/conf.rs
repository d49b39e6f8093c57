//! A named.conf as far as it concerns a forwarder with DNS64: options, views and zones.

use super::super::Note;
use super::super::draft::Spot;
use super::acl::{Acl, Acls};
use super::names;
use super::scope::{self, Reading, Scope, forwarders};
use super::statement::Statement;
use crate::domain::Domain;
use crate::keys::nearest;
use std::net::SocketAddr;

/// A file.
#[derive(Debug, Default)]
pub(super) struct Conf {
    pub(super) options: Scope,
    /// Where `options` stands.
    pub(super) options_spot: Option<Spot>,
    /// In the order of the file: the first that holds a client is the client's.
    pub(super) views: Vec<View>,
    pub(super) zones: Vec<Zone>,
    pub(super) lost: Vec<Note>,
    /// Where the first zone outside of views stands.
    outside: Option<Spot>,
}

/// One `view`.
#[derive(Debug)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) clients: Acl,
    pub(super) scope: Scope,
}

/// One `zone` of type forward.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) spot: Spot,
    pub(super) name: Domain,
    pub(super) forwarders: Vec<SocketAddr>,
}

/// Reads all statements; every error is named.
pub(super) fn read(statements: &[Statement]) -> Result<Conf, Vec<String>> {
    let (mut conf, mut errors, mut acls) = (Conf::default(), Vec::new(), Acls::default());
    for statement in statements.iter().filter(|statement| statement.name() == "acl") {
        errors.extend(acls.define(statement).err());
    }
    errors.extend(acls.check());
    let mut lost = Vec::new();
    let mut reading = Reading { acls: &acls, errors: &mut errors, lost: &mut lost };
    for statement in statements {
        if let Err(error) = conf.statement(statement, &mut reading) {
            reading.errors.push(error);
        }
    }
    if let (Some(spot), false) = (&conf.outside, conf.views.is_empty()) {
        errors.push(spot.says("when using 'view' statements, all zones must be in views"));
    }
    conf.lost = lost;
    if errors.is_empty() { Ok(conf) } else { Err(errors) }
}

impl Conf {
    fn statement(&mut self, statement: &Statement, reading: &mut Reading<'_, '_>) -> Result<(), String> {
        let spot = &statement.spot;
        match statement.name() {
            "acl" => Ok(()),
            "options" if self.options_spot.is_some() => Err(spot.says("'options' redefined near 'options'")),
            "options" => {
                self.options_spot = Some(spot.clone());
                for clause in statement.need_block()? {
                    if !self.options.take(clause, reading) {
                        not_honoured(clause, &[names::OPTIONS], reading);
                    }
                }
                Ok(())
            }
            "view" => self.view(statement, reading),
            "zone" => {
                self.outside.get_or_insert_with(|| spot.clone());
                self.zone(statement, reading)
            }
            _ => {
                not_honoured(statement, &[names::TOP], reading);
                Ok(())
            }
        }
    }

    fn view(&mut self, statement: &Statement, reading: &mut Reading<'_, '_>) -> Result<(), String> {
        let name = statement.value()?.to_owned();
        if self.views.iter().any(|view| view.name == name) {
            return Err(statement.spot.says(format_args!("view '{name}' stands twice")));
        }
        let mut view = View { name, clients: Acl::any(), scope: Scope::default() };
        for clause in statement.need_block()? {
            match clause.name() {
                "match-clients" => view.clients = reading.list(clause, "match-clients")?,
                "zone" => self.zone(clause, reading)?,
                _ if view.scope.take(clause, reading) => {}
                _ => not_honoured(clause, &[names::OPTIONS, names::VIEW], reading),
            }
        }
        self.views.push(view);
        Ok(())
    }

    fn zone(&mut self, statement: &Statement, reading: &mut Reading<'_, '_>) -> Result<(), String> {
        let word = statement.value()?;
        let spot = &statement.spot;
        let refuse = |why: &str| Err(spot.says(format_args!("zone '{word}': {why}")));
        let Ok(name) = word.parse::<Domain>() else { return refuse("is not a valid name") };
        let (mut kind, mut addresses) = (None, None);
        for clause in statement.need_block()? {
            match clause.name() {
                "type" => kind = Some(clause.value()?),
                "forwarders" => addresses = Some(forwarders(clause, reading)?),
                "forward" => {
                    let mut unused = Scope::default();
                    unused.take(clause, reading);
                }
                _ if kind == Some("forward") => not_honoured(clause, &[names::ZONE], reading),
                other => check_name(clause, other, &[names::ZONE])?,
            }
        }
        match (kind, addresses) {
            (None, _) => refuse("type not present"),
            (Some("forward"), Some(forwarders)) if !forwarders.is_empty() => {
                if self.zones.iter().any(|zone| zone.name == name) {
                    let why = "stands more than once, with views: the first one holds for every client";
                    reading.lose(spot, "zone", format!("{word} {why}"));
                } else {
                    self.zones.push(Zone { spot: spot.clone(), name, forwarders });
                }
                Ok(())
            }
            (Some("forward"), _) => {
                let why =
                    format!("{word} has no forwarders, so named resolves it itself, which is not done here");
                reading.lose(spot, "zone", why);
                Ok(())
            }
            (Some("hint"), _) => {
                reading.lose(spot, "zone", "root hints are not used: every question is forwarded");
                Ok(())
            }
            (Some(kind), _) if ZONE_TYPES.contains(&kind) => {
                let why = format!(
                    "{word}: zones of type {kind} are not served; forward the name to a server that does, or write [[dns64.host]] entries"
                );
                reading.lose(spot, "zone", why);
                Ok(())
            }
            (Some(kind), _) => Err(spot.says(format_args!("'{kind}' unexpected"))),
        }
    }
}

/// The other types of zones.
const ZONE_TYPES: &[&str] = &[
    "primary",
    "master",
    "secondary",
    "slave",
    "mirror",
    "static-stub",
    "stub",
    "redirect",
    "delegation-only",
    "in-view",
];

/// Notes a directive that has a name in named's grammar, and refuses one that has none.
fn not_honoured(clause: &Statement, tables: &[&'static [&'static str]], reading: &mut Reading<'_, '_>) {
    let name = clause.name();
    let known = tables.iter().flat_map(|table| table.iter()).find(|known| **known == name);
    match known {
        Some(known) => {
            let why = WHY.iter().find(|(about, _)| about == known).map_or("not honoured", |(_, why)| why);
            reading.lose(&clause.spot, known, why);
        }
        None => reading.errors.extend(check_name(clause, name, tables).err()),
    }
}

/// What to do about some of them.
const WHY: &[(&str, &str)] = &[
    ("dnssec-validation", "not honoured: nothing is validated here, forward to resolvers that do"),
    ("ipv4only-enable", "not honoured: ipv4only.arpa is always answered (RFC 8880)"),
    ("dns64-server", "not honoured: reverse zones have an SOA record of causeway's"),
    ("dns64-contact", "not honoured: reverse zones have an SOA record of causeway's"),
    ("directory", "not honoured: paths in gateway.toml are absolute"),
    ("logging", "not honoured: see [log]"),
    ("controls", "not honoured: see [admin]"),
    ("statistics-channels", "not honoured: metrics are at [admin]"),
    ("minimal-any", "not honoured: ANY is always answered minimally over UDP (RFC 8482)"),
    ("deny-answer-addresses", "not honoured: see dns64.rebind_protection"),
    ("response-policy", "not honoured"),
];

fn check_name(clause: &Statement, name: &str, tables: &[&'static [&'static str]]) -> Result<(), String> {
    let known = || tables.iter().flat_map(|table| table.iter().copied());
    if known().any(|known| known == name) {
        return Ok(());
    }
    let help = nearest(name, known().chain(scope::names()))
        .map_or(String::new(), |nearest| format!("; did you mean '{nearest}'?"));
    Err(clause.spot.says(format_args!("unknown option '{name}'{help}")))
}
