//! An unbound.conf as far as it concerns a forwarder with DNS64, as a table of attributes.

use super::super::Note;
use super::super::draft::Spot;
use super::names::{ATTRIBUTES, CLAUSES_LOST, WHY};
use super::reader::Attribute;
use super::value::{boolean, name, network, number, port, prefix, size, socket};
use crate::domain::Domain;
use crate::keys::nearest;
use addr::Prefix64;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A file.
#[derive(Debug, Default)]
pub(super) struct Conf {
    pub(super) interfaces: Vec<(Spot, String)>,
    /// Listen at every address.
    pub(super) automatic: Option<(Spot, bool)>,
    pub(super) port: Option<u16>,
    pub(super) tls_port: Option<u16>,
    pub(super) more_tls_ports: Vec<u16>,
    pub(super) https_port: Option<u16>,
    pub(super) quic_port: Option<u16>,
    pub(super) http_endpoint: Option<(Spot, String)>,
    pub(super) service_key: Option<(Spot, PathBuf)>,
    pub(super) service_pem: Option<(Spot, PathBuf)>,
    /// Networks and what becomes of them; the longest that holds a client decides.
    pub(super) access: Vec<(Spot, IpNet, Access)>,
    /// Whether the dns64 module runs.
    pub(super) modules: Option<(Spot, bool)>,
    pub(super) prefix: Option<(Spot, Prefix64)>,
    pub(super) synthall: Option<(Spot, bool)>,
    pub(super) ignore_aaaa: Vec<(Spot, Domain)>,
    pub(super) private_addresses: Vec<(Spot, IpNet)>,
    pub(super) private_domains: Vec<(Spot, Domain)>,
    pub(super) msg_cache: Option<(Spot, u64)>,
    pub(super) rrset_cache: Option<(Spot, u64)>,
    /// Seconds.
    pub(super) max_ttl: Option<(Spot, u64)>,
    /// Seconds.
    pub(super) max_negative_ttl: Option<(Spot, u64)>,
    pub(super) serve_expired: Option<(Spot, bool)>,
    /// Seconds.
    pub(super) expired_ttl: Option<(Spot, u64)>,
    pub(super) prefetch: Option<bool>,
    pub(super) threads: Option<(Spot, u64)>,
    pub(super) answer_cookie: Option<bool>,
    pub(super) nsid: Option<(Spot, String)>,
    pub(super) tls_upstream: Option<bool>,
    pub(super) tcp_upstream: Option<bool>,
    pub(super) cert_bundle: Option<(Spot, PathBuf)>,
    pub(super) local_data: Vec<(Spot, String)>,
    pub(super) local_pointers: Vec<(Spot, String)>,
    pub(super) local_zones: Vec<(Spot, Domain, String)>,
    pub(super) unblock_private: Option<(Spot, bool)>,
    pub(super) zones: Vec<Zone>,
    pub(super) lost: Vec<Note>,
}

/// A `forward-zone` or `stub-zone`.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) spot: Spot,
    number: usize,
    pub(super) name: Option<Domain>,
    /// Its servers have authority, and are asked without recursion.
    pub(super) stub: bool,
    pub(super) addresses: Vec<(Spot, SocketAddr, Option<String>)>,
    pub(super) tls: bool,
    pub(super) tcp: bool,
}

/// What becomes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Allow,
    Refuse,
    Drop,
}

/// The actions of `access-control`.
const ACTIONS: &[(&str, Access)] = &[
    ("allow", Access::Allow),
    ("allow_setrd", Access::Allow),
    ("allow_snoop", Access::Allow),
    ("allow_cookie", Access::Allow),
    ("refuse", Access::Refuse),
    ("refuse_non_local", Access::Refuse),
    ("deny", Access::Drop),
    ("deny_non_local", Access::Drop),
];

