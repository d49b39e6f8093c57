//! From a model to what the daemon runs on, and from one to the next.
//!
//! ```text
//! model --Plan::of--> what is wanted --prepare--> leases read, routes added --commit--> translator, pool, MTU swapped
//!                                       \--fails or is dropped--> routes removed again, nothing else was touched
//! ```
//!
//! Leases live through it: those outside the new pool drain ([`crate::drain`]), and explicit maps come and go beside
//! them.

use crate::error::Error;
use crate::link::Link;
use crate::persist::StateFile;
use crate::pool::{Lease, Range};
use crate::routes::{self, Added};
use addr::{ExplicitMaps, Prefixes};
use config::Gateway;
use config::model::{ClassOctet, Hairpin, MssClamp, Nat64, NextHopMtu, Prefix, UdpZeroChecksum};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use translator::{Class, IcmpSources, Mtu, Params, Translator};

/// Lines and leases that are named one by one in the log; of more only the number is.
const NAMED: usize = 10;

/// What a model asks for. Pure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The translator.
    pub translator: Translator,
    /// What the pool gives away.
    pub range: Range,
    /// What leads to the device.
    pub routes: BTreeSet<IpNet>,
    /// Log lines a second about packets that are not translated.
    pub drop_log: u16,
    /// Where leases are kept, if they are.
    pub state_dir: Option<PathBuf>,
}

/// A plan whose preconditions are met.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) plan: Plan,
    pub(crate) state: Option<State>,
    /// The device's new MTU, if it changes.
    pub(crate) mtu: Option<u16>,
    pub(crate) added: Option<Added>,
    /// The device, where others look after it.
    pub(crate) unmanaged: Option<Link>,
}

/// The leases of an earlier run, and the file that keeps them from here on.
#[derive(Debug)]
pub struct State {
    /// The file.
    pub file: StateFile,
    /// What it held.
    pub leases: Vec<Lease>,
}

impl Plan {
    /// What `model` asks for.
    ///
    /// # Errors
    /// [`Error::Unchecked`] if the model has no `[nat64]`, or maps or prefixes in conflict.
    pub fn of(model: &Gateway) -> Result<Self, Error> {
        let nat64 = model.nat64.as_ref().ok_or(Error::Unchecked("[nat64] is missing"))?;
        let prefix = model.prefix.as_ref();
        let maps = ExplicitMaps::new(nat64.map.iter().copied());
        let maps = maps.map_err(|_| Error::Unchecked("maps are in conflict"))?;
        let prefixes = Prefixes::new(prefix.map(|prefix| prefix.pref64), &nat64.prefix);
        let prefixes = prefixes.map_err(|_| Error::Unchecked("prefixes are in conflict"))?;
        Ok(Self {
            range: Range::new(nat64.dynamic_pool, nat64.ipv4_addr, maps.clone()),
            translator: Translator::new(params(nat64, prefix, prefixes, maps)),
            routes: routes::wanted(nat64, prefix),
            drop_log: nat64.drop_log,
            state_dir: nat64.state_dir.clone(),
        })
    }
}

/// The translator's parameters.
fn params(nat64: &Nat64, prefix: Option<&Prefix>, prefixes: Prefixes, maps: ExplicitMaps) -> Params {
    Params {
        prefixes,
        allow_private_ipv4: prefix.is_some_and(|prefix| prefix.allow_private_ipv4),
        own_v4: nat64.ipv4_addr,
        own_v6: nat64.ipv6_addr,
        maps,
        pools: nat64.dynamic_pool.into_iter().collect(),
        icmp_source_v4: IcmpSources::new(nat64.icmp_source_v4.clone()),
        icmp_source_v6: nat64.icmp_source_v6,
        hairpin: match nat64.hairpin {
            Hairpin::Intrinsic => translator::Hairpin::Intrinsic,
            Hairpin::Simple => translator::Hairpin::Simple,
            Hairpin::Off => translator::Hairpin::Off,
        },
        udp_zero_checksum: match nat64.udp_zero_checksum {
            UdpZeroChecksum::Drop => translator::UdpZeroChecksum::Drop,
            UdpZeroChecksum::Calculate => translator::UdpZeroChecksum::Calculate,
            UdpZeroChecksum::Forward => translator::UdpZeroChecksum::Forward,
        },
        ipv6_min_mtu: nat64.ipv6_min_mtu,
        mtu_v4: side_mtu(nat64.ipv4_mtu, nat64.mtu),
        mtu_v6: side_mtu(nat64.ipv6_mtu, nat64.mtu),
        tcp_mss_clamp: match nat64.tcp_mss_clamp {
            MssClamp::Off => translator::MssClamp::Off,
            MssClamp::Mtu => translator::MssClamp::Mtu,
            MssClamp::Bytes(most) => translator::MssClamp::Bytes(most),
        },
        tos: class(nat64.tos),
        traffic_class: class(nat64.traffic_class),
        icmp_error_rate: nat64.icmp_error_rate,
    }
}

/// Without a word of its own, or without a route, a side has the device's MTU.
fn side_mtu(side: Option<NextHopMtu>, device: u16) -> Mtu {
    match side {
        None => Mtu::Fixed(device),
        Some(NextHopMtu::Bytes(mtu)) => Mtu::Fixed(mtu),
        Some(NextHopMtu::Route) => Mtu::Route(device),
    }
}

const fn class(octet: ClassOctet) -> Class {
    match octet {
        ClassOctet::Copy => Class::Copy,
        ClassOctet::Octet(octet) => Class::Set(octet),
    }
}

impl State {
    /// The state that `plan` asks for: none without a pool, and none without a place for it.
    pub fn wanted(plan: &Plan) -> Result<Option<Self>, Error> {
        match (plan.range.net(), &plan.state_dir) {
            (Some(_), Some(dir)) => Self::open(dir).map(Some),
            (None, _) | (_, None) => Ok(None),
        }
    }

    /// Claims the directory and reads the leases in it.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let file = StateFile::open(dir)?;
        let (leases, bad) = file.read()?;
        for line in bad.iter().take(NAMED) {
            let path = file.path().display();
            tracing::warn!(%path, line = line.line, problem = line.problem, "a line that is no lease is passed over");
        }
        if bad.len() > NAMED {
            tracing::warn!(path = %file.path().display(), lines = bad.len(), "so many lines are no leases");
        }
        Ok(Self { file, leases })
    }
}
