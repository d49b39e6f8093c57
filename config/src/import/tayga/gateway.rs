//! Tayga's terms in ours, and what is lost on the way.

use super::super::{Imported, Note};
use super::conf::{Conf, LogWord, MapLine};
use crate::defaults;
use crate::model::{Gateway, Nat64, Prefix};
use crate::reader::listing;
use addr::ExplicitMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which directive a key comes from.
pub(super) struct Places {
    own: Vec<(&'static str, &'static str, usize)>,
    /// The line of each map of the model.
    maps: Vec<usize>,
}

impl Places {
    /// The directive and the line behind a key path.
    pub(super) fn line(&self, path: &str) -> Option<(&'static str, usize)> {
        if let Some(rest) = path.strip_prefix("nat64.map[") {
            let index: usize = rest.split(']').next()?.parse().ok()?;
            return Some(("map", *self.maps.get(index)?));
        }
        self.own.iter().find(|(key, ..)| *key == path).map(|(_, directive, line)| (*directive, *line))
    }
}

/// What `conf` and the maps of its map file are in our words.
pub(super) fn gateway(conf: &Conf, more: &[MapLine], file: &str) -> (Imported, Places) {
    let mut notes = Notes { file, list: Vec::new() };
    let pool = conf.dynamic_pool.map(|(_, net)| net);
    let placed: Vec<(usize, ExplicitMap)> = conf
        .maps
        .iter()
        .chain(more)
        .flat_map(|entry| apart(entry.map, pool).into_iter().map(|map| (entry.line, map)))
        .collect();
    let maps = placed.iter().map(|(_, map)| *map).collect();
    notes.lines(conf);
    notes.maps(conf, more);
    let prefix = conf.prefix.map(|(_, pref64)| Prefix { pref64, allow_private_ipv4: !conf.wkpf_strict });
    let nat64 = Nat64 {
        device: conf.tun_device.1.clone(),
        ipv4_addr: conf.ipv4_addr.1,
        ipv6_addr: conf.ipv6_addr.1,
        dynamic_pool: pool,
        state_dir: conf.data_dir.clone(),
        workers: conf.workers.map_or(defaults::WORKERS, |(_, workers)| workers.max(1)),
        offload: defaults::OFFLOAD,
        udp_zero_checksum: conf.udp_cksum_mode,
        ipv6_min_mtu: conf.offlink_mtu,
        mtu: defaults::MTU,
        ipv4_mtu: None,
        ipv6_mtu: None,
        tcp_mss_clamp: defaults::TCP_MSS_CLAMP,
        tos: defaults::CLASS_OCTET,
        traffic_class: defaults::CLASS_OCTET,
        icmp_error_rate: defaults::ICMP_ERROR_RATE,
        configure_interface: conf.tun_up.is_some_and(|(_, up)| up),
        drop_log: drop_log(conf),
        hairpin: defaults::HAIRPIN,
        icmp_source_v4: Vec::new(),
        icmp_source_v6: None,
        prefix: Vec::new(),
        map: maps,
    };
    notes.interface(conf, &nat64);
    let mut own = vec![
        ("nat64.device", "tun-device", conf.tun_device.0),
        ("nat64.ipv4_addr", "ipv4-addr", conf.ipv4_addr.0),
        ("nat64.ipv6_addr", "ipv6-addr", conf.ipv6_addr.0),
    ];
    own.extend(conf.dynamic_pool.map(|(line, _)| ("nat64.dynamic_pool", "dynamic-pool", line)));
    own.extend(conf.prefix.map(|(line, _)| ("prefix.pref64", "prefix", line)));
    let model = Gateway { prefix, nat64: Some(nat64), ..Gateway::default() };
    notes.list.sort_by_key(|note| note.line);
    (
        Imported { model, notes: notes.list, places: Vec::new() },
        Places { own, maps: placed.iter().map(|(line, _)| *line).collect() },
    )
}

/// In Tayga the longer prefix wins, also between a map and the pool; ours lets a map go before the pool. So a map
/// around the pool becomes the maps of what lies outside the pool.
fn apart(map: ExplicitMap, pool: Option<Ipv4Net>) -> Vec<ExplicitMap> {
    let Some(pool) = pool.filter(|pool| map.v4 != *pool && map.v4.contains(pool)) else { return vec![map] };
    let around = map.v4.prefix_len() + 1..=pool.prefix_len();
    around.filter_map(|len| beside(map, pool, len)).collect()
}

/// The part of `map` that has its first `len - 1` bits in common with the pool and not the next.
fn beside(map: ExplicitMap, pool: Ipv4Net, len: u8) -> Option<ExplicitMap> {
    let bit = 1_u32.checked_shl(32 - u32::from(len))?;
    let v4 = Ipv4Net::new((pool.network().to_bits() ^ bit).into(), len).ok()?.trunc();
    let offset = v4.network().to_bits() - map.v4.network().to_bits();
    let v6 = Ipv6Net::new((map.v6.network().to_bits() + u128::from(offset)).into(), len + 96).ok()?;
    Some(ExplicitMap { v4, v6 })
}

