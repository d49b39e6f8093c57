//! What AAAA records are made of for one kind of client, which are not believed, and in which cases.
//!
//! Every judgement is a value that says why, so that a reply can be explained by asking again.

use super::limits::{Limits, Refused, Source};
use crate::domain::{DomainMap, DomainSet};
use crate::name::WireName;
use addr::Prefix64;
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The rules of synthesis for one kind of client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Synthesis {
    /// Each mapped A record becomes one AAAA record per prefix, in this order.
    pub prefixes: Vec<PrefixRule>,
    /// AAAA records in these networks count as absent.
    pub exclude: Vec<Ipv6Net>,
    /// Prefixes in which a refused IPv4 address makes an AAAA record of an upstream count as absent.
    pub guarded: Vec<Prefix64>,
    /// What no prefix may carry.
    pub limits: Limits,
    /// Names whose AAAA records are passed over, and names that are left alone; the longest suffix decides.
    pub names: DomainMap<NameRule>,
    /// Names whose private addresses are fine.
    pub private_domains: DomainSet,
    /// What becomes of the cases on which resolvers differ.
    pub cases: Cases,
    /// The upstreams' AD bit is passed on.
    pub trust_ad: bool,
}

/// One prefix and the IPv4 addresses that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrefixRule {
    /// The prefix.
    pub prefix: Prefix64,
    /// The bits behind prefix and IPv4 address (RFC 6052 §2.2); [`Prefix64::takes_suffix`] holds.
    pub suffix: Ipv6Addr,
    /// The first that holds an address decides; an address in none is not embedded.
    pub mapped: Vec<MappedNet>,
}

/// One element of [`PrefixRule::mapped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MappedNet {
    /// The addresses.
    pub net: Ipv4Net,
    /// Whether they may be embedded.
    pub allow: bool,
}

/// What holds of a name and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameRule {
    /// Its AAAA records are passed over where it has A records.
    Force,
    /// It is forwarded plainly.
    Forbid,
}

/// What becomes of the cases on which resolvers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cases {
    /// An error other than a name error, or silence, on AAAA (RFC 6147 §5.1.2, §5.1.3).
    pub error: Treatment,
    /// A name error on AAAA.
    pub name_error: Treatment,
    /// Signed A records for a client that wants DNSSEC records.
    pub signed: Treatment,
}

/// One of two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// AAAA records are made of A records.
    Synthesize,
    /// The client gets what the upstream said.
    Pass,
}

/// Why an AAAA record counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excluded {
    /// By the list.
    #[error("{0} is excluded")]
    Listed(Ipv6Net),
    /// It stands for an IPv4 address that may not be embedded.
    #[error("{v4} in {prefix}: {why}")]
    Embeds {
        /// The prefix it lies in.
        prefix: Prefix64,
        /// The address it stands for.
        v4: Ipv4Addr,
        /// What is against that one.
        why: Refused,
    },
}

/// The answers of RFC 6147.
impl Default for Cases {
    fn default() -> Self {
        Self { error: Treatment::Synthesize, name_error: Treatment::Pass, signed: Treatment::Synthesize }
    }
}

impl Synthesis {
    /// The AAAA addresses that stand for `v4`, one per prefix that takes it.
    pub fn embed(&self, v4: Ipv4Addr, source: Source) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.judge_v4(v4, source).filter_map(|(_, fate)| fate.ok())
    }

    /// What becomes of `v4` in each prefix.
    pub fn judge_v4(
        &self,
        v4: Ipv4Addr,
        source: Source,
    ) -> impl Iterator<Item = (Prefix64, Result<Ipv6Addr, Refused>)> + '_ {
        self.prefixes.iter().map(move |rule| {
            let fate = self.limits.judge(rule.prefix, v4, source).and_then(|()| rule.embed(v4));
            (rule.prefix, fate)
        })
    }

    /// Whether an AAAA record with `v6` is believed.
    ///
    /// # Errors
    /// Why it counts as absent.
    pub fn judge_v6(&self, v6: Ipv6Addr, source: Source) -> Result<(), Excluded> {
        if let Some(net) = self.exclude.iter().find(|net| net.contains(&v6)) {
            return Err(Excluded::Listed(*net));
        }
        let refusal = self.guarded.iter().find_map(|prefix| {
            let v4 = prefix.extract(v6)?;
            let why = self.limits.judge(*prefix, v4, source).err()?;
            Some(Excluded::Embeds { prefix: *prefix, v4, why })
        });
        refusal.map_or(Ok(()), Err)
    }

    /// Whether A is asked for whatever AAAA records `name` has.
    pub(crate) fn passes_over_aaaa(&self, name: &WireName) -> bool {
        self.names.get(name) == Some(&NameRule::Force) || self.exclude.iter().any(|net| net.prefix_len() == 0)
    }

    /// Whose word the addresses of `name` are.
    pub fn source(&self, name: &WireName) -> Source {
        if self.private_domains.holds(name) { Source::Trusted } else { Source::Public }
    }
}

impl PrefixRule {
    /// The IPv6 address that stands for `v4`, whoever it belongs to.
    pub fn address(&self, v4: Ipv4Addr) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.prefix.embed(v4).to_bits() | self.suffix.to_bits())
    }

    fn embed(&self, v4: Ipv4Addr) -> Result<Ipv6Addr, Refused> {
        let first = self.mapped.iter().find(|mapped| mapped.net.contains(&v4));
        first.filter(|mapped| mapped.allow).map(|_| self.address(v4)).ok_or(Refused::Unmapped)
    }
}
