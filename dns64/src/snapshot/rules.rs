//! The policy that a configuration's `[prefix]` and `[dns64]` come to.

use crate::designated::{self, Listening};
use crate::domain::{DomainMap, DomainSet};
use crate::name::WireName;
use crate::policy::{
    Cases, ClientRule, Limits, MappedNet, NameRule, Policy, PrefixRule, Reverse, Settings, Site, Synthesis,
    Treatment,
};
use crate::rebind::Guard;
use crate::special::{self, Keeper};
use addr::{Prefix64, fold_mapped};
use config::Domain;
use config::model::{self, ClientPrefix, Dns64, DnsClient, Prefix, PrivateZones, ReverseNames};
use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::SVCB;
use ipnet::Ipv4Net;
use service::tls::Bundle;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// The addresses that belong to a prefix where the file says nothing: all.
const ALL_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0);

/// The policy of `prefix` and `dns64`.
pub(super) fn policy(prefix: &Prefix, dns64: &Dns64) -> Policy {
    let site = site(prefix, dns64);
    // Nothing private may stand in the well-known prefix, whoever uses it (RFC 6052 §3.1).
    let guarded = site.prefixes.iter().copied().chain([Prefix64::WELL_KNOWN]);
    let basis = Synthesis {
        prefixes: vec![PrefixRule {
            prefix: prefix.pref64,
            suffix: Ipv6Addr::UNSPECIFIED,
            mapped: vec![MappedNet { net: ALL_IPV4, allow: true }],
        }],
        exclude: dns64.exclude_aaaa.clone(),
        guarded: guarded.collect(),
        limits: site.limits,
        names: names(&dns64.force, &dns64.forbid),
        private_domains: trusted(dns64),
        cases: Cases {
            error: treatment(dns64.rules.on_aaaa_error),
            name_error: treatment(dns64.rules.on_nxdomain),
            signed: treatment(dns64.rules.signed),
        },
        trust_ad: site.trust_ad,
    };
    let clients = dns64.client.iter().map(|client| client_rule(client, &basis)).collect();
    Policy::new(Settings { clients, default: Arc::new(basis), site })
}

/// What is taken out of upstreams' answers.
pub(super) fn guard(prefix: &Prefix, dns64: &Dns64) -> Guard {
    let prefixes = site(prefix, dns64).prefixes.into_iter().chain([Prefix64::WELL_KNOWN]).collect();
    Guard { on: dns64.rebind_protection, trusted: trusted(dns64), prefixes }
}

/// Names that may have private addresses: those that the file lists, and those with upstreams of their own, which the
/// operator chose. The root is no such name, since everything is below it.
fn trusted(dns64: &Dns64) -> DomainSet {
    let own = dns64.forward.iter().flat_map(|forward| &forward.domains);
    let own = own.filter(|domain| domain.labels().next().is_some());
    dns64.private_domains.iter().chain(own).map(wire_name).collect()
}

/// Which names are not looked up. Choice: a domain of upstreams that is the root is another default, and brings no
/// special name back.
pub(super) fn special(dns64: &Dns64) -> special::Rules {
    let names = &dns64.names;
    let here = names.local_domains.iter().map(|domain| (domain, Keeper::Here));
    let elsewhere = dns64.forward.iter().flat_map(|forward| &forward.domains);
    let elsewhere = elsewhere.map(|domain| (domain, Keeper::Upstream));
    let proper = here.chain(elsewhere).filter(|(domain, _)| domain.labels().next().is_some());
    special::Rules {
        domains: proper.map(|(domain, keeper)| (wire_name(domain), keeper)).collect(),
        domain_needed: names.domain_needed,
        forward_private: match names.private_zones {
            PrivateZones::Forward => true,
            PrivateZones::Local => false,
            PrivateZones::Auto => dns64.upstream.iter().all(|upstream| is_private(upstream.address.ip())),
        },
        designated: Vec::new(),
    }
}

/// The encrypted listeners, by the first name that a certificate holds for: a wildcard is no name to connect to.
pub(super) fn designated(dns64: &Dns64, certificates: &[Bundle]) -> Vec<SVCB> {
    let names = certificates.iter().flat_map(|bundle| &bundle.names);
    let mut names = names.filter(|name| !name.starts_with('*'));
    let Some(target) = names.find_map(|name| Name::from_ascii(format!("{name}.")).ok()) else {
        return Vec::new();
    };
    let listening = Listening {
        plain: &dns64.listen,
        tls: &dns64.listen_tls,
        https: &dns64.listen_https,
        quic: &dns64.listen_quic,
        https_path: &dns64.https_path,
    };
    designated::records(&listening, &target)
}

/// Whether a resolver at `address` belongs to the site, and so may know its private names.
fn is_private(address: IpAddr) -> bool {
    match fold_mapped(address) {
        IpAddr::V4(v4) => !addr::special::is_global_v4(v4),
        IpAddr::V6(v6) => addr::special::lookup_v6(v6).is_some_and(|row| !row.global),
    }
}

fn site(prefix: &Prefix, dns64: &Dns64) -> Site {
    let of_clients = dns64.client.iter().flat_map(|client| &client.prefixes).map(|rule| rule.prefix);
    let others = dns64.rules.reverse_prefixes.iter().copied();
    Site {
        prefixes: [prefix.pref64].into_iter().chain(of_clients).chain(others).collect(),
        reverse: match dns64.rules.reverse {
            ReverseNames::Cname => Reverse::Cname,
            ReverseNames::Direct => Reverse::Direct,
            ReverseNames::Off => Reverse::Off,
        },
        limits: Limits {
            allow_private_ipv4: prefix.allow_private_ipv4,
            rebind_protection: dns64.rebind_protection,
        },
        strip_ipv4hint: dns64.rules.strip_ipv4hint,
        trust_ad: dns64.rules.trust_ad,
    }
}

const fn treatment(treatment: model::Treatment) -> Treatment {
    match treatment {
        model::Treatment::Synthesize => Treatment::Synthesize,
        model::Treatment::Pass => Treatment::Pass,
    }
}

fn client_rule(client: &DnsClient, basis: &Synthesis) -> ClientRule {
    let synthesis = Synthesis {
        prefixes: client.prefixes.iter().map(prefix_rule).collect(),
        exclude: client.exclude_aaaa.clone(),
        names: names(&client.force, &client.forbid),
        ..basis.clone()
    };
    ClientRule { from: client.from.clone(), synthesis: client.synthesize.then(|| Arc::new(synthesis)) }
}

fn prefix_rule(prefix: &ClientPrefix) -> PrefixRule {
    let mapped = prefix.mapped.iter().map(|rule| MappedNet { net: rule.net, allow: rule.allow });
    PrefixRule { prefix: prefix.prefix, suffix: prefix.suffix, mapped: mapped.collect() }
}

fn names(force: &[Domain], forbid: &[Domain]) -> DomainMap<NameRule> {
    let forced = force.iter().map(|domain| (wire_name(domain), NameRule::Force));
    let forbidden = forbid.iter().map(|domain| (wire_name(domain), NameRule::Forbid));
    forced.chain(forbidden).collect()
}

pub(crate) fn wire_name(domain: &Domain) -> WireName {
    WireName::from_labels(domain.labels().map(str::as_bytes)).expect("a domain of the model fits into a name")
}
