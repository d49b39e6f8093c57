//! Models of every shape that the file can express.

use addr::{ExplicitMap, ExplicitMaps, Prefix64, Prefixes, RangedPrefix};
use config::model::{
    Admin, AdminState, Admission, AppCookie, AppCookieMode, Auth, Balance, Check, CheckKind, CheckMethod,
    ClassOctet, ClientAuth, ClientPrefix, Coding, Conditions, ConnectionLog, Cookie, CookieMode, Denied,
    Dns64, DnsCache, DnsClient, Endpoint, Facility, FixedAnswer, Forward, ForwardedField, ForwardedFor,
    Forwarding, Gateway, Hairpin, Header, HeaderCondition, HeaderEdit, Host, HostPattern, Hsts, HttpCheck,
    HttpReuse, HttpVersion, Level, Listener, LocalNames, Log, LogField, LogFormat, LogTarget, MappedRule,
    Member, Mode, MssClamp, Nat64, NextHopMtu, Offload, Passive, PathEdit, Pattern, PerSource, Pool, PoolTls,
    Prefix, PrivateZones, Proxy, ProxyLog, ProxyProtocol, ProxyTimeouts, QueryEdit, Rate, RateBy, Redirect,
    RequestLimits, ReverseNames, Rule, RuleAction, SameSite, ServerName, SniRoute, StatusRange, Stick,
    Substitution, SynthesisRules, Template, Tls, TlsVersion, Treatment, UdpZeroChecksum, Upstream,
    UpstreamTransport, Wanted,
};
use config::{Domain, defaults};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Own addresses stand apart from the ranges that the other strategies draw from.
const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 255, 1);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x64);

pub(crate) fn gateway() -> impl Strategy<Value = Gateway> {
    let sections = (option::of(nat64()), option::of(dns64()), option::of(proxy()));
    (prefix(), sections, admin(), log()).prop_map(|(prefix, (nat64, dns64, proxy), admin, log)| Gateway {
        prefix: Some(prefix),
        nat64,
        dns64,
        proxy,
        admin,
        log,
    })
}

/// Two models that have more in common than two drawn alone: whole sections, or all but lists that were edited.
pub(crate) fn pair() -> impl Strategy<Value = (Gateway, Gateway)> {
    (gateway(), gateway(), any::<[bool; 6]>(), option::of((0usize..4, any::<bool>()))).prop_map(
        |(old, other, same, edit)| {
            let pick = |same| if same { &old } else { &other };
            let mut new = Gateway {
                prefix: pick(same[0]).prefix.clone(),
                nat64: pick(same[1]).nat64.clone(),
                dns64: pick(same[2]).dns64.clone(),
                proxy: pick(same[3]).proxy.clone(),
                admin: pick(same[4]).admin.clone(),
                log: pick(same[5]).log,
            };
            if let Some((turn, is_one_gone)) = edit {
                edit_lists(&mut new, turn, is_one_gone);
            }
            (old, new)
        },
    )
}

/// Turns the lists whose elements need no name, and takes one element away.
fn edit_lists(model: &mut Gateway, turn: usize, is_one_gone: bool) {
    fn edit<T>(list: &mut Vec<T>, turn: usize, is_one_gone: bool) {
        let turn = turn % list.len().max(1);
        list.rotate_left(turn);
        if is_one_gone {
            list.pop();
        }
    }
    if let Some(dns64) = &mut model.dns64 {
        edit(&mut dns64.forward, turn, is_one_gone);
        edit(&mut dns64.client, turn, is_one_gone);
    }
    for listener in model.proxy.iter_mut().flat_map(|proxy| &mut proxy.listener) {
        edit(&mut listener.sni, turn, is_one_gone);
        edit(&mut listener.rule, turn, is_one_gone);
    }
}

/// The model with the lists whose order decides nothing in one order.
pub(crate) fn in_order(mut model: Gateway) -> Gateway {
    if let Some(dns64) = &mut model.dns64 {
        dns64.forward.sort_by_cached_key(|forward| format!("{forward:?}"));
    }
    for listener in model.proxy.iter_mut().flat_map(|proxy| &mut proxy.listener) {
        listener.sni.sort_by_cached_key(|route| format!("{route:?}"));
    }
    model
}

fn prefix64() -> impl Strategy<Value = Prefix64> {
    (any::<u32>(), any::<u32>(), select(Prefix64::LENGTHS.to_vec())).prop_map(|(high, low, len)| {
        // 2001:db8::/32 in front, zeros in bits 64 to 71 and beyond the length.
        let bits = (0x2001_0db8_u128 << 96) | (u128::from(high) << 64) | (u128::from(low & 0xff_ffff) << 32);
        Prefix64::new(Ipv6Addr::from_bits(bits & (u128::MAX << (128 - u32::from(len)))), len).expect("masked")
    })
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let pref64 = prefix64().prop_filter("the own address stays outside", |prefix| !prefix.contains(OWN_V6));
    (pref64, any::<bool>()).prop_map(|(pref64, allow_private_ipv4)| Prefix { pref64, allow_private_ipv4 })
}

fn v4() -> impl Strategy<Value = Ipv4Addr> {
    any::<[u8; 3]>().prop_map(|[a, b, c]| Ipv4Addr::new(10, a, b, c))
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    any::<u64>().prop_map(|low| Ipv6Addr::from_bits((0x2001_0db8_0001_u128 << 80) | u128::from(low)))
}

fn v4_net() -> impl Strategy<Value = Ipv4Net> {
    (any::<u32>(), 0u8..=32)
        .prop_map(|(bits, len)| Ipv4Net::new_assert(Ipv4Addr::from_bits(bits), len).trunc())
}

