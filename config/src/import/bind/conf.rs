//! A named.conf as far as it concerns a forwarder with DNS64: options, views and zones.

use super::super::Note;
use super::super::draft::Spot;
use super::acl::{Acl, Acls};
use super::names;
use super::scope::{self, Reading, Scope, forwarders};
use super::server::{self, Server};
use super::statement::Statement;
use crate::defaults::DNS_PORT;
use crate::domain::Domain;
use crate::keys::nearest;
use std::net::SocketAddr;

/// A file.
#[derive(Debug, Default)]
pub(super) struct Conf {
    pub(super) options: Scope,
    pub(super) server: Server,
    /// The port of listeners that have none of their own.
    pub(super) port: u16,
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
    pub(super) spot: Spot,
    pub(super) name: String,
    /// `match-clients`, where it stands.
    pub(super) clients: Acl,
    pub(super) scope: Scope,
}

/// One `zone` of type forward.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) spot: Spot,
    pub(super) name: Domain,
    pub(super) forwarders: Vec<SocketAddr>,
    /// The view that it stands in.
    pub(super) view: Option<String>,
}

/// Reads all statements; every error is named.
pub(super) fn read(statements: &[Statement]) -> Result<Conf, Vec<String>> {
    let (mut conf, mut errors, mut acls) = (Conf::default(), Vec::new(), Acls::default());
    for statement in statements.iter().filter(|statement| statement.name() == "acl") {
        errors.extend(acls.define(statement).err());
    }
    errors.extend(acls.check());
    let mut lost = Vec::new();
    conf.port = port(statements).unwrap_or_else(|error| {
        errors.push(error);
        DNS_PORT
    });
    let mut reading = Reading { acls: &acls, errors: &mut errors, lost: &mut lost, port: conf.port };
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

/// The port that `options` sets.
fn port(statements: &[Statement]) -> Result<u16, String> {
    let options = statements.iter().filter(|statement| statement.name() == "options");
    let mut clauses = options.filter_map(Statement::block).flatten();
    let own = clauses.rfind(|clause| clause.name() == "port");
    own.map_or(Ok(DNS_PORT), |clause| scope::port(clause, &clause.words(), DNS_PORT))
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
                    if !self.options.take(clause, reading) && !self.server.take(clause, reading) {
                        not_honoured(clause, &[names::OPTIONS], reading);
                    }
                }
                Ok(())
            }
            "view" => self.view(statement, reading),
            "zone" => {
                self.outside.get_or_insert_with(|| spot.clone());
                self.zone(statement, None, reading)
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
        let class = statement.word(2).unwrap_or("IN").to_ascii_uppercase();
        if class != "IN" {
            reading.lose(&statement.spot, "view", format!("{name}: names of class {class} are not served"));
            return Ok(());
        }
        let spot = statement.spot.clone();
        let mut view = View { spot, name, clients: Acl::any(), scope: Scope::default() };
        for clause in statement.need_block()? {
            match clause.name() {
                "match-clients" => view.clients = reading.list(clause, "match-clients")?,
                "zone" => self.zone(clause, Some(&view.name), reading)?,
                _ if view.scope.take(clause, reading) => {}
                _ => not_honoured(clause, &[names::OPTIONS, names::VIEW], reading),
            }
        }
        self.views.push(view);
        Ok(())
    }

    fn zone(
        &mut self,
        statement: &Statement,
        view: Option<&str>,
        reading: &mut Reading<'_, '_>,
    ) -> Result<(), String> {
        let word = statement.value()?;
        let spot = &statement.spot;
        let refuse = |why: &str| Err(spot.says(format_args!("zone '{word}': {why}")));
        let Ok(name) = word.parse::<Domain>() else { return refuse("is not a valid name") };
        let block = statement.need_block()?;
        let value = |name: &str| block.iter().find(|clause| clause.name() == name).map(Statement::value);
        let (mut kind, mut addresses) = (value("type").transpose()?, None);
        if kind.is_none() && value("in-view").is_some() {
            kind = Some("in-view");
        }
        for clause in block {
            match clause.name() {
                "type" => {}
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
                let (spot, view) = (spot.clone(), view.map(str::to_owned));
                self.zones.push(Zone { spot, name, forwarders, view });
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
    ("disable-empty-zone", "not honoured: see dns64.private_zones"),
    ("querylog", "not honoured: log.level = \"debug\" tells of every question"),
    ("allow-query-on", WHERE_ASKED),
    ("allow-query-cache-on", WHERE_ASKED),
    ("allow-recursion-on", WHERE_ASKED),
    ("match-destinations", "not honoured: views are told apart by match-clients alone"),
    ("match-recursive-only", "not honoured: views are told apart by match-clients alone"),
    ("tls-port", "not honoured: see dns64.listen_tls"),
    ("https-port", "not honoured: see dns64.listen_https"),
    ("http-port", "not honoured: DNS over HTTP without TLS is not served"),
    ("query-source", "not honoured: the system's routes decide"),
    ("query-source-v6", "not honoured: the system's routes decide"),
    ("min-cache-ttl", "not honoured: no answer is kept for longer than it says"),
    ("min-ncache-ttl", "not honoured: no answer is kept for longer than it says"),
];

const WHERE_ASKED: &str = "not honoured: whoever may ask, may ask at every address; see dns64.listen";

fn check_name(clause: &Statement, name: &str, tables: &[&'static [&'static str]]) -> Result<(), String> {
    let known = || tables.iter().flat_map(|table| table.iter().copied());
    if known().any(|known| known == name) {
        return Ok(());
    }
    let help = nearest(name, known().chain(scope::names()).chain(server::names()))
        .map_or(String::new(), |nearest| format!("; did you mean '{nearest}'?"));
    Err(clause.spot.says(format_args!("unknown option '{name}'{help}")))
}
