//! `[nat64]`: the translator's own addresses, its pool and its explicit maps.

mod icmp_source;
mod prefixes;

use super::{Placed, Read, Spot, Table, Value, all};
use crate::defaults;
use crate::literal::NO_STATE;
use crate::model::{ClassOctet, MssClamp, Nat64, NextHopMtu, Prefix};
use addr::special::{SpecialRange, is_legal_source_v4, is_legal_source_v6, lookup_v4, lookup_v6};
use addr::{ExplicitMap, ExplicitMaps, MapConflict, Prefix64};
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// From the least MTU of IPv6 (RFC 8200 §5) to the longest IPv4 packet.
const MTU_RANGE: RangeInclusive<u16> = 1280..=65535;

/// The same for IPv4 alone (RFC 791 §3.1).
const IPV4_MTU_RANGE: RangeInclusive<u16> = 68..=65535;

/// From what every IPv4 host takes (RFC 9293 §3.7.1) to what fits the longest packet.
const MSS_RANGE: RangeInclusive<u16> = 536..=65495;

/// As many as anybody could want to send.
const ERROR_RATE_RANGE: RangeInclusive<u32> = 0..=1_000_000;

/// The kernel has at most 256 queues to a TUN device.
pub(super) const WORKER_RANGE: RangeInclusive<u16> = 0..=256;

/// The kernel's limit for a device name, without the closing zero.
const DEVICE_LENGTH: RangeInclusive<usize> = 1..=15;

/// More lines a second are for a capture to tell.
const DROP_LOG_RANGE: RangeInclusive<u16> = 0..=1000;

/// The longest prefix of a pool: offset 0 of a pool is never given out.
const LONGEST_POOL: u8 = 31;

pub(super) fn read(table: &Table<'_>, main: Option<&Prefix>) -> Read<Nat64> {
    let pref64 = main.map(|prefix| prefix.pref64);
    let device = table.or("device", defaults::DEVICE.to_owned(), device);
    let ipv4_addr = table.need("ipv4_addr", own_v4);
    let ipv6_addr = table.need("ipv6_addr", |value| own_v6(value, pref64, ipv4_addr.ok()));
    let dynamic_pool = table.maybe("dynamic_pool", pool);
    let state_dir = table.or("state_dir", Some(PathBuf::from(defaults::STATE_DIR)), state_dir);
    let workers = table.or("workers", defaults::WORKERS, |value| value.integer(WORKER_RANGE));
    let offload = table.or("offload", defaults::OFFLOAD, Value::choice);
    let udp_zero_checksum = table.or("udp_zero_checksum", defaults::UDP_ZERO_CHECKSUM, Value::choice);
    let ipv6_min_mtu = table.or("ipv6_min_mtu", defaults::IPV6_MIN_MTU, |value| value.integer(MTU_RANGE));
    let mtu = table.or("mtu", defaults::MTU, |value| value.integer(MTU_RANGE));
    let ipv4_mtu = table.maybe("ipv4_mtu", |value| next_hop_mtu(value, IPV4_MTU_RANGE));
    let ipv6_mtu = table.maybe("ipv6_mtu", |value| next_hop_mtu(value, MTU_RANGE));
    let tcp_mss_clamp = table.or("tcp_mss_clamp", defaults::TCP_MSS_CLAMP, mss_clamp);
    let tos = table.or("tos", defaults::CLASS_OCTET, class_octet);
    let traffic_class = table.or("traffic_class", defaults::CLASS_OCTET, class_octet);
    let icmp_error_rate = table.or("icmp_error_rate", defaults::ICMP_ERROR_RATE, error_rate);
    let configure_interface = table.or("configure_interface", defaults::CONFIGURE_INTERFACE, Value::boolean);
    let drop_log = table.or("drop_log", defaults::DROP_LOG, |value| value.integer(DROP_LOG_RANGE));
    let hairpin = table.or("hairpin", defaults::HAIRPIN, Value::choice);
    let own = Own {
        v4: ipv4_addr.ok(),
        v6: ipv6_addr.ok(),
        pool: dynamic_pool.as_ref().ok().copied().flatten(),
        pref64,
    };
    let icmp_source_v4 = icmp_source::v4(table, &own);
    let allow_private_ipv4 = main.is_some_and(|prefix| prefix.allow_private_ipv4);
    let prefix = prefixes::read(table, &own, allow_private_ipv4);
    let others = prefix.as_deref().unwrap_or_default().iter().map(|ranged| ranged.prefix);
    let prefixes: Vec<Prefix64> = pref64.into_iter().chain(others).collect();
    let icmp_source_v6 = icmp_source::v6(table, &prefixes);
    let foreign = Foreign { own, prefixes, icmp_source_v4: icmp_source_v4.clone().unwrap_or_default() };
    let map = maps(table, &foreign);
    Ok(Nat64 {
        device: device?,
        ipv4_addr: ipv4_addr?,
        ipv6_addr: ipv6_addr?,
        dynamic_pool: dynamic_pool?,
        state_dir: state_dir?,
        workers: workers?,
        offload: offload?,
        udp_zero_checksum: udp_zero_checksum?,
        ipv6_min_mtu: ipv6_min_mtu?,
        mtu: mtu?,
        ipv4_mtu: ipv4_mtu?,
        ipv6_mtu: ipv6_mtu?,
        tcp_mss_clamp: tcp_mss_clamp?,
        tos: tos?,
        traffic_class: traffic_class?,
        icmp_error_rate: icmp_error_rate?,
        configure_interface: configure_interface?,
        drop_log: drop_log?,
        hairpin: hairpin?,
        icmp_source_v4: icmp_source_v4?,
        icmp_source_v6: icmp_source_v6?,
        prefix: prefix?,
        map: map?,
    })
}