fn v6_net() -> impl Strategy<Value = Ipv6Net> {
    (v6(), 0u8..=128).prop_map(|(addr, len)| Ipv6Net::new_assert(addr, len).trunc())
}

fn net() -> impl Strategy<Value = IpNet> {
    prop_oneof![v4_net().prop_map(IpNet::from), v6_net().prop_map(IpNet::from)]
}

fn socket() -> impl Strategy<Value = SocketAddr> {
    (prop_oneof![v4().prop_map(IpAddr::from), v6().prop_map(IpAddr::from)], 1u16..)
        .prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

/// Sockets that differ from each other.
fn sockets(most: usize) -> impl Strategy<Value = Vec<SocketAddr>> {
    proptest::collection::hash_set(socket(), 1..=most).prop_map(|set| set.into_iter().collect())
}

/// Names that a certificate can be verified for.
const HOST_NAME: &str = "[a-z_]{1,8}((\\.[0-9]{1,2})?\\.[a-z_]([a-z0-9-]{0,6}[a-z0-9])?){0,2}";

fn path() -> impl Strategy<Value = PathBuf> {
    "/[^\u{0}]{0,20}".prop_map(PathBuf::from)
}

fn duration(least: u64, most: u64) -> impl Strategy<Value = Duration> {
    let steps = [1, 1000, 60_000, 3_600_000];
    (least..=most, select(steps.to_vec()))
        .prop_map(move |(millis, step)| Duration::from_millis((millis / step * step).max(least)))
}

fn names(most: usize) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::hash_set("[A-Za-z0-9._:-]{1,12}", 0..=most)
        .prop_map(|set| set.into_iter().collect())
}

fn nat64() -> impl Strategy<Value = Nat64> {
    let device =
        "[a-z0-9\u{e4}\"\\\\]{1,7}".prop_filter("not a directory", |name| name != "." && name != "..");
    let pool = (any::<u8>(), 16u8..=31)
        .prop_map(|(a, len)| Ipv4Net::new_assert(Ipv4Addr::new(100, a, 0, 0), len).trunc());
    let words = (
        select(vec![Offload::Auto, Offload::Off]),
        select(vec![UdpZeroChecksum::Drop, UdpZeroChecksum::Calculate, UdpZeroChecksum::Forward]),
    );
    let numbers = (0u16..=256, 1280u16.., 1280u16.., any::<bool>(), 0u16..=1000);
    let octet = || prop_oneof![Just(ClassOctet::Copy), any::<u8>().prop_map(ClassOctet::Octet)];
    let mtu = |least: u16| prop_oneof![Just(NextHopMtu::Route), (least..).prop_map(NextHopMtu::Bytes)];
    let clamp =
        prop_oneof![Just(MssClamp::Off), Just(MssClamp::Mtu), (536u16..=65495).prop_map(MssClamp::Bytes)];
    let crossing = (option::of(mtu(68)), option::of(mtu(1280)), clamp, octet(), octet(), 0u32..=1_000_000);
    let tables = (vec(ranged_prefix(), 0..4), vec(map(), 0..5));
    let hairpins = select(vec![Hairpin::Intrinsic, Hairpin::Simple, Hairpin::Off]);
    let sources = (hairpins, icmp_source_v4(), option::of(icmp_source_v6()));
    (device, option::of(pool), option::of(path()), words, numbers, crossing, (tables, sources)).prop_map(
        |(
            device,
            dynamic_pool,
            state_dir,
            (offload, udp_zero_checksum),
            numbers,
            crossing,
            (tables, sources),
        )| {
            let (prefixes, maps) = tables;
            let (hairpin, icmp_source_v4, icmp_source_v6) = sources;
            let (workers, ipv6_min_mtu, mtu, configure_interface, drop_log) = numbers;
            let (ipv4_mtu, ipv6_mtu, tcp_mss_clamp, tos, traffic_class, icmp_error_rate) = crossing;
            Nat64 {
                device,
                ipv4_addr: OWN_V4,
                ipv6_addr: OWN_V6,
                dynamic_pool,
                state_dir,
                workers,
                offload,
                udp_zero_checksum,
                ipv6_min_mtu,
                mtu,
                ipv4_mtu,
                ipv6_mtu,
                tcp_mss_clamp,
                tos,
                traffic_class,
                icmp_error_rate,
                configure_interface,
                drop_log,
                hairpin,
                icmp_source_v4,
                icmp_source_v6,
                prefix: if Prefixes::new(None, &prefixes).is_ok() { prefixes } else { Vec::new() },
                map: if ExplicitMaps::new(maps.clone()).is_ok() { maps } else { Vec::new() },
            }
        },
    )
}

/// Outside of what other strategies draw from, and of length 96 so that no two overlap without being the same.
fn ranged_prefix() -> impl Strategy<Value = RangedPrefix> {
    (any::<u16>(), vec(v4().prop_map(Ipv4Net::from), 1..4)).prop_map(|(low, ipv4)| RangedPrefix {
        prefix: Prefix64::new(Ipv6Addr::new(0x3fff, low & 0xf, 0, 0, 0, 0, 0, 0), 96)
            .expect("no bits behind"),
        ipv4,
    })
}

fn icmp_source_v4() -> impl Strategy<Value = Vec<Ipv4Net>> {
    proptest::collection::hash_set((any::<u8>(), 16u8..=32), 0..3).prop_map(|nets| {
        let net = |(a, len)| Ipv4Net::new_assert(Ipv4Addr::new(172, 16, a, 0), len).trunc();
        let nets: std::collections::BTreeSet<Ipv4Net> = nets.into_iter().map(net).collect();
        nets.into_iter().collect()
    })
}

