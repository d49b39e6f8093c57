//! Who is synthesized what, and what becomes of the cases on which resolvers differ.

use crate::domain::Domain;
use addr::Prefix64;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::Ipv6Addr;

/// The keys of `[dns64]` that hold for all clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynthesisRules {
    /// `on_aaaa_error`: an error other than a name error, or silence, on AAAA.
    pub on_aaaa_error: Treatment,
    /// `on_nxdomain`: a name error on AAAA.
    pub on_nxdomain: Treatment,
    /// `signed`: signed A records for a client that sets DO.
    pub signed: Treatment,
    /// `trust_ad`: the upstreams' AD bit is passed on.
    pub trust_ad: bool,
    /// `reverse`.
    pub reverse: ReverseNames,
    /// `reverse_prefixes`: prefixes of other translators at this site; distinct.
    pub reverse_prefixes: Vec<Prefix64>,
    /// `strip_ipv4hint`: IPv4 hints of SVCB and HTTPS records are left out.
    pub strip_ipv4hint: bool,
}

/// What becomes of a case on which resolvers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// AAAA records are made of A records.
    Synthesize,
    /// The client gets what the upstream said.
    Pass,
}

/// `dns64.reverse`: how reverse names under a prefix are answered (RFC 6147 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReverseNames {
    /// By a CNAME record to the IPv4 address's reverse name.
    Cname,
    /// By the PTR records that stand there.
    Direct,
    /// By the upstreams.
    Off,
}

/// One `[[dns64.client]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsClient {
    /// `from`: source addresses; IPv4-mapped sources count as IPv4.
    pub from: Vec<IpNet>,
    /// `synthesize`: false is plain forwarding.
    pub synthesize: bool,
    /// `prefixes`, 1 to 8: each A record becomes one AAAA record per prefix.
    pub prefixes: Vec<ClientPrefix>,
    /// `exclude_aaaa`; that of `[dns64]` where it is not given.
    pub exclude_aaaa: Vec<Ipv6Net>,
    /// `force`; that of `[dns64]` where it is not given.
    pub force: Vec<Domain>,
    /// `forbid`; that of `[dns64]` where it is not given.
    pub forbid: Vec<Domain>,
}

/// One translation prefix for one kind of client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPrefix {
    /// The prefix.
    pub prefix: Prefix64,
    /// `suffix`: the bits behind prefix and IPv4 address; [`Prefix64::takes_suffix`] holds.
    pub suffix: Ipv6Addr,
    /// The IPv4 addresses that may be embedded in it.
    pub mapped: Vec<MappedRule>,
}

/// One element of a `mapped` list: the first that holds an address decides; an address in none is not embedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedRule {
    /// The addresses.
    pub net: Ipv4Net,
    /// False where the element began with `!`.
    pub allow: bool,
}
