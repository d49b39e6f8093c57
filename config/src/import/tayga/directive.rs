//! The directives as a table, and what each does with its arguments.

use super::address::{is_reserved_v4, is_reserved_v6, prefix_v4, prefix_v6, side};
use super::conf::{LogWord, MapLine};
use super::table::Table;
use crate::model::UdpZeroChecksum;
use addr::{ExplicitMap, Prefix64, Prefix64Error};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// What has been read so far. Nothing here has a default yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub(super) tun_device: Option<(usize, String)>,
    pub(super) ipv4_addr: Option<(usize, Ipv4Addr)>,
    pub(super) ipv6_addr: Option<(usize, Ipv6Addr)>,
    pub(super) prefix: Option<(usize, Prefix64)>,
    pub(super) wkpf_strict: Option<bool>,
    pub(super) udp_cksum_mode: Option<UdpZeroChecksum>,
    pub(super) maps: Vec<MapLine>,
    pub(super) dynamic_pool: Option<(usize, Ipv4Net)>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) map_file: Option<(usize, PathBuf)>,
    pub(super) log: Option<(usize, Vec<LogWord>)>,
    pub(super) offlink_mtu: Option<u16>,
    pub(super) workers: Option<(usize, u16)>,
    pub(super) strict_frag_hdr: Option<usize>,
    pub(super) tun_up: Option<(usize, bool)>,
    pub(super) tun_ip: Vec<(usize, IpNet)>,
    pub(super) tun_route: Vec<(usize, IpNet)>,
    pub(super) table: Table,
    pub(super) warnings: Vec<String>,
}

/// What a directive does with its arguments: what it says is Tayga's message.
type Take = fn(&mut Reading, usize, &[String]) -> Result<(), String>;

/// One directive.
struct Directive {
    name: &'static str,
    /// How many arguments it has; `None` is any number.
    arguments: Option<usize>,
    take: Take,
}

const fn one(name: &'static str, take: Take) -> Directive {
    Directive { name, arguments: Some(1), take }
}

/// Every directive.
const DIRECTIVES: &[Directive] = &[
    one("tun-device", tun_device),
    one("ipv4-addr", ipv4_addr),
    one("ipv6-addr", ipv6_addr),
    one("prefix", prefix),
    one("wkpf-strict", wkpf_strict),
    one("udp-cksum-mode", udp_cksum_mode),
    Directive { name: MAP, arguments: Some(2), take: map },
    one("dynamic-pool", dynamic_pool),
    one("data-dir", data_dir),
    one("map-file", map_file),
    one("strict-frag-hdr", strict_frag_hdr),
    Directive { name: "log", arguments: None, take: log },
    one("offlink-mtu", offlink_mtu),
    one("workers", workers),
    one("tun-up", tun_up),
    one("tun-ip", tun_ip),
    one("tun-route", tun_route),
];

const MAP: &str = "map";

/// The words of a boolean.
const BOOLEANS: &[(&str, bool)] = &[
    ("true", true),
    ("on", true),
    ("yes", true),
    ("1", true),
    ("false", false),
    ("off", false),
    ("no", false),
    ("0", false),
];

/// What a word of `udp-cksum-mode` begins with.
const CHECKSUM_MODES: &[(&str, UdpZeroChecksum)] = &[
    ("dr", UdpZeroChecksum::Drop),
    ("calc", UdpZeroChecksum::Calculate),
    ("forw", UdpZeroChecksum::Forward),
    ("fwd", UdpZeroChecksum::Forward),
];

/// The longest name of a device with its closing zero.
const DEVICE_BUFFER: usize = 16;

/// A longer pool would have no address to give.
const LONGEST_POOL: u8 = 31;

const OFFLINK_MTU: RangeInclusive<i64> = 1280..=65535;
const WORKERS: RangeInclusive<i64> = 0..=64;

impl Reading {
    /// Takes one line.
    pub(super) fn line(&mut self, line: usize, words: &[String], file: &str) -> Result<(), String> {
        let Some((name, arguments)) = words.split_first() else { return Ok(()) };
        let directive = find(line, name, arguments, file)?;
        (directive.take)(self, line, arguments)
    }
}

/// Takes a line of a map file, which has maps only.
pub(super) fn map_only(
    line: usize,
    words: &[String],
    file: &str,
    table: &mut Table,
    warnings: &mut Vec<String>,
) -> Result<Option<MapLine>, String> {
    let Some((name, arguments)) = words.split_first() else { return Ok(None) };
    let directive = find(line, name, arguments, file)?;
    if directive.name != MAP {
        return Err(format!("Unknown directive \"{name}\" on line {line} of {file}"));
    }
    let mut reading = Reading { table: std::mem::take(table), ..Reading::default() };
    let taken = (directive.take)(&mut reading, line, arguments);
    *table = reading.table;
    warnings.append(&mut reading.warnings);
    taken.map(|()| reading.maps.pop())
}