fn icmp_source_v6() -> impl Strategy<Value = Ipv6Net> {
    (any::<u16>(), 48u8..=96).prop_map(|(low, len)| {
        Ipv6Net::new_assert(Ipv6Addr::new(0x3fff, 0x800 | (low & 0xff), 0, 0, 0, 0, 0, 0), len).trunc()
    })
}

fn map() -> impl Strategy<Value = ExplicitMap> {
    (v4(), 9u8..=32, v6(), 0u8..=40).prop_map(|(v4, len4, v6, spare)| ExplicitMap {
        v4: Ipv4Net::new_assert(v4, len4).trunc(),
        v6: Ipv6Net::new_assert(v6, 96 + len4 - spare).trunc(),
    })
}

fn upstream() -> impl Strategy<Value = Upstream> {
    let transport = prop_oneof![
        Just(UpstreamTransport::Plain),
        Just(UpstreamTransport::Tcp),
        HOST_NAME.prop_map(|name| UpstreamTransport::Tls { name }),
        (HOST_NAME, "/[a-z0-9._~-]{0,20}").prop_map(|(name, path)| UpstreamTransport::Https { name, path }),
    ];
    // Never the port that dns64 listens at.
    (transport, socket()).prop_map(|(transport, mut address)| {
        address.set_port(address.port() | 1);
        Upstream { transport, address }
    })
}

/// Distinct paths, at least one.
fn paths() -> impl Strategy<Value = Vec<PathBuf>> {
    proptest::collection::btree_set(path(), 1..3).prop_map(|paths| paths.into_iter().collect())
}

/// Listening addresses for `listen`, `listen_tls`, `listen_https` and `listen_quic`, which share none.
fn listening() -> impl Strategy<Value = [Vec<SocketAddr>; 4]> {
    sockets(6).prop_map(|list| {
        let even = |mut addr: SocketAddr| {
            addr.set_port((addr.port() & !1).max(2));
            addr
        };
        let distinct: std::collections::BTreeSet<_> = list.into_iter().map(even).collect();
        let mut lists: [Vec<SocketAddr>; 4] = Default::default();
        for (index, address) in distinct.into_iter().enumerate() {
            lists[index % 4].push(address);
        }
        lists
    })
}

fn upstreams() -> impl Strategy<Value = Vec<Upstream>> {
    vec(upstream(), 1..4).prop_map(|list| {
        let mut distinct: Vec<Upstream> = Vec::new();
        for one in list {
            if !distinct.contains(&one) {
                distinct.push(one);
            }
        }
        distinct
    })
}

/// Groups that share no domain.
fn forward() -> impl Strategy<Value = Vec<Forward>> {
    (domains(), vec(upstreams(), 3)).prop_map(|(domains, upstreams)| {
        domains
            .into_iter()
            .zip(upstreams)
            .map(|(domain, upstream)| Forward { domains: vec![domain], upstream })
            .collect()
    })
}

fn dns64() -> impl Strategy<Value = Dns64> {
    let listening = (listening(), paths(), "/[a-z0-9._~-]{0,20}");
    let upstream = (upstreams(), option::of(path()), forward());
    let numbers = (dns_cache(), 0u16..=256, any::<bool>(), 0u32..=1_000_000);
    let names = (domains(), local_names(), admission());
    let synthesis = (lists(), rules(), vec(client(), 0..4));
    (listening, upstream, numbers, synthesis, names).prop_map(
        |(listening, upstream, (cache, workers, rebind_protection, query_log), synthesis, names)| {
            let (private_domains, names, admission) = names;
            let ((exclude_aaaa, force, forbid), rules, client) = synthesis;
            let (upstream, upstream_ca, forward) = upstream;
            let ([listen, listen_tls, listen_https, listen_quic], certificates, https_path) = listening;
            Dns64 {
                listen,
                listen_tls,
                listen_https,
                listen_quic,
                certificates,
                https_path,
                upstream,
                upstream_ca,
                forward,
                exclude_aaaa,
                force,
                forbid,
                rules,
                cache,
                workers,
                rebind_protection,
                query_log,
                private_domains,
                admission,
                names,
                client,
            }
        },
    )
}

fn dns_cache() -> impl Strategy<Value = DnsCache> {
    let ttl = || (0u64..=604_800).prop_map(Duration::from_secs);
    (65_536u64..=1 << 40, ttl(), ttl(), ttl(), any::<bool>()).prop_map(
        |(size, max_ttl, max_negative_ttl, serve_stale, prefetch)| DnsCache {
            size,
            max_ttl,
            max_negative_ttl,
            serve_stale,
            prefetch,
        },
    )
}

fn domains() -> impl Strategy<Value = Vec<Domain>> {
    proptest::collection::btree_set("[a-z_]{1,8}(\\.[a-z0-9-]{1,8}){0,2}", 0..3)
        .prop_map(|names| names.iter().map(|name| name.parse().expect("a name")).collect())
}

fn admission() -> impl Strategy<Value = Admission> {
    let nets = option::of(vec(v4_net().prop_map(IpNet::V4), 1..3));
    let denied = select(vec![Denied::Refuse, Denied::Drop]);
    let nsid = option::of("[a-z0-9.-]{1,12}");
    (nets, denied, 0_u16..=10_000, any::<bool>(), nsid).prop_map(
        |(allow_from, denied, response_rate, cookies, nsid)| Admission {
            allow_from,
            denied,
            response_rate,
            cookies,
            nsid,
        },
    )
}

