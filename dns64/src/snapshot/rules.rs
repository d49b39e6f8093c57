//! The policy that a configuration's `[prefix]` and `[dns64]` come to.

use crate::domain::DomainMap;
use crate::name::WireName;
use crate::policy::{
    Cases, ClientRule, ExcludedNet, Limits, MappedNet, Policy, PrefixRule, Reverse, Settings, Site, Synthesis,
};
use addr::Prefix64;
use config::Domain;
use config::model::{ClientPrefix, Dns64, DnsClient, Prefix};
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// The addresses that belong to a prefix where the file says nothing: all.
const ALL_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0);

/// The policy of `prefix` and `dns64`.
pub(super) fn policy(prefix: &Prefix, dns64: &Dns64) -> Policy {
    let site = site(prefix, dns64);
    let guarded = site.prefixes.iter().copied().chain([Prefix64::WELL_KNOWN]);
    let basis = Synthesis {
        prefixes: vec![PrefixRule {
            prefix: prefix.pref64,
            suffix: Ipv6Addr::UNSPECIFIED,
            mapped: vec![MappedNet { net: ALL_IPV4, allow: true }],
        }],
        exclude: dns64.exclude_aaaa.iter().map(|net| ExcludedNet { net: *net, exclude: true }).collect(),
        guarded: guarded.collect(),
        limits: site.limits,
        names: DomainMap::default(),
        private_domains: dns64.private_domains.iter().map(wire_name).collect(),
        cases: Cases::default(),
        trust_ad: site.trust_ad,
    };
    let clients = dns64.client.iter().map(|client| client_rule(client, &basis)).collect();
    Policy::new(Settings { clients, default: Arc::new(basis), site })
}

fn site(prefix: &Prefix, dns64: &Dns64) -> Site {
    let of_clients = dns64.client.iter().flat_map(|client| &client.prefixes).map(|rule| rule.prefix);
    Site {
        prefixes: [prefix.pref64].into_iter().chain(of_clients).collect(),
        reverse: Reverse::Cname,
        limits: Limits {
            allow_private_ipv4: prefix.allow_private_ipv4,
            rebind_protection: dns64.rebind_protection,
        },
        strip_ipv4hint: false,
        trust_ad: false,
    }
}

fn client_rule(client: &DnsClient, basis: &Synthesis) -> ClientRule {
    let prefixes = client.prefixes.iter().map(prefix_rule).collect();
    let synthesis = client.synthesize.then(|| Arc::new(Synthesis { prefixes, ..basis.clone() }));
    ClientRule { from: client.from.clone(), synthesis }
}

fn prefix_rule(prefix: &ClientPrefix) -> PrefixRule {
    let mapped = prefix.mapped.iter().map(|rule| MappedNet { net: rule.net, allow: rule.allow });
    PrefixRule { prefix: prefix.prefix, suffix: Ipv6Addr::UNSPECIFIED, mapped: mapped.collect() }
}

pub(crate) fn wire_name(domain: &Domain) -> WireName {
    WireName::from_labels(domain.labels().map(str::as_bytes)).expect("a domain of the model fits into a name")
}