fn find(line: usize, name: &str, arguments: &[String], file: &str) -> Result<&'static Directive, String> {
    let directive = DIRECTIVES
        .iter()
        .find(|directive| directive.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| format!("Unknown directive \"{name}\" on line {line} of {file}"))?;
    if directive.arguments.is_some_and(|number| number != arguments.len()) {
        return Err(format!("Incorrect number of arguments on line {line}"));
    }
    Ok(directive)
}

fn duplicate(name: &str, line: usize) -> String {
    format!("Error: duplicate {name} directive on line {line}")
}

/// Refuses a second use.
fn once<T>(slot: Option<&T>, name: &str, line: usize) -> Result<(), String> {
    slot.map_or(Ok(()), |_| Err(duplicate(name, line)))
}

fn reserved(what: &str, directive: &str) -> String {
    format!("Cannot use reserved address {what} in {directive} directive, aborting...")
}

fn invalid(name: &str, line: usize) -> String {
    format!("Error: invalid value for {name} on line {line}")
}

fn tun_device(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    once(reading.tun_device.as_ref(), "tun-device", line)?;
    let name = &arguments[0];
    if name.len() >= DEVICE_BUFFER {
        return Err(format!("Device name \"{name}\" is invalid on line {line}"));
    }
    reading.tun_device = Some((line, name.clone()));
    Ok(())
}

fn ipv4_addr(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    once(reading.ipv4_addr.as_ref(), "ipv4-addr", line)?;
    let text = &arguments[0];
    let addr =
        text.parse().map_err(|_| format!("Expected an IPv4 address but found \"{text}\" on line {line}"))?;
    judge_v4(reading, addr, text, "ipv4-addr", line)?;
    reading.ipv4_addr = Some((line, addr));
    Ok(())
}

/// Refuses reserved addresses and remarks on those of a link.
fn judge_v4(
    reading: &mut Reading,
    addr: Ipv4Addr,
    text: &str,
    directive: &str,
    line: usize,
) -> Result<(), String> {
    if is_reserved_v4(addr) {
        return Err(reserved(text, directive));
    }
    if addr.is_link_local() {
        reading
            .warnings
            .push(format!("Warning: {text} in {directive} directive on line {line} is a link-local address"));
    }
    Ok(())
}

fn ipv6_addr(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    // Tayga tells a second use by the first byte of what it has, which is zero in 64:ff9b::/32.
    if reading.ipv6_addr.is_some_and(|(_, addr)| addr.octets()[0] != 0) {
        return Err(duplicate("ipv6-addr", line));
    }
    let text = &arguments[0];
    let addr =
        text.parse().map_err(|_| format!("Expected an IPv6 address but found \"{text}\" on line {line}"))?;
    if is_reserved_v6(addr) {
        return Err(reserved(text, "ipv6-addr"));
    }
    reading.ipv6_addr = Some((line, addr));
    Ok(())
}

fn prefix(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    let text = &arguments[0];
    let net = prefix_v6(text)
        .ok_or_else(|| format!("Expected an IPv6 prefix but found \"{text}\" on line {line}"))?;
    if is_reserved_v6(net.addr()) {
        return Err(reserved(text, "prefix"));
    }
    let prefix = Prefix64::new(net.addr(), net.prefix_len()).map_err(|error| match error {
        // What causeway refuses and Tayga does not.
        Prefix64Error::UOctet => {
            format!("Error: bits 64 to 71 of the prefix on line {line} must be zero (RFC 6052 section 2.2)")
        }
        Prefix64Error::Length(_) | Prefix64Error::HostBits(_) | Prefix64Error::Syntax => {
            "NAT prefix length must be 32, 40, 48, 56, 64 or 96 only, aborting...".to_owned()
        }
    })?;
    once(reading.prefix.as_ref(), "prefix", line)?;
    reading.table.enter_v6(net, Some(line), &format!("NAT64 prefix on line {line}"))?;
    reading.prefix = Some((line, prefix));
    Ok(())
}

fn boolean(text: &str) -> Option<bool> {
    BOOLEANS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
}

fn wkpf_strict(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    reading.wkpf_strict = Some(boolean(&arguments[0]).ok_or_else(|| invalid("wkpf-strict", line))?);
    Ok(())
}

fn udp_cksum_mode(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    let word = arguments[0].to_ascii_lowercase();
    let mode = CHECKSUM_MODES.iter().find(|(beginning, _)| word.starts_with(beginning));
    reading.udp_cksum_mode = Some(mode.ok_or_else(|| invalid("udp-cksum-mode", line))?.1);
    Ok(())
}