fn local_names() -> impl Strategy<Value = LocalNames> {
    let files =
        || proptest::collection::btree_set(path(), 0..3).prop_map(|paths| paths.into_iter().collect());
    let ttl = || (0u64..=604_800).prop_map(Duration::from_secs);
    let zones = select(vec![PrivateZones::Auto, PrivateZones::Forward, PrivateZones::Local]);
    let addresses = || proptest::collection::btree_set(any::<u32>(), 1..3);
    let hosts = (domains(), vec((addresses(), ttl()), 3)).prop_map(|(names, rest)| {
        let host = |(name, (addresses, ttl)): (Domain, (std::collections::BTreeSet<u32>, Duration))| Host {
            name,
            addresses: addresses.into_iter().map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))).collect(),
            ttl,
        };
        names.into_iter().zip(rest).map(host).collect()
    });
    (files(), files(), (domains(), domains()), ttl(), any::<bool>(), zones, hosts).prop_map(
        |(
            hosts_files,
            lease_files,
            (domain, local_domains),
            hosts_ttl,
            domain_needed,
            private_zones,
            host,
        )| {
            LocalNames {
                hosts_files,
                lease_files,
                hosts_domain: domain.into_iter().next(),
                hosts_ttl,
                local_domains,
                domain_needed,
                private_zones,
                host,
            }
        },
    )
}

/// What is excluded, forced and forbidden.
fn lists() -> impl Strategy<Value = (Vec<Ipv6Net>, Vec<Domain>, Vec<Domain>)> {
    (vec(v6_net(), 0..3), domains(), domains(), any::<bool>()).prop_map(
        |(mut nets, force, mut forbid, default)| {
            if default && !nets.contains(&defaults::EXCLUDE_AAAA[0]) {
                nets.push(defaults::EXCLUDE_AAAA[0]);
            }
            forbid.retain(|name| !force.contains(name));
            (nets, force, forbid)
        },
    )
}

fn rules() -> impl Strategy<Value = SynthesisRules> {
    let treatment = || select(vec![Treatment::Synthesize, Treatment::Pass]);
    let reverse = select(vec![ReverseNames::Cname, ReverseNames::Direct, ReverseNames::Off]);
    let prefixes = proptest::collection::btree_set(prefix64(), 0..3);
    ((treatment(), treatment(), treatment()), reverse, prefixes, any::<(bool, bool)>()).prop_map(
        |((on_aaaa_error, on_nxdomain, signed), reverse, prefixes, (trust_ad, strip_ipv4hint))| {
            SynthesisRules {
                on_aaaa_error,
                on_nxdomain,
                signed,
                trust_ad,
                reverse,
                reverse_prefixes: prefixes.into_iter().collect(),
                strip_ipv4hint,
            }
        },
    )
}

fn client() -> impl Strategy<Value = DnsClient> {
    let rule = (v4_net(), any::<bool>()).prop_map(|(net, allow)| MappedRule { net, allow });
    let rest = (vec(rule, 1..4), any::<u64>());
    let prefixes = proptest::collection::btree_map(prefix64(), rest, 1..=8).prop_map(|map| {
        let prefix = |(prefix, (mapped, bits)): (Prefix64, (Vec<MappedRule>, u64))| {
            let free = 128 - 8 * u32::from(prefix.octets_before_suffix());
            let suffix = Ipv6Addr::from_bits(u128::from(bits) & ((1 << free) - 1));
            ClientPrefix { prefix, suffix, mapped }
        };
        map.into_iter().map(prefix).collect::<Vec<_>>()
    });
    (vec(net(), 1..4), any::<bool>(), prefixes, lists()).prop_map(|(from, synthesize, prefixes, lists)| {
        let (exclude_aaaa, force, forbid) = lists;
        DnsClient { from, synthesize, prefixes, exclude_aaaa, force, forbid }
    })
}

fn proxy() -> impl Strategy<Value = Proxy> {
    let pools = names(3).prop_flat_map(|names| names.into_iter().map(pool).collect::<Vec<_>>());
    let fronts = (names(4), sockets(8), vec(front(), 4));
    (0u16..=256, timeouts(), proxy_log(), pools, fronts).prop_map(
        |(workers, timeout, log, pool, (names, sockets, fronts))| {
            let mut sockets = sockets.into_iter();
            let mut listener = Vec::new();
            for (name, front) in names.into_iter().zip(fronts) {
                let mut bind: Vec<Endpoint> = sockets.by_ref().take(2).map(Endpoint::from).collect();
                let takes = |pool: &&Pool| {
                    front.mode != Mode::Udp || pool.tls.is_none() && pool.proxy_protocol != ProxyProtocol::V1
                };
                let target =
                    pool.get(listener.len() % pool.len().max(1)).filter(takes).map(|pool| pool.name.clone());
                if let (false, Some(target)) = (bind.is_empty(), target) {
                    let sni = front
                        .sni
                        .into_iter()
                        .map(|route| SniRoute { pool: target.clone(), ..route })
                        .collect();
                    let rule = front.rule.into_iter().map(|rule| aimed(rule, &target)).collect();
                    let has_v6 = bind.iter().flat_map(Endpoint::addresses).any(|address| address.is_ipv6());
                    let v6only = front.v6only || !has_v6;
                    // Of their own, so that no other listener has them.
                    bind.extend(front.bind.into_iter().map(|endpoint| match endpoint {
                        Endpoint::Inherited(_) => {
                            Endpoint::Inherited(name.replace(':', "-") + &listener.len().to_string())
                        }
                        other => other,
                    }));
                    listener.push(Listener { name, bind, v6only, sni, rule, pool: target, ..front });
                }
            }
            Proxy { workers, timeout, log, listener, pool }
        },
    )
}

