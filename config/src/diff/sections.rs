//! Section by section: which keys are compared, under which path.

use super::pairing::Listed;
use super::record::Record;
use super::{Changed, Keyed};
use crate::domain::Domain;
use crate::literal::{ExcludeAaaa, Literal, Size};
use crate::model::{
    Admin, Admission, ClassOctet, Dns64, DnsCache, DnsClient, Forward, Hairpin, LocalNames, Log, MssClamp,
    Nat64, NextHopMtu, Offload, Prefix, SynthesisRules, UdpZeroChecksum, Upstream,
};
use addr::{ExplicitMap, RangedPrefix};
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// What differs in `[nat64]`; `None` where a key stayed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of model::Nat64")]
pub struct Nat64Diff {
    pub device: Option<Changed<String>>,
    pub ipv4_addr: Option<Changed<Ipv4Addr>>,
    pub ipv6_addr: Option<Changed<Ipv6Addr>>,
    pub dynamic_pool: Option<Changed<Option<Ipv4Net>>>,
    pub state_dir: Option<Changed<Option<PathBuf>>>,
    pub workers: Option<Changed<u16>>,
    pub offload: Option<Changed<Offload>>,
    pub udp_zero_checksum: Option<Changed<UdpZeroChecksum>>,
    pub ipv6_min_mtu: Option<Changed<u16>>,
    pub mtu: Option<Changed<u16>>,
    pub ipv4_mtu: Option<Changed<Option<NextHopMtu>>>,
    pub ipv6_mtu: Option<Changed<Option<NextHopMtu>>>,
    pub tcp_mss_clamp: Option<Changed<MssClamp>>,
    pub tos: Option<Changed<ClassOctet>>,
    pub traffic_class: Option<Changed<ClassOctet>>,
    pub icmp_error_rate: Option<Changed<u32>>,
    pub configure_interface: Option<Changed<bool>>,
    pub drop_log: Option<Changed<u16>>,
    pub hairpin: Option<Changed<Hairpin>>,
    pub icmp_source_v4: Option<Changed<Vec<Ipv4Net>>>,
    pub icmp_source_v6: Option<Changed<Option<Ipv6Net>>>,
    pub prefix: Keyed<RangedPrefix>,
    /// Maps are matched by their IPv4 side.
    pub map: Keyed<ExplicitMap>,
}

/// What differs in `[dns64]`; `None` where a key stayed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of model::Dns64")]
pub struct Dns64Diff {
    pub listen: Option<Changed<Vec<SocketAddr>>>,
    pub listen_tls: Option<Changed<Vec<SocketAddr>>>,
    pub listen_https: Option<Changed<Vec<SocketAddr>>>,
    pub listen_quic: Option<Changed<Vec<SocketAddr>>>,
    pub https_path: Option<Changed<String>>,
    pub certificates: Option<Changed<Vec<PathBuf>>>,
    pub upstream: Option<Changed<Vec<Upstream>>>,
    pub upstream_ca: Option<Changed<Option<PathBuf>>>,
    /// The whole list.
    pub forward: Option<Changed<Vec<Forward>>>,
    pub exclude_aaaa: Option<Changed<Vec<Ipv6Net>>>,
    pub force: Option<Changed<Vec<Domain>>>,
    pub forbid: Option<Changed<Vec<Domain>>>,
    /// All keys about the cases on which resolvers differ, together.
    pub rules: Option<Changed<SynthesisRules>>,
    /// All keys about the cache, together.
    pub cache: Option<Changed<DnsCache>>,
    pub workers: Option<Changed<u16>>,
    pub rebind_protection: Option<Changed<bool>>,
    pub query_log: Option<Changed<u32>>,
    pub private_domains: Option<Changed<Vec<Domain>>>,
    /// All keys about who is answered, together.
    pub admission: Option<Changed<Admission>>,
    /// All keys about names that are served here, together.
    pub names: Option<Changed<LocalNames>>,
    /// The whole list, since its order decides.
    pub client: Option<Changed<Vec<DnsClient>>>,
}

