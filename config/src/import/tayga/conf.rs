//! A tayga.conf that holds together, in Tayga's own terms.

use super::table::Table;
use crate::model::UdpZeroChecksum;
use addr::{ExplicitMap, Prefix64};
use ipnet::{IpNet, Ipv4Net};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// The directives of a file, each with its line where it may be spoken of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    /// `tun-device`.
    pub tun_device: (usize, String),
    /// `ipv4-addr`.
    pub ipv4_addr: (usize, Ipv4Addr),
    /// `ipv6-addr`, or what the prefix makes of `ipv4-addr`.
    pub ipv6_addr: (usize, Ipv6Addr),
    /// `prefix`.
    pub prefix: Option<(usize, Prefix64)>,
    /// `wkpf-strict`: RFC 6052 §3.1 holds under the Well-Known Prefix.
    pub wkpf_strict: bool,
    /// `udp-cksum-mode`.
    pub udp_cksum_mode: UdpZeroChecksum,
    /// `map`, in the order of the file.
    pub maps: Vec<MapLine>,
    /// `dynamic-pool`.
    pub dynamic_pool: Option<(usize, Ipv4Net)>,
    /// `data-dir`, or the directory of the environment.
    pub data_dir: Option<PathBuf>,
    /// `map-file`, as it is written.
    pub map_file: Option<(usize, PathBuf)>,
    /// `log`.
    pub log: Option<(usize, Vec<LogWord>)>,
    /// `offlink-mtu` in bytes.
    pub offlink_mtu: u16,
    /// `workers`; `None` is one per core.
    pub workers: Option<(usize, u16)>,
    /// `strict-frag-hdr`, which does nothing.
    pub strict_frag_hdr: Option<usize>,
    /// `tun-up`.
    pub tun_up: Option<(usize, bool)>,
    /// `tun-ip`, in the order of the file.
    pub tun_ip: Vec<(usize, IpNet)>,
    /// `tun-route`, in the order of the file.
    pub tun_route: Vec<(usize, IpNet)>,
    /// What a map file must leave alone.
    pub(super) table: Table,
}

/// One `map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapLine {
    /// Its line.
    pub line: usize,
    /// Both sides, without host bits.
    pub map: ExplicitMap,
    /// Whether one of the sides was written with host bits.
    pub has_host_bits: bool,
}

/// A word of `log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogWord {
    /// Packets that are dropped without an answer.
    Drop,
    /// Packets that are answered with an error.
    Reject,
    /// ICMP errors that arrive.
    Icmp,
    /// Packets for the translator itself.
    Itself,
    /// Leases of the dynamic pool.
    Dyn,
}

impl LogWord {
    /// The words as they are written.
    pub(super) const ALL: &[(&str, Self)] = &[
        ("drop", Self::Drop),
        ("reject", Self::Reject),
        ("icmp", Self::Icmp),
        ("self", Self::Itself),
        ("dyn", Self::Dyn),
    ];
}