fn next_hop_mtu(value: &Value<'_>, range: RangeInclusive<u16>) -> Read<NextHopMtu> {
    value.word_or_integer(&[("route", NextHopMtu::Route)], range, NextHopMtu::Bytes)
}

fn error_rate(value: &Value<'_>) -> Read<u32> {
    value.integer(ERROR_RATE_RANGE)
}

fn mss_clamp(value: &Value<'_>) -> Read<MssClamp> {
    value.word_or_integer(&[("off", MssClamp::Off), ("mtu", MssClamp::Mtu)], MSS_RANGE, MssClamp::Bytes)
}

fn class_octet(value: &Value<'_>) -> Read<ClassOctet> {
    value.word_or_integer(&[("copy", ClassOctet::Copy)], 0..=u8::MAX, ClassOctet::Octet)
}

/// The name of a network interface.
pub(super) fn device(value: &Value<'_>) -> Read<String> {
    let text = value.text("the name of a device")?;
    let legal = |c: char| c != '/' && c != ':' && c != '%' && !c.is_whitespace() && !c.is_control();
    if DEVICE_LENGTH.contains(&text.len()) && text.chars().all(legal) && text != "." && text != ".." {
        return Ok(text.to_owned());
    }
    Err(value.mismatch_but(
        "the name of a device",
        "the kernel allows 1 to 15 bytes without '/', ':', '%' and blanks: \"nat64\"",
    ))
}

fn own_v4(value: &Value<'_>) -> Read<Ipv4Addr> {
    let addr = value.address("an IPv4 address such as \"192.168.255.1\"")?;
    if is_legal_source_v4(addr) {
        return Ok(addr);
    }
    Err(value.at.refuse(
        format!("{addr}{} cannot be the source of a packet", known_as(lookup_v4(addr))),
        "take a unicast address outside 0.0.0.0/8 and 127.0.0.0/8",
    ))
}

/// An address in the prefix stands for an IPv4 host. The one that the prefix makes of the translator's own IPv4 address
/// stands for the translator, so that it may have no other.
fn own_v6(value: &Value<'_>, pref64: Option<Prefix64>, own_v4: Option<Ipv4Addr>) -> Read<Ipv6Addr> {
    let addr = value.address("an IPv6 address such as \"2001:db8:ffff::64\"")?;
    if !is_legal_source_v6(addr) {
        return Err(value.at.refuse(
            format!("{addr}{} cannot be the source of a packet beyond its link", known_as(lookup_v6(addr))),
            "take a global or unique local unicast address",
        ));
    }
    let is_derived = |prefix: &Prefix64| own_v4.is_some_and(|own| prefix.embed(own) == addr);
    match pref64.filter(|prefix| prefix.contains(addr) && !is_derived(prefix)) {
        Some(prefix) => Err(value.at.refuse(
            format!("{addr} lies in the translation prefix {prefix}"),
            "take an address outside prefix.pref64, where addresses stand for IPv4 hosts, or the one that stands for nat64.ipv4_addr",
        )),
        None => Ok(addr),
    }
}

/// Where leases are kept, or that they are not.
fn state_dir(value: &Value<'_>) -> Read<Option<PathBuf>> {
    if value.text("an absolute path or \"none\"")? == NO_STATE { Ok(None) } else { value.path().map(Some) }
}

/// What a special-purpose address is called, to stand behind it in a message.
fn known_as<N>(range: Option<&SpecialRange<N>>) -> String {
    range.map_or_else(String::new, |range| format!(" ({}, {})", range.name, range.source))
}

fn pool(value: &Value<'_>) -> Read<Ipv4Net> {
    let net: Ipv4Net = value.network()?;
    if net.prefix_len() > LONGEST_POOL {
        return Err(value.at.refuse(
            format!("{net} is too small for a pool: its first address is never given out"),
            format!("take a network of length {LONGEST_POOL} or less"),
        ));
    }
    if let Some(reserved) =
        RESERVED_V4.iter().find(|reserved| reserved.contains(&net) || net.contains(*reserved))
    {
        return Err(value.at.refuse(
            format!("{net} overlaps {reserved}, whose addresses cannot be sources"),
            "take a network that is routed to this gateway, or a private one",
        ));
    }
    Ok(net)
}

/// What others must leave alone, as far as it could be read.
struct Own {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
    pool: Option<Ipv4Net>,
    pref64: Option<Prefix64>,
}

/// What maps must leave alone besides.
struct Foreign {
    own: Own,
    prefixes: Vec<Prefix64>,
    icmp_source_v4: Vec<Ipv4Net>,
}