pub(super) fn prefix(
    record: &mut Record,
    old: Option<&Prefix>,
    new: Option<&Prefix>,
) -> Option<Changed<Option<Prefix>>> {
    if old == new {
        return None;
    }
    if let (Some(old), Some(new)) = (old, new) {
        record.key("prefix.pref64", &old.pref64, &new.pref64);
        record.key("prefix.allow_private_ipv4", &old.allow_private_ipv4, &new.allow_private_ipv4);
    } else {
        let brief = |prefix: &Prefix| prefix.pref64.literal();
        record.present("prefix", old.map(brief), new.map(brief));
    }
    Some(Changed { old: old.cloned(), new: new.cloned() })
}

pub(super) fn nat64(record: &mut Record, old: &Nat64, new: &Nat64) -> Nat64Diff {
    Nat64Diff {
        device: record.key("nat64.device", &old.device, &new.device),
        ipv4_addr: record.key("nat64.ipv4_addr", &old.ipv4_addr, &new.ipv4_addr),
        ipv6_addr: record.key("nat64.ipv6_addr", &old.ipv6_addr, &new.ipv6_addr),
        dynamic_pool: record.optional(
            "nat64.dynamic_pool",
            old.dynamic_pool.as_ref(),
            new.dynamic_pool.as_ref(),
        ),
        state_dir: record.key("nat64.state_dir", &old.state_dir, &new.state_dir),
        workers: record.key("nat64.workers", &old.workers, &new.workers),
        offload: record.key("nat64.offload", &old.offload, &new.offload),
        udp_zero_checksum: record.key(
            "nat64.udp_zero_checksum",
            &old.udp_zero_checksum,
            &new.udp_zero_checksum,
        ),
        ipv6_min_mtu: record.key("nat64.ipv6_min_mtu", &old.ipv6_min_mtu, &new.ipv6_min_mtu),
        mtu: record.key("nat64.mtu", &old.mtu, &new.mtu),
        ipv4_mtu: record.optional("nat64.ipv4_mtu", old.ipv4_mtu.as_ref(), new.ipv4_mtu.as_ref()),
        ipv6_mtu: record.optional("nat64.ipv6_mtu", old.ipv6_mtu.as_ref(), new.ipv6_mtu.as_ref()),
        tcp_mss_clamp: record.key("nat64.tcp_mss_clamp", &old.tcp_mss_clamp, &new.tcp_mss_clamp),
        tos: record.key("nat64.tos", &old.tos, &new.tos),
        traffic_class: record.key("nat64.traffic_class", &old.traffic_class, &new.traffic_class),
        icmp_error_rate: record.key("nat64.icmp_error_rate", &old.icmp_error_rate, &new.icmp_error_rate),
        configure_interface: record.key(
            "nat64.configure_interface",
            &old.configure_interface,
            &new.configure_interface,
        ),
        drop_log: record.key("nat64.drop_log", &old.drop_log, &new.drop_log),
        hairpin: record.key("nat64.hairpin", &old.hairpin, &new.hairpin),
        icmp_source_v4: record.key("nat64.icmp_source_v4", &old.icmp_source_v4, &new.icmp_source_v4),
        icmp_source_v6: record.optional(
            "nat64.icmp_source_v6",
            old.icmp_source_v6.as_ref(),
            new.icmp_source_v6.as_ref(),
        ),
        prefix: prefixes(record, &old.prefix, &new.prefix),
        map: record.keyed(
            "nat64.map",
            (&old.map, &new.map),
            |map| map.v4.to_string(),
            |map| map.v6.literal(),
            |record, path, old, new| {
                record.key(format_args!("{path}.v6"), &old.v6, &new.v6);
                Changed { old: *old, new: *new }
            },
        ),
    }
}

fn prefixes(record: &mut Record, old: &[RangedPrefix], new: &[RangedPrefix]) -> Keyed<RangedPrefix> {
    record.keyed(
        "nat64.prefix",
        (old, new),
        |ranged| ranged.prefix.to_string(),
        |ranged| ranged.ipv4.literal(),
        |record, path, old, new| {
            record.key(format_args!("{path}.ipv4"), &old.ipv4, &new.ipv4);
            Changed { old: old.clone(), new: new.clone() }
        },
    )
}

