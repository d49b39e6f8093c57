//! The `dns64` statement: a prefix, whom it is for, and which addresses it maps.

use super::super::draft::Spot;
use super::acl::{Acl, NotNetwork, network};
use super::scope::Reading;
use super::statement::Statement;
use addr::Prefix64;
use ipnet::IpNet;
use std::net::Ipv6Addr;

/// Octet 8 must be zero (RFC 6052 §2.2).
const U_OCTET: usize = 8;

/// One `dns64` statement.
#[derive(Clone, Debug)]
pub(super) struct Dns64 {
    pub(super) spot: Spot,
    pub(super) prefix: Prefix64,
    pub(super) suffix: Ipv6Addr,
    pub(super) clients: Acl,
    pub(super) mapped: Acl,
    /// `None` is the default, `::ffff:0:0/96`.
    pub(super) exclude: Option<Acl>,
    /// Synthesize although the client asks for DNSSEC records and there are some.
    pub(super) break_dnssec: bool,
    pub(super) recursive_only: Option<Spot>,
}

/// Reads one statement; every error in it is named.
pub(super) fn read(statement: &Statement, reading: &mut Reading<'_, '_>) -> Option<Dns64> {
    let before = reading.errors.len();
    let mut say = |error: String| reading.errors.push(error);
    let prefix = prefix(statement).map_err(&mut say).ok();
    let block = statement.need_block().map_err(&mut say).unwrap_or_default();
    // A suffix is judged by its prefix, and by none where that is wrong.
    let mut own = Dns64 {
        spot: statement.spot.clone(),
        prefix: prefix.unwrap_or(Prefix64::WELL_KNOWN),
        suffix: Ipv6Addr::UNSPECIFIED,
        clients: Acl::any(),
        mapped: Acl::any(),
        exclude: None,
        break_dnssec: false,
        recursive_only: None,
    };
    for clause in block {
        if let Err(error) = own.clause(clause, reading) {
            reading.errors.push(error);
        }
    }
    (reading.errors.len() == before).then_some(own)
}

impl Dns64 {
    fn clause(&mut self, clause: &Statement, reading: &mut Reading<'_, '_>) -> Result<(), String> {
        match clause.name() {
            "clients" => self.clients = reading.list(clause, "clients")?,
            "mapped" => self.mapped = reading.list(clause, "mapped")?,
            "exclude" => self.exclude = Some(reading.list(clause, "exclude")?),
            "suffix" => self.suffix = suffix(clause, self.prefix)?,
            "break-dnssec" => self.break_dnssec = boolean(clause)?,
            "recursive-only" => self.recursive_only = boolean(clause)?.then(|| clause.spot.clone()),
            other => return Err(clause.spot.says(format_args!("unknown option '{other}'"))),
        }
        Ok(())
    }
}

/// The prefix, checked in named-checkconf's order.
fn prefix(statement: &Statement) -> Result<Prefix64, String> {
    let refuse = |message: String| Err(statement.spot.says(message));
    let word = statement.value()?;
    let net = match network(word) {
        Ok(net) => net,
        Err(NotNetwork::Mismatch(len)) => {
            return refuse(format!("'{word}': address/prefix length mismatch '{len}'"));
        }
        Err(NotNetwork::Length(len)) => return refuse(format!("invalid prefix length '{len}'")),
        Err(NotNetwork::Name) => return refuse(format!("expected IP prefix near '{word}'")),
    };
    let IpNet::V6(net) = net else { return refuse(format!("dns64 prefix {net} must be IPv6")) };
    if net.addr().octets()[U_OCTET] != 0 {
        return refuse(format!("dns64 prefix {net} bits [64..71] must be zero"));
    }
    Prefix64::new(net.addr(), net.prefix_len())
        .or_else(|_| refuse(format!("dns64 prefix {net} length is not 32/40/48/56/64/96")))
}

/// The bits behind the IPv4 address.
fn suffix(clause: &Statement, prefix: Prefix64) -> Result<Ipv6Addr, String> {
    let word = clause.value()?;
    let suffix: Ipv6Addr =
        word.parse().map_err(|_| clause.spot.says(format_args!("expected IPv6 address near '{word}'")))?;
    let len = usize::from(prefix.prefix_len());
    let leading = len / 8 + 4 + usize::from(len <= 64);
    if suffix.octets()[..leading].iter().any(|octet| *octet != 0) {
        let message = format!("bad suffix '{word}' leading {leading} octets not zeros");
        return Err(clause.spot.says(message));
    }
    Ok(suffix)
}

/// named's words of truth.
pub(super) fn boolean(statement: &Statement) -> Result<bool, String> {
    let word = statement.value()?;
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err(statement.spot.says(format_args!("boolean expected near '{word}'"))),
    }
}