/// Both sides of one `[[nat64.map]]`.
struct Entry<'a> {
    v4: Placed<'a, Ipv4Net>,
    v6: Placed<'a, Ipv6Net>,
}

fn maps(table: &Table<'_>, foreign: &Foreign) -> Read<Vec<ExplicitMap>> {
    let read: Vec<Read<Entry<'_>>> = table.tables("map")?.iter().map(|map| entry(map, foreign)).collect();
    // Those that could be read are compared even if others could not.
    let entries: Vec<&Entry<'_>> = read.iter().filter_map(|entry| entry.as_ref().ok()).collect();
    let pairs = entries.iter().map(|entry| ExplicitMap { v4: entry.v4.value, v6: entry.v6.value });
    let conflicts = ExplicitMaps::new(pairs).err().unwrap_or_default();
    let reported = all::<()>(conflicts.iter().map(|conflict| Err(conflicting(conflict, &entries))));
    let maps = all(read.into_iter())?;
    reported?;
    Ok(maps.iter().map(|entry| ExplicitMap { v4: entry.v4.value, v6: entry.v6.value }).collect())
}

fn entry<'a>(table: &Table<'a>, foreign: &Foreign) -> Read<Entry<'a>> {
    let v4 = table.need("v4", |value| side_v4(value, foreign));
    let v6 = table.need("v6", |value| side_v6(value, foreign));
    Ok(Entry { v4: table.spot("v4").with(v4?), v6: table.spot("v6").with(v6?) })
}

fn side_v4(value: &Value<'_>, foreign: &Foreign) -> Read<Ipv4Net> {
    let net: Ipv4Net = value.network()?;
    if let Some(reserved) = RESERVED_V4.iter().find(|reserved| reserved.contains(&net)) {
        return Err(not_hosts(&value.at, &net.to_string(), &reserved.to_string()));
    }
    if foreign.own.v4.is_some_and(|own| net == Ipv4Net::from(own)) {
        return Err(value
            .at
            .refuse(format!("{net} is the translator's own nat64.ipv4_addr"), "map another address"));
    }
    if foreign.own.pool == Some(net) {
        return Err(value.at.refuse(
            format!("{net} is the whole nat64.dynamic_pool"),
            "leave out the pool, or map a part of it",
        ));
    }
    if let Some(source) = foreign.icmp_source_v4.iter().find(|source| source.contains(&net)) {
        return Err(value.at.refuse(
            format!(
                "{net} lies in nat64.icmp_source_v4 ({source}), whose addresses are the translator's own"
            ),
            "map another address, or take another source of ICMP errors",
        ));
    }
    Ok(net)
}

fn side_v6(value: &Value<'_>, foreign: &Foreign) -> Read<Ipv6Net> {
    let net: Ipv6Net = value.network()?;
    if let Some(reserved) = RESERVED_V6.iter().find(|reserved| reserved.contains(&net)) {
        return Err(not_hosts(&value.at, &net.to_string(), &reserved.to_string()));
    }
    if foreign.own.v6.is_some_and(|own| net == Ipv6Net::from(own)) {
        return Err(value
            .at
            .refuse(format!("{net} is the translator's own nat64.ipv6_addr"), "map another address"));
    }
    let is_whole = |prefix: &&Prefix64| net == Ipv6Net::new_assert(prefix.addr(), prefix.prefix_len());
    if let Some(prefix) = foreign.prefixes.iter().find(is_whole) {
        return Err(value.at.refuse(
            format!("{prefix} is the translation prefix itself"),
            "map a part of it, or addresses of hosts",
        ));
    }
    Ok(net)
}

fn not_hosts(at: &Spot<'_>, net: &str, reserved: &str) -> super::Reported {
    at.refuse(
        format!("{net} lies in {reserved}, whose addresses hosts do not have"),
        "map unicast addresses that are neither loopback nor link-local",
    )
}

fn conflicting(conflict: &MapConflict, entries: &[&Entry<'_>]) -> super::Reported {
    match *conflict {
        MapConflict::SameV4 { first, second, net } => {
            let (at, first) = (&entries[second].v4.at, &entries[first].v4.at);
            at.refuse(format!("{net} is already mapped at {}", first.place()), "remove one of the two maps")
        }
        MapConflict::SameV6 { first, second, net } => {
            let (at, first) = (&entries[second].v6.at, &entries[first].v6.at);
            at.refuse(format!("{net} is already mapped at {}", first.place()), "remove one of the two maps")
        }
        MapConflict::Suffix { index, v4, v6 } => {
            let longest = 96 + v4.prefix_len();
            entries[index].v6.at.refuse(
                format!("{v6} has fewer addresses than {v4}, so that some would collide"),
                format!("take a length of {longest} or less (RFC 7757 §3.2)"),
            )
        }
    }
}

/// "This network", loopback, multicast and broadcast: no host has these addresses.
const RESERVED_V4: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4),
    Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32),
];

/// Unspecified and loopback, link-local, multicast.
const RESERVED_V6: [Ipv6Net; 3] = [
    Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 127),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];