pub(super) fn dns64(record: &mut Record, old: &Dns64, new: &Dns64) -> Dns64Diff {
    Dns64Diff {
        listen: record.key("dns64.listen", &old.listen, &new.listen),
        listen_tls: record.key("dns64.listen_tls", &old.listen_tls, &new.listen_tls),
        listen_https: record.key("dns64.listen_https", &old.listen_https, &new.listen_https),
        listen_quic: record.key("dns64.listen_quic", &old.listen_quic, &new.listen_quic),
        https_path: record.key("dns64.https_path", &old.https_path, &new.https_path),
        certificates: record.key("dns64.tls.certificates", &old.certificates, &new.certificates),
        upstream: record.key("dns64.upstream", &old.upstream, &new.upstream),
        upstream_ca: record.optional("dns64.upstream_ca", old.upstream_ca.as_ref(), new.upstream_ca.as_ref()),
        forward: list(record, "dns64.forward", &old.forward, &new.forward),
        exclude_aaaa: exclude_aaaa(record, "dns64", &old.exclude_aaaa, &new.exclude_aaaa),
        cache: cache(record, &old.cache, &new.cache),
        workers: record.key("dns64.workers", &old.workers, &new.workers),
        rebind_protection: record.key(
            "dns64.rebind_protection",
            &old.rebind_protection,
            &new.rebind_protection,
        ),
        query_log: record.key("dns64.query_log", &old.query_log, &new.query_log),
        force: record.key("dns64.force", &old.force, &new.force),
        forbid: record.key("dns64.forbid", &old.forbid, &new.forbid),
        rules: rules(record, &old.rules, &new.rules),
        private_domains: record.key("dns64.private_domains", &old.private_domains, &new.private_domains),
        admission: admission(record, &old.admission, &new.admission),
        names: names(record, &old.names, &new.names),
        client: list(record, "dns64.client", &old.client, &new.client),
    }
}

fn exclude_aaaa(
    record: &mut Record,
    table: &str,
    old: &[Ipv6Net],
    new: &[Ipv6Net],
) -> Option<Changed<Vec<Ipv6Net>>> {
    let list = |nets: &[Ipv6Net]| ExcludeAaaa(nets.to_vec());
    let changed = record.key(format_args!("{table}.exclude_aaaa"), &list(old), &list(new))?;
    Some(Changed { old: changed.old.0, new: changed.new.0 })
}

fn rules(record: &mut Record, old: &SynthesisRules, new: &SynthesisRules) -> Option<Changed<SynthesisRules>> {
    record.key("dns64.on_aaaa_error", &old.on_aaaa_error, &new.on_aaaa_error);
    record.key("dns64.on_nxdomain", &old.on_nxdomain, &new.on_nxdomain);
    record.key("dns64.signed", &old.signed, &new.signed);
    record.key("dns64.trust_ad", &old.trust_ad, &new.trust_ad);
    record.key("dns64.reverse", &old.reverse, &new.reverse);
    record.key("dns64.reverse_prefixes", &old.reverse_prefixes, &new.reverse_prefixes);
    record.key("dns64.strip_ipv4hint", &old.strip_ipv4hint, &new.strip_ipv4hint);
    (old != new).then(|| Changed { old: old.clone(), new: new.clone() })
}

fn cache(record: &mut Record, old: &DnsCache, new: &DnsCache) -> Option<Changed<DnsCache>> {
    record.key("dns64.cache_size", &Size(old.size), &Size(new.size));
    record.key("dns64.cache_max_ttl", &old.max_ttl, &new.max_ttl);
    record.key("dns64.cache_max_negative_ttl", &old.max_negative_ttl, &new.max_negative_ttl);
    record.key("dns64.serve_stale", &old.serve_stale, &new.serve_stale);
    record.key("dns64.prefetch", &old.prefetch, &new.prefetch);
    (old != new).then(|| Changed { old: old.clone(), new: new.clone() })
}