fn proxy_log() -> impl Strategy<Value = ProxyLog> {
    let words = ConnectionLog::WORDS.map(|(_, format)| format).to_vec();
    let custom = select(LogField::ALL.to_vec()).prop_map(|(name, _)| {
        let line = format!("[%{name}]  100%% %{{+Q,-E}}{name} \"é");
        ConnectionLog::Custom(line.parse().expect("every name is one"))
    });
    let format = prop_oneof![select(words), custom];
    let syslog = prop_oneof![socket().prop_map(LogTarget::Udp), path().prop_map(LogTarget::Unix)];
    let facility = select(vec![Facility::User, Facility::Authpriv, Facility::Local0, Facility::Local7]);
    (format, option::of((syslog, facility, "[!-~&&[^:\\[]]{1,48}"))).prop_map(|(format, syslog)| match syslog
    {
        Some((to, facility, tag)) => ProxyLog { format, to, facility, tag },
        None => ProxyLog { format, ..ProxyLog::default() },
    })
}

fn timeouts() -> impl Strategy<Value = ProxyTimeouts> {
    vec(duration(1, 86_400_000), 11).prop_map(|all| ProxyTimeouts {
        connect: all[0],
        queue: all[1],
        client: all[2],
        server: all[3],
        tunnel: all[4],
        client_fin: all[5],
        server_fin: all[6],
        handshake: all[7],
        request_head: all[8],
        keep_alive: all[9],
        udp: all[10],
    })
}

/// A listener that still lacks its name, its addresses and its pools.
fn front() -> impl Strategy<Value = Listener> {
    let mode = select(vec![Mode::Tcp, Mode::Http, Mode::Udp]);
    let sockets = (any::<bool>(), option::of("[a-z0-9]{1,15}"), any::<bool>(), any::<bool>());
    let sources = (
        option::of(1u32..=10_000_000),
        option::of(vec(v4_net().prop_map(IpNet::V4), 1..3)),
        per_source(),
        vec(net(), 0..2),
    );
    let rest = (
        timeouts(),
        option::of(tls()),
        sni(),
        request_rules(),
        forwarding(),
        limits(),
        option::of(hsts()),
        answers(),
    );
    (mode, sockets, sources, rest).prop_map(|(mode, sockets, sources, rest)| {
        let (v6only, interface, freebind, inherited) = sockets;
        let (max_connections, allow_from, per_source, proxies) = sources;
        let (timeout, tls, sni, rules, mut forwarding, limits, hsts, (errors, compression)) = rest;
        let tls = tls.filter(|_| mode != Mode::Udp);
        forwarding.certificate &= tls.as_ref().is_some_and(|tls| tls.client_auth != ClientAuth::Off);
        let rule = if mode == Mode::Http { rules } else { Vec::new() };
        let rule = rule.into_iter().map(|mut rule| {
            rule.when.sni.retain(|_| tls.is_some());
            rule
        });
        Listener {
            rule: rule.collect(),
            v6only,
            interface,
            freebind,
            max_connections,
            allow_from,
            per_source,
            proxy_protocol_from: if mode == Mode::Udp { Vec::new() } else { proxies },
            timeout,
            hsts: hsts.filter(|_| mode == Mode::Http && tls.is_some()),
            tls,
            sni: if mode == Mode::Tcp { sni } else { Vec::new() },
            errors: if mode == Mode::Http { errors } else { BTreeMap::new() },
            compression: if mode == Mode::Http { compression } else { Vec::new() },
            limits: if mode == Mode::Http { limits } else { RequestLimits::default() },
            forwarding: if mode == Mode::Http { forwarding } else { Forwarding::new(mode) },
            ..Listener::new(
                "",
                (inherited && mode != Mode::Udp)
                    .then(|| Endpoint::Inherited(String::new()))
                    .into_iter()
                    .collect(),
                mode,
                "",
            )
        }
    })
}

fn answers() -> impl Strategy<Value = (BTreeMap<u16, PathBuf>, Vec<Coding>)> {
    let page = (400u16..=599, "(/[a-z]{1,9}){1,3}".prop_map(PathBuf::from));
    let codings = subsequence(vec![Coding::Br, Coding::Zstd, Coding::Gzip], 0..=3);
    (vec(page, 0..3).prop_map(BTreeMap::from_iter), codings)
}

fn hsts() -> impl Strategy<Value = Hsts> {
    (duration(0, 400 * 86_400_000), any::<bool>(), any::<bool>()).prop_map(
        |(max_age, subdomains, preload)| {
            let listed = subdomains && max_age >= Duration::from_secs(365 * 86_400);
            Hsts { max_age, subdomains, preload: preload && listed }
        },
    )
}

fn limits() -> impl Strategy<Value = RequestLimits> {
    let rate = option::of(1u32..=1_000_000_000);
    (1u32 << 10..=48 << 10, 1u16..=1000, 256u32..=48 << 10, rate, 1u16..=1000).prop_map(
        |(head, fields, line, body_rate, streams)| RequestLimits { head, fields, line, body_rate, streams },
    )
}

fn forwarding() -> impl Strategy<Value = Forwarding> {
    use ForwardedField::{EmbeddedV4, Forwarded, Host, Port, Proto, RealIp};
    let mode = select(vec![ForwardedFor::Append, ForwardedFor::Replace, ForwardedFor::Off]);
    let fields = subsequence(vec![Proto, Port, Host, RealIp, Forwarded, EmbeddedV4], 0..=6);
    let networks = (vec(net(), 0..3), vec(net(), 0..3));
    let flags = (any::<bool>(), any::<bool>());
    (mode, "X-Client-[a-z0-9]{1,9}", networks, flags, fields, option::of(1u8..=32)).prop_map(
        |(forwarded_for, header, (except, trusted_proxies), (if_none, certificate), fields, hops)| {
            Forwarding {
                certificate,
                forwarded_for,
                header,
                except,
                if_none,
                fields,
                trusted_hops: hops.filter(|_| !trusted_proxies.is_empty()),
                trusted_proxies,
            }
        },
    )
}