fn map(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    let [text4, text6] = arguments else {
        return Err(format!("Incorrect number of arguments on line {line}"));
    };
    let (v4, len4) = side::<Ipv4Addr>(text4, 32)
        .ok_or_else(|| format!("Expected an IPv4 subnet but found \"{text4}\" on line {line}"))?;
    let (v6, len6) = side::<Ipv6Addr>(text6, 128)
        .ok_or_else(|| format!("Expected an IPv6 subnet but found \"{text6}\" on line {line}"))?;
    if i128::from(len6) - i128::from(len4) != 128 - 32 {
        return Err(format!(
            "IPv4 and IPv6 subnet must be of the same size, but found {v4} and {v6} on line {line}"
        ));
    }
    judge_v4(reading, v4, &v4.to_string(), MAP, line)?;
    if is_reserved_v6(v6) {
        return Err(reserved(&v6.to_string(), MAP));
    }
    let net4 = u8::try_from(len4).ok().and_then(|len| Ipv4Net::new(v4, len).ok());
    let net6 = u8::try_from(len6).ok().and_then(|len| Ipv6Net::new(v6, len).ok());
    // Tayga does not look.
    let (net4, net6) = net4
        .zip(net6)
        .ok_or_else(|| format!("Error: prefix length in map directive on line {line} is out of range"))?;
    let what = |family: &str| format!("{family} address in map directive on line {line}");
    reading.table.enter_v4(net4, Some(line), &what("IPv4"))?;
    reading.table.enter_v6(net6, Some(line), &what("IPv6"))?;
    let map = ExplicitMap { v4: net4.trunc(), v6: net6.trunc() };
    let has_host_bits = net4 != map.v4 || net6 != map.v6;
    reading.maps.push(MapLine { line, map, has_host_bits });
    Ok(())
}

fn dynamic_pool(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    once(reading.dynamic_pool.as_ref(), "dynamic-pool", line)?;
    let text = &arguments[0];
    let net = prefix_v4(text)
        .ok_or_else(|| format!("Expected an IPv4 prefix but found \"{text}\" on line {line}"))?;
    judge_v4(reading, net.addr(), text, "dynamic-pool", line)?;
    if net.prefix_len() > LONGEST_POOL {
        return Err("Cannot use a prefix longer than /31 in dynamic-pool directive, aborting...".to_owned());
    }
    reading.table.enter_v4(net, None, &format!("IPv4 prefix in dynamic-pool directive on line {line}"))?;
    reading.dynamic_pool = Some((line, net));
    Ok(())
}

fn data_dir(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    once(reading.data_dir.as_ref(), "data-dir", line)?;
    if !arguments[0].starts_with('/') {
        return Err("Error: data-dir must be an absolute path".to_owned());
    }
    reading.data_dir = Some(PathBuf::from(&arguments[0]));
    Ok(())
}

fn map_file(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    once(reading.map_file.as_ref(), "map-file", line)?;
    reading.map_file = Some((line, PathBuf::from(&arguments[0])));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every directive")]
fn strict_frag_hdr(reading: &mut Reading, line: usize, _arguments: &[String]) -> Result<(), String> {
    reading.warnings.push(format!("Warning: strict-frag-hdr deprecated on line {line}"));
    reading.strict_frag_hdr = Some(line);
    Ok(())
}

fn log(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    once(reading.log.as_ref(), "log", line)?;
    let word = |text: &String| {
        let known = LogWord::ALL.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        known.map(|(_, word)| *word).ok_or_else(|| invalid("log", line))
    };
    reading.log = Some((line, arguments.iter().map(word).collect::<Result<_, _>>()?));
    Ok(())
}

/// A number of base 10 in a range.
fn number(text: &str, range: RangeInclusive<i64>, name: &str, line: usize) -> Result<u16, String> {
    let number: i64 = text.parse().map_err(|_| format!("Error: unable to parse {name} on line {line}"))?;
    let fits = range.contains(&number).then(|| u16::try_from(number).ok()).flatten();
    fits.ok_or_else(|| {
        format!("Error: {name} must be between {} and {} on line {line}", range.start(), range.end())
    })
}

fn offlink_mtu(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    once(reading.offlink_mtu.as_ref(), "offlink-mtu", line)?;
    reading.offlink_mtu = Some(number(&arguments[0], OFFLINK_MTU, "offlink-mtu", line)?);
    Ok(())
}

fn workers(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    once(reading.workers.as_ref(), "workers", line)?;
    reading.workers = Some((line, number(&arguments[0], WORKERS, "workers", line)?));
    Ok(())
}

fn tun_up(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    reading.tun_up = Some((line, boolean(&arguments[0]).ok_or_else(|| invalid("tun-up", line))?));
    Ok(())
}

fn tun_ip(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    reading.tun_ip.push((line, network(&arguments[0]).ok_or_else(|| invalid("tun-ip", line))?));
    Ok(())
}

fn tun_route(reading: &mut Reading, line: usize, arguments: &[String]) -> Result<(), String> {
    reading.tun_route.push((line, network(&arguments[0]).ok_or_else(|| invalid("tun-route", line))?));
    Ok(())
}

/// An address with or without a length.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