/// Actions that are honoured otherwise.
const INEXACT: &[(&str, &str)] = &[
    (
        "allow_setrd",
        "allow_setrd is allow here: what is not remembered is asked only for clients that set RD",
    ),
    ("allow_cookie", "allow_cookie is allow here: clients without a cookie are answered as well"),
    ("refuse_non_local", "refuse_non_local is refuse here: local data is not told either"),
    ("deny_non_local", "deny_non_local is deny here: local data is not told either"),
];

type Take = fn(&mut Conf, &Attribute) -> Result<(), String>;

/// The attributes of `server:` that are honoured.
const SERVER: &[(&str, Take)] = &[
    ("interface", |conf, one| {
        conf.interfaces.push((one.spot.clone(), one.value().to_owned()));
        Ok(())
    }),
    ("ip-address", |conf, one| {
        conf.interfaces.push((one.spot.clone(), one.value().to_owned()));
        Ok(())
    }),
    ("interface-automatic", |conf, one| set(&mut conf.automatic, (one.spot.clone(), boolean(one)?))),
    ("port", |conf, one| set(&mut conf.port, port(one)?)),
    ("tls-port", |conf, one| set(&mut conf.tls_port, port(one)?)),
    ("ssl-port", |conf, one| set(&mut conf.tls_port, port(one)?)),
    ("tls-additional-port", more_tls),
    ("ssl-additional-port", more_tls),
    ("https-port", |conf, one| set(&mut conf.https_port, port(one)?)),
    ("quic-port", |conf, one| set(&mut conf.quic_port, port(one)?)),
    ("http-endpoint", |conf, one| set(&mut conf.http_endpoint, (one.spot.clone(), one.value().to_owned()))),
    ("tls-service-key", |conf, one| set(&mut conf.service_key, path(one))),
    ("ssl-service-key", |conf, one| set(&mut conf.service_key, path(one))),
    ("tls-service-pem", |conf, one| set(&mut conf.service_pem, path(one))),
    ("ssl-service-pem", |conf, one| set(&mut conf.service_pem, path(one))),
    ("access-control", access),
    ("module-config", modules),
    ("dns64-prefix", |conf, one| set(&mut conf.prefix, (one.spot.clone(), prefix(one)?))),
    ("dns64-synthall", |conf, one| set(&mut conf.synthall, (one.spot.clone(), boolean(one)?))),
    ("dns64-ignore-aaaa", |conf, one| {
        conf.ignore_aaaa.push((one.spot.clone(), name(one, "dns64-ignore-aaaa")?));
        Ok(())
    }),
    ("private-address", |conf, one| {
        conf.private_addresses.push((one.spot.clone(), network(one)?));
        Ok(())
    }),
    ("private-domain", |conf, one| {
        conf.private_domains.push((one.spot.clone(), name(one, "private-domain")?));
        Ok(())
    }),
    ("msg-cache-size", |conf, one| set(&mut conf.msg_cache, (one.spot.clone(), size(one)?))),
    ("rrset-cache-size", |conf, one| set(&mut conf.rrset_cache, (one.spot.clone(), size(one)?))),
    ("cache-max-ttl", |conf, one| set(&mut conf.max_ttl, (one.spot.clone(), number(one)?))),
    ("cache-max-negative-ttl", |conf, one| set(&mut conf.max_negative_ttl, (one.spot.clone(), number(one)?))),
    ("serve-expired", |conf, one| set(&mut conf.serve_expired, (one.spot.clone(), boolean(one)?))),
    ("serve-expired-ttl", |conf, one| set(&mut conf.expired_ttl, (one.spot.clone(), number(one)?))),
    ("prefetch", |conf, one| set(&mut conf.prefetch, boolean(one)?)),
    ("num-threads", |conf, one| set(&mut conf.threads, (one.spot.clone(), number(one)?))),
    ("answer-cookie", |conf, one| set(&mut conf.answer_cookie, boolean(one)?)),
    ("deny-any", |conf, one| {
        if !boolean(one)? {
            conf.lost.push(one.spot.note("deny-any", "ANY is always answered minimally over UDP (RFC 8482)"));
        }
        Ok(())
    }),
    ("nsid", nsid),
    ("tls-upstream", |conf, one| set(&mut conf.tls_upstream, boolean(one)?)),
    ("ssl-upstream", |conf, one| set(&mut conf.tls_upstream, boolean(one)?)),
    ("tcp-upstream", |conf, one| set(&mut conf.tcp_upstream, boolean(one)?)),
    ("tls-cert-bundle", |conf, one| set(&mut conf.cert_bundle, path(one))),
    ("ssl-cert-bundle", |conf, one| set(&mut conf.cert_bundle, path(one))),
    ("local-data", |conf, one| {
        conf.local_data.push((one.spot.clone(), one.value().to_owned()));
        Ok(())
    }),
    ("local-data-ptr", |conf, one| {
        conf.local_pointers.push((one.spot.clone(), one.value().to_owned()));
        Ok(())
    }),
    ("local-zone", |conf, one| {
        let kind = one.values.get(1).cloned().unwrap_or_default();
        conf.local_zones.push((one.spot.clone(), name(one, "local-zone")?, kind));
        Ok(())
    }),
    ("unblock-lan-zones", |conf, one| set(&mut conf.unblock_private, (one.spot.clone(), boolean(one)?))),
];