fn per_source() -> impl Strategy<Value = PerSource> {
    (option::of(1u32..=10_000_000), option::of(1u32..=1_000_000), 1u8..=128, 1u8..=32).prop_map(
        |(connections, rate, prefix_v6, prefix_v4)| PerSource { connections, rate, prefix_v6, prefix_v4 },
    )
}

fn tls() -> impl Strategy<Value = Tls> {
    let auth = select(vec![ClientAuth::Off, ClientAuth::Optional, ClientAuth::Required]);
    let version = select(vec![TlsVersion::V1_2, TlsVersion::V1_3]);
    (paths(), vec("[a-z0-9/.\"\n]{1,9}", 0..3), option::of(path()), auth, version).prop_map(
        |(certificates, alpn, client_ca, auth, min_version)| Tls {
            certificates,
            alpn,
            client_auth: if client_ca.is_some() { auth } else { ClientAuth::Off },
            client_ca,
            min_version,
        },
    )
}

/// Routes without their pools.
fn sni() -> impl Strategy<Value = Vec<SniRoute>> {
    (domains(), any::<bool>()).prop_map(|domains| {
        let (domains, wildcard) = domains;
        let route = |domain| SniRoute { names: vec![ServerName { domain, wildcard }], pool: String::new() };
        domains.into_iter().map(route).collect()
    })
}

/// A rule whose pool is this one, if it has one.
fn aimed(rule: Rule, pool: &str) -> Rule {
    let action = rule.action.map(|action| match action {
        RuleAction::Pool(_) => RuleAction::Pool(pool.to_owned()),
        RuleAction::Redirect(_) | RuleAction::Deny(_) | RuleAction::Answer(_) => action,
    });
    Rule { action, ..rule }
}

/// Rules that still lack their pools.
fn request_rules() -> impl Strategy<Value = Vec<Rule>> {
    vec((any::<bool>(), conditions(), edits(), gates(), action()), 0..3).prop_map(|rules| {
        let rules = rules.into_iter().enumerate();
        let rule = rules.map(|(place, (named, when, edits, (rate, auth), action))| Rule {
            rate,
            auth,
            name: named.then(|| format!("r{place}")),
            when,
            action: Some(action),
            ..edits
        });
        rule.collect()
    })
}

fn gates() -> impl Strategy<Value = (Option<Rate>, Option<Auth>)> {
    let by = prop_oneof![Just(RateBy::Source), "x-[a-z]{1,9}".prop_map(RateBy::Header)];
    let numbers = (1u32..=1000, duration(1, 3_600_000), 1u32..=20, 1u8..=128, 1u8..=32, 400u16..=599);
    let rate = (by, numbers).prop_map(|(by, (requests, per, burst, prefix_v6, prefix_v4, status))| Rate {
        requests,
        per,
        burst,
        by,
        prefix_v6,
        prefix_v4,
        status,
    });
    let auth = ("[A-Za-z]{1,9}( [a-z]{1,9})?", "(/[a-z]{1,9}){1,3}", any::<bool>())
        .prop_map(|(realm, users, forward)| Auth { realm, users: users.into(), forward });
    (option::of(rate), option::of(auth))
}

/// A rule with nothing but edits.
fn edits() -> impl Strategy<Value = Rule> {
    let headers = || vec(header_edit(), 0..3);
    (vec(path_edit(), 0..3), vec(query_edit(), 0..3), headers(), headers()).prop_map(
        |(request_path, request_query, request_headers, response_headers)| Rule {
            request_path,
            request_query,
            request_headers,
            response_headers,
            ..Rule::default()
        },
    )
}

fn template(pattern: &'static str) -> impl Strategy<Value = Template> {
    pattern.prop_map(|text| text.parse().expect("a template"))
}

fn substitution() -> impl Strategy<Value = Substitution> {
    let pattern = "[a-z\"]{1,5}(\\([a-z.\\\\]{1,5}[a-z]\\))?";
    let with = "(\\$0|\\$\\$|\\$\\{0\\}|[a-z\"]){0,9}";
    (pattern, with).prop_map(|(pattern, with)| {
        // A backslash ahead of a letter may be no escape.
        let pattern = Pattern::new(&pattern).unwrap_or_else(|_| Pattern::new("a").expect("a pattern"));
        Substitution::new(pattern, &with).expect("group 0 is always there")
    })
}

fn header_edit() -> impl Strategy<Value = HeaderEdit> {
    let name = "x-[a-z0-9]{1,9}";
    let value = template("(\\{client\\}|[a-z\"]){0,9}");
    (name, value, substitution(), 0..4).prop_map(|(name, value, replace, kind)| match kind {
        0 => HeaderEdit::Set(name, value),
        1 => HeaderEdit::Add(name, value),
        2 => HeaderEdit::Replace(name, replace),
        _ => HeaderEdit::Delete(name),
    })
}

fn path_edit() -> impl Strategy<Value = PathEdit> {
    prop_oneof![
        template("(/|\\{path\\})([a-z \"]|\\{client\\}){0,9}").prop_map(PathEdit::Set),
        "/[a-z \"]{0,9}".prop_map(PathEdit::AddPrefix),
        "/[a-z \"]{0,9}".prop_map(PathEdit::StripPrefix),
        substitution().prop_map(PathEdit::Replace),
    ]
}