fn admission(record: &mut Record, old: &Admission, new: &Admission) -> Option<Changed<Admission>> {
    record.optional("dns64.allow_from", old.allow_from.as_ref(), new.allow_from.as_ref());
    record.key("dns64.denied", &old.denied, &new.denied);
    record.key("dns64.response_rate", &old.response_rate, &new.response_rate);
    record.key("dns64.cookies", &old.cookies, &new.cookies);
    record.optional("dns64.nsid", old.nsid.as_ref(), new.nsid.as_ref());
    (old != new).then(|| Changed { old: old.clone(), new: new.clone() })
}

fn names(record: &mut Record, old: &LocalNames, new: &LocalNames) -> Option<Changed<LocalNames>> {
    record.key("dns64.hosts_files", &old.hosts_files, &new.hosts_files);
    record.key("dns64.lease_files", &old.lease_files, &new.lease_files);
    record.optional("dns64.hosts_domain", old.hosts_domain.as_ref(), new.hosts_domain.as_ref());
    record.key("dns64.hosts_ttl", &old.hosts_ttl, &new.hosts_ttl);
    record.key("dns64.local_domains", &old.local_domains, &new.local_domains);
    record.key("dns64.domain_needed", &old.domain_needed, &new.domain_needed);
    record.key("dns64.private_zones", &old.private_zones, &new.private_zones);
    record.keyed(
        "dns64.host",
        (&old.host, &new.host),
        |host| host.name.to_string(),
        |host| host.addresses.literal(),
        |record, path, old, new| {
            record.key(format_args!("{path}.addresses"), &old.addresses, &new.addresses);
            record.key(format_args!("{path}.ttl"), &old.ttl, &new.ttl);
        },
    );
    (old != new).then(|| Changed { old: old.clone(), new: new.clone() })
}

/// The longest domain that holds a name decides.
impl Listed for Forward {
    const ORDER_DECIDES: bool = false;

    fn is_like(&self, other: &Self) -> bool {
        self.domains.iter().any(|domain| other.domains.contains(domain))
    }

    fn brief(&self) -> String {
        self.domains.literal()
    }

    fn compare(&self, new: &Self, record: &mut Record, path: &str) {
        record.key(format_args!("{path}.domains"), &self.domains, &new.domains);
        record.key(format_args!("{path}.upstream"), &self.upstream, &new.upstream);
    }
}

impl Listed for DnsClient {
    const ORDER_DECIDES: bool = true;

    fn is_like(&self, other: &Self) -> bool {
        self.from.iter().any(|net| other.from.contains(net))
    }

    fn brief(&self) -> String {
        self.from.literal()
    }

    fn compare(&self, new: &Self, record: &mut Record, path: &str) {
        record.key(format_args!("{path}.from"), &self.from, &new.from);
        record.key(format_args!("{path}.synthesize"), &self.synthesize, &new.synthesize);
        record.key(format_args!("{path}.prefixes"), &self.prefixes, &new.prefixes);
        exclude_aaaa(record, path, &self.exclude_aaaa, &new.exclude_aaaa);
        record.key(format_args!("{path}.force"), &self.force, &new.force);
        record.key(format_args!("{path}.forbid"), &self.forbid, &new.forbid);
    }
}

fn list<T: Listed + Clone>(record: &mut Record, path: &str, old: &[T], new: &[T]) -> Option<Changed<Vec<T>>> {
    record.listed(path, old, new);
    (old != new).then(|| Changed { old: old.to_vec(), new: new.to_vec() })
}

pub(super) fn admin(record: &mut Record, old: &Admin, new: &Admin) -> Option<Changed<Admin>> {
    record.key("admin.socket", &old.socket, &new.socket);
    record.key("admin.listen", &old.listen, &new.listen);
    record.optional("admin.token_file", old.token_file.as_ref(), new.token_file.as_ref());
    (old != new).then(|| Changed { old: old.clone(), new: new.clone() })
}

pub(super) fn log(record: &mut Record, old: Log, new: Log) -> Option<Changed<Log>> {
    record.key("log.level", &old.level, &new.level);
    record.key("log.format", &old.format, &new.format);
    (old != new).then_some(Changed { old, new })
}