type TakeZone = fn(&mut Zone, &Attribute) -> Result<(), String>;

/// The attributes of `forward-zone:` and `stub-zone:` that are honoured.
const ZONE: &[(&str, TakeZone)] = &[
    ("name", |zone, one| set(&mut zone.name, name(one, "forward zone")?)),
    ("forward-addr", address),
    ("stub-addr", address),
    ("forward-tls-upstream", |zone, one| flag(&mut zone.tls, one)),
    ("forward-ssl-upstream", |zone, one| flag(&mut zone.tls, one)),
    ("stub-tls-upstream", |zone, one| flag(&mut zone.tls, one)),
    ("stub-ssl-upstream", |zone, one| flag(&mut zone.tls, one)),
    ("forward-tcp-upstream", |zone, one| flag(&mut zone.tcp, one)),
    ("stub-tcp-upstream", |zone, one| flag(&mut zone.tcp, one)),
];

/// Reads all attributes; every error is told.
pub(super) fn read(attributes: &[Attribute], errors: &mut Vec<String>) -> Conf {
    let mut conf = Conf::default();
    for one in attributes {
        let taken = match &*one.clause {
            "server" => {
                SERVER.iter().find(|(name, _)| *name == one.name).map(|(_, take)| take(&mut conf, one))
            }
            "forward-zone" | "stub-zone" => {
                let zone = conf.zone(one);
                ZONE.iter().find(|(name, _)| *name == one.name).map(|(_, take)| take(zone, one))
            }
            _ => None,
        };
        match taken {
            Some(Ok(())) => {}
            Some(Err(error)) => errors.push(error),
            None => conf.not_honoured(one, errors),
        }
    }
    for zone in conf.zones.iter().filter(|zone| zone.name.is_none()) {
        errors.push(zone.spot.says("forward-zone without name"));
    }
    conf
}

/// Whether an attribute of a clause is honoured.
#[cfg(test)]
pub(super) fn is_honoured(clause: &str, name: &str) -> bool {
    match clause {
        "server" => SERVER.iter().any(|(own, _)| *own == name),
        _ => ZONE.iter().any(|(own, _)| *own == name),
    }
}

impl Conf {
    fn zone(&mut self, one: &Attribute) -> &mut Zone {
        let number = one.number;
        if self.zones.last().is_none_or(|zone| zone.number != number) {
            let (spot, stub) = (one.spot.clone(), &*one.clause == "stub-zone");
            let addresses = Vec::new();
            self.zones.push(Zone { spot, number, name: None, stub, addresses, tls: false, tcp: false });
        }
        self.zones.last_mut().expect("one was pushed where there was none")
    }