fn query_edit() -> impl Strategy<Value = QueryEdit> {
    let value = template("(\\{client\\}|[a-z&\"]){0,9}");
    ("[a-z&= ]{1,9}\\*?", value, substitution(), 0..4).prop_map(|(name, value, replace, kind)| match kind {
        0 => QueryEdit::Set(name, value),
        1 => QueryEdit::Add(name, value),
        2 => QueryEdit::Replace(replace),
        _ => QueryEdit::Delete(name),
    })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let server_name = || {
        let named = (any::<bool>(), "[a-z]{1,9}(\\.[a-z]{1,9}){0,2}");
        named.prop_map(|(wildcard, name)| ServerName { domain: name.parse().expect("a name"), wildcard })
    };
    let host = prop_oneof![
        server_name().prop_map(HostPattern::Name),
        any::<u128>().prop_map(|bits| HostPattern::V6(Ipv6Addr::from_bits(bits))),
    ];
    let wanted = prop_oneof![
        any::<bool>().prop_map(Wanted::Presence),
        "[!-~]{0,9}".prop_map(Wanted::Value),
        substitution().prop_map(|replace| Wanted::Pattern(replace.pattern().clone())),
    ];
    let header = proptest::collection::btree_map("[a-z0-9-]{1,9}", wanted, 0..3);
    let path = || vec("/[a-z/ \u{e4}\"]{0,9}[a-z]".prop_filter("plain", |path| !path.contains("//")), 0..3);
    let regex = substitution().prop_map(|replace| replace.pattern().clone());
    let paths = (path(), path(), vec("[.a-z]{0,5}[a-z]", 0..3), vec(regex, 0..3));
    (vec(host, 0..3), paths, vec("[A-Z]{1,9}", 0..3), header, vec(server_name(), 0..3), vec(net(), 0..3))
        .prop_map(|(host, (path, path_prefix, path_suffix, path_regex), method, header_list, sni, source)| {
            let header = |(name, wanted)| HeaderCondition { name, wanted };
            let header = header_list.into_iter().map(header).collect();
            Conditions { host, path, path_prefix, path_suffix, path_regex, method, header, sni, source }
        })
}

fn action() -> impl Strategy<Value = RuleAction> {
    let to = "(https?://[a-z.]{1,9}|/[a-z]{1,9}|\\{uri\\}|\\{path\\})(\\{host\\}|[a-z/?]){0,4}";
    let redirect = (to, select(vec![301, 302, 303, 307, 308])).prop_map(|(to, status)| {
        RuleAction::Redirect(Redirect { to: to.parse().expect("a template"), status })
    });
    let answer =
        (200u16..=599, "[a-z]{1,9}/[a-z]{1,9}", any::<String>()).prop_map(|(status, content_type, body)| {
            let body = if [204, 205, 304].contains(&status) { String::new() } else { body };
            RuleAction::Answer(FixedAnswer { status, content_type, body })
        });
    prop_oneof![
        Just(RuleAction::Pool(String::new())),
        redirect,
        (400u16..=599).prop_map(RuleAction::Deny),
        answer
    ]
}

fn pool(name: String) -> impl Strategy<Value = Pool> {
    let balance = select(vec![
        Balance::Roundrobin,
        Balance::Leastconn,
        Balance::Source,
        Balance::Random,
        Balance::Hash,
    ]);
    let numbers = (0u32..=100, any::<bool>(), 0u32..=10_000_000, duration(0, 3_600_000), 1u8..=128);
    let tables = (option::of(pool_tls()), sticky(), option::of(passive()));
    let members = names(4).prop_flat_map(|names| names.into_iter().map(member).collect::<Vec<_>>());
    let reuse = select(vec![HttpReuse::Never, HttpReuse::Safe, HttpReuse::Aggressive, HttpReuse::Always]);
    let spoken = (version(), reuse, http_version());
    (balance, numbers, spoken, tables, check(), members).prop_map(
        move |(
            balance,
            numbers,
            (proxy_protocol, http_reuse, protocol),
            (tls, (cookie, app_cookie, stick), passive),
            mut check,
            mut member,
        )| {
            let (retries, redispatch, max_queue, slow_start, prefix) = numbers;
            let cookie: Option<Cookie> = cookie.filter(|_| !member.is_empty());
            if cookie.is_some() {
                member[0].cookie = Some("s1".to_owned());
            }
            let by_address = matches!(balance, Balance::Source | Balance::Hash);
            let speaks_tls = match check.kind {
                CheckKind::Tls => true,
                CheckKind::Http => tls.is_some(),
                CheckKind::Tcp | CheckKind::Off => false,
            };
            let usual = tls.as_ref().and_then(|tls| tls.server_name.clone());
            check.server_name = check.server_name.or(usual).filter(|_| speaks_tls);
            Pool {
                name: name.clone(),
                balance,
                source_prefix_v6: if by_address { prefix } else { defaults::BALANCE_PREFIX_V6 },
                retries,
                redispatch,
                max_queue,
                slow_start,
                proxy_protocol,
                http_reuse,
                protocol,
                tls,
                cookie,
                app_cookie,
                stick,
                passive,
                check,
                member,
            }
        },
    )
}

fn http_version() -> impl Strategy<Value = HttpVersion> {
    select(vec![HttpVersion::H1, HttpVersion::H2])
}

fn version() -> impl Strategy<Value = ProxyProtocol> {
    select(vec![ProxyProtocol::Off, ProxyProtocol::V1, ProxyProtocol::V2])
}

fn host_name() -> impl Strategy<Value = Domain> {
    HOST_NAME.prop_map(|name| name.parse().expect("a name"))
}

fn pool_tls() -> impl Strategy<Value = PoolTls> {
    (option::of(host_name()), option::of(path()), any::<bool>(), option::of(path())).prop_map(
        |(server_name, ca, verify, certificate)| PoolTls {
            server_name,
            ca: ca.filter(|_| verify),
            verify,
            certificate,
        },
    )
}