/// What is lost.
struct Notes<'a> {
    file: &'a str,
    list: Vec<Note>,
}

impl Notes<'_> {
    fn add(&mut self, line: usize, directive: &'static str, text: impl Into<String>) {
        self.list.push(Note { file: self.file.to_owned(), line, directive, text: text.into() });
    }

    /// Directives that say the same wherever they stand.
    fn lines(&mut self, conf: &Conf) {
        if let Some(line) = conf.strict_frag_hdr {
            self.add(line, "strict-frag-hdr", "has no effect: fragment headers follow RFC 7915");
        }
        if let Some((line, 0)) = conf.workers {
            self.add(line, "workers", "0 is one worker in a thread of its own, workers = 1");
        }
        if let Some((line, words)) = &conf.log
            && !words.is_empty()
        {
            self.add(*line, "log", log_note(words));
        }
        if let Some((line, prefix)) = conf.prefix
            && prefix.is_well_known()
            && conf.wkpf_strict
        {
            self.add(
                line,
                "prefix",
                "carries no 192.0.0.0/24, 192.88.99.0/24 and 240.0.0.0/4 either, which Tayga lets pass (RFC 6052 section 3.1)",
            );
        }
    }

    fn maps(&mut self, conf: &Conf, more: &[MapLine]) {
        let with_bits = conf.maps.iter().filter(|map| map.has_host_bits);
        for MapLine { line, map, .. } in with_bits {
            self.add(*line, "map", format!("bits beyond the length are dropped: {map}"));
        }
        if let Some((line, pool)) = conf.dynamic_pool {
            let around =
                conf.maps.iter().chain(more).filter(|map| map.map.v4 != pool && map.map.v4.contains(&pool));
            if around.count() > 0 {
                self.add(
                    line,
                    "dynamic-pool",
                    "a map around the pool is written as the maps of what lies outside it",
                );
            }
        }
        if let Some((line, path)) = &conf.map_file {
            self.add(
                *line,
                "map-file",
                format!(
                    "the {} maps of {} were copied: change them in gateway.toml, which a reload reads again",
                    more.len(),
                    path.display()
                ),
            );
        }
    }

    /// What becomes of the device's state, addresses and routes.
    fn interface(&mut self, conf: &Conf, nat64: &Nat64) {
        if let Some((line, true)) = conf.tun_up {
            self.add(
                line,
                "tun-up",
                "configure_interface = true also sets the MTU and adds the routes to the prefix, the pool and the maps",
            );
        }
        for (line, net) in &conf.tun_ip {
            self.add(
                *line,
                "tun-ip",
                format!(
                    "not honoured: the device has no address; `ip address add {net} dev {}` adds one",
                    nat64.device
                ),
            );
        }
        for (line, net) in &conf.tun_route {
            if !(nat64.configure_interface && is_routed(*net, conf)) {
                self.add(
                    *line,
                    "tun-route",
                    format!("not honoured: add it with `ip route add {net} dev {}`", nat64.device),
                );
            }
        }
    }
}

/// Words that ask for a line about every packet that is not translated.
const DROPS: [LogWord; 2] = [LogWord::Drop, LogWord::Reject];

/// Lines a second that stand in for a line about every packet: a flood must not fill the disk.
const DROP_LOG: u16 = 100;

fn drop_log(conf: &Conf) -> u16 {
    let asked = conf.log.as_ref().is_some_and(|(_, words)| words.iter().any(|word| DROPS.contains(word)));
    if asked { DROP_LOG } else { defaults::DROP_LOG }
}

fn log_note(words: &[LogWord]) -> String {
    let lost: Vec<&str> = LogWord::ALL
        .iter()
        .filter(|(_, word)| words.contains(word) && !DROPS.contains(word))
        .map(|(name, _)| *name)
        .collect();
    let drops = format!("packets that are not translated have at most {DROP_LOG} lines a second");
    let status = "`causeway-nat64 status` shows the counters";
    match (words.iter().any(|word| DROPS.contains(word)), lost.is_empty()) {
        (true, true) => drops,
        (true, false) => format!("{drops}; {} not honoured, {status}", listing(lost, "and")),
        (false, _) => format!("{} not honoured, {status}", listing(lost, "and")),
    }
}

/// Whether the daemon adds this route by itself.
fn is_routed(net: IpNet, conf: &Conf) -> bool {
    match net {
        IpNet::V4(net) => conf.dynamic_pool.is_some_and(|(_, pool)| pool.contains(&net)),
        IpNet::V6(net) => conf.prefix.is_some_and(|(_, prefix)| {
            prefix.contains(net.network()) && net.prefix_len() >= prefix.prefix_len()
        }),
    }
}