    fn not_honoured(&mut self, one: &Attribute, errors: &mut Vec<String>) {
        if let Some(directive) = ATTRIBUTES.iter().find(|name| **name == one.name) {
            let clause = CLAUSES_LOST.iter().find(|(clause, _)| *clause == &*one.clause);
            let why = clause.or_else(|| WHY.iter().find(|(name, _)| name == directive));
            self.lost.push(one.spot.note(directive, why.map_or("not honoured", |(_, why)| why)));
        } else {
            let help = nearest(&one.name, ATTRIBUTES.iter().copied())
                .map_or(String::new(), |nearest| format!("; did you mean '{nearest}'?"));
            errors.push(one.spot.says(format_args!("unknown keyword '{}'{help}", one.name)));
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the tables' entries return what reading a value returns")]
fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), String> {
    *slot = Some(value);
    Ok(())
}

fn flag(slot: &mut bool, one: &Attribute) -> Result<(), String> {
    *slot = boolean(one)?;
    Ok(())
}

fn path(one: &Attribute) -> (Spot, PathBuf) {
    (one.spot.clone(), one.value().into())
}

fn more_tls(conf: &mut Conf, one: &Attribute) -> Result<(), String> {
    conf.more_tls_ports.push(port(one)?);
    Ok(())
}

/// `ascii_TEXT`, or hexadecimal digits, which have no form in gateway.toml.
fn nsid(conf: &mut Conf, one: &Attribute) -> Result<(), String> {
    match one.value().strip_prefix("ascii_") {
        Some(text) => conf.nsid = Some((one.spot.clone(), text.to_owned())),
        None if one.value().bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            conf.lost.push(one.spot.note("nsid", "not honoured: dns64.nsid is text"));
        }
        None => {
            return Err(one.spot.says(
                "the NSID must be either a hex string or an ascii character string prepended with ascii_.",
            ));
        }
    }
    Ok(())
}

fn access(conf: &mut Conf, one: &Attribute) -> Result<(), String> {
    let net = network(one)?;
    let word = one.values.get(1).map_or("", String::as_str);
    let Some((_, action)) = ACTIONS.iter().find(|(name, _)| *name == word) else {
        return Err(one.spot.says(format_args!(
            "expected deny, refuse, deny_non_local, refuse_non_local, allow, allow_setrd, allow_snoop or allow_cookie as access control action, found '{word}'"
        )));
    };
    if let Some((_, why)) = INEXACT.iter().find(|(name, _)| *name == word) {
        conf.lost.push(one.spot.note("access-control", format!("{net}: {why}")));
    }
    conf.access.push((one.spot.clone(), net, *action));
    Ok(())
}

/// Unbound's modules that may stand in `module-config`.
const MODULES: &[&str] = &[
    "dns64",
    "validator",
    "iterator",
    "respip",
    "cachedb",
    "subnetcache",
    "ipsecmod",
    "ipset",
    "python",
    "dynlib",
    "dnscrypt",
];

fn modules(conf: &mut Conf, one: &Attribute) -> Result<(), String> {
    if let Some(unknown) = one.value().split_whitespace().find(|module| !MODULES.contains(module)) {
        return Err(one
            .spot
            .says(format_args!("module_conf lists module '{unknown}' but that module is not available.")));
    }
    conf.modules = Some((one.spot.clone(), one.value().split_whitespace().any(|module| module == "dns64")));
    Ok(())
}

/// `ADDRESS[@PORT][#NAME]`; the port is filled in when the transport is known.
fn address(zone: &mut Zone, one: &Attribute) -> Result<(), String> {
    let text = one.value();
    let (place, name) = text.split_once('#').map_or((text, None), |(place, name)| (place, Some(name)));
    let refuse = || {
        let zone = zone.name.as_ref().map_or_else(|| ".".to_owned(), Domain::to_string);
        one.spot.says(format_args!("cannot parse forward {zone} ip address: '{text}'"))
    };
    let address = if place.contains('@') {
        socket(place, 0)
    } else {
        place.parse().ok().map(|addr: IpAddr| SocketAddr::new(addr, 0))
    };
    let address = address.ok_or_else(refuse)?;
    zone.addresses.push((one.spot.clone(), address, name.map(str::to_owned)));
    Ok(())
}