fn sticky() -> impl Strategy<Value = (Option<Cookie>, Option<AppCookie>, Option<Stick>)> {
    (option::of(cookie()), option::of(app_cookie()), option::of(stick()))
}

fn cookie() -> impl Strategy<Value = Cookie> {
    let mode = select(vec![CookieMode::Insert, CookieMode::Rewrite, CookieMode::Prefix, CookieMode::Passive]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let same_site = option::of(select(vec![SameSite::Strict, SameSite::Lax, SameSite::None]));
    let times = (option::of(duration(1000, 86_400_000)), option::of(duration(1000, 86_400_000)));
    let domain = option::of(r"\.?[a-z]{1,5}\.example").prop_map(|domain| domain.into_iter().collect());
    ("[a-z!#%&'*+^_`|~]{1,9}", mode, flags, domain, same_site, times).prop_map(
        |(name, mode, flags, domain, same_site, (max_idle, max_life))| {
            let (indirect, preserve, nocache, postonly, secure, httponly) = flags;
            let indirect = indirect && mode != CookieMode::Rewrite;
            let inserts = mode == CookieMode::Insert;
            let cookie =
                Cookie { preserve: preserve && (inserts || indirect), indirect, ..Cookie::new(name, mode) };
            if !inserts {
                return cookie;
            }
            let same_site = same_site.filter(|site| secure || *site != SameSite::None);
            Cookie { nocache, postonly, domain, secure, httponly, same_site, max_idle, max_life, ..cookie }
        },
    )
}

fn app_cookie() -> impl Strategy<Value = AppCookie> {
    let mode = option::of(select(vec![AppCookieMode::PathParameters, AppCookieMode::QueryString]));
    let numbers = (1u16..=1024, duration(1000, 86_400_000), 1u32..=10_000_000);
    ("[A-Z]{1,9}", numbers, any::<bool>(), any::<bool>(), mode).prop_map(
        |(name, (length, expire, size), prefix, request_learn, mode)| AppCookie {
            name,
            length,
            expire,
            size,
            prefix,
            request_learn,
            mode,
        },
    )
}

fn stick() -> impl Strategy<Value = Stick> {
    (1u32..=10_000_000, duration(1000, 86_400_000), 1u8..=128, 1u8..=32)
        .prop_map(|(size, expire, prefix_v6, prefix_v4)| Stick { size, expire, prefix_v6, prefix_v4 })
}

fn passive() -> impl Strategy<Value = Passive> {
    (1u32..=1000, duration(100, 3_600_000), duration(100, 3_600_000))
        .prop_map(|(failures, window, ejection)| Passive { failures, window, ejection })
}

fn check() -> impl Strategy<Value = Check> {
    let kind = select(vec![CheckKind::Tcp, CheckKind::Tls, CheckKind::Http, CheckKind::Off]);
    let times = (duration(50, 3_600_000), duration(50, 3_600_000), duration(1, 86_400_000));
    let target = (
        option::of(1u16..),
        option::of(prop_oneof![v4().prop_map(IpAddr::from), v6().prop_map(IpAddr::from)]),
    );
    (kind, times, (1u32..=1000, 1u32..=1000), target, (version(), option::of(host_name())), http_check())
        .prop_map(
            |(
                kind,
                (interval, fast, timeout),
                (rise, fall),
                (port, address),
                (proxy_protocol, server_name),
                http,
            )| {
                Check {
                    kind,
                    interval,
                    fast_interval: fast.min(interval),
                    timeout: timeout.min(interval),
                    rise,
                    fall,
                    port,
                    address,
                    proxy_protocol,
                    server_name,
                    http: if kind == CheckKind::Http { http } else { HttpCheck::default() },
                }
            },
        )
}

fn http_check() -> impl Strategy<Value = HttpCheck> {
    let header = ("X-[A-Za-z0-9!#$*+.^_`|~-]{1,8}", "([!-~]([ -~]{0,8}[!-~])?)?")
        .prop_map(|(name, value)| Header { name, value });
    let status = (100u16..=599, 0u16..=499)
        .prop_map(|(first, more)| StatusRange { first, last: (first + more).min(599) });
    let method = select(vec![CheckMethod::Get, CheckMethod::Head, CheckMethod::Options]);
    let asked = (
        method,
        http_version(),
        r#"/[!-~&&[^#"<>\\^`{|}]]{0,12}"#,
        option::of("[a-z0-9.:-]{1,12}"),
        vec(header, 0..3),
    );
    (asked, vec(status, 1..3), option::of("[^\u{0}]{1,20}")).prop_map(
        |((method, protocol, path, host, headers), expect_status, body)| HttpCheck {
            protocol,
            method,
            path,
            host,
            headers,
            expect_status,
            expect_body: body.filter(|_| method != CheckMethod::Head),
        },
    )
}

fn member(name: String) -> impl Strategy<Value = Member> {
    let state = select(vec![AdminState::Ready, AdminState::Drain, AdminState::Maintenance]);
    (socket(), 0u16..=256, any::<bool>(), option::of(1u32..=10_000_000), state).prop_map(
        move |(address, weight, backup, max_connections, state)| Member {
            name: name.clone(),
            address,
            weight,
            backup,
            max_connections,
            state,
            cookie: None,
        },
    )
}

fn admin() -> impl Strategy<Value = Admin> {
    (path(), option::of(path()), sockets(2)).prop_map(|(socket, token_file, listen)| {
        let listen = if token_file.is_some() { listen } else { Vec::new() };
        Admin { socket, listen, token_file }
    })
}

fn log() -> impl Strategy<Value = Log> {
    let level = select(vec![Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace]);
    (level, select(vec![LogFormat::Text, LogFormat::Json])).prop_map(|(level, format)| Log { level, format })
}
