//! The resolvers that inputs are given to: what their files say, and what follows from that, written out by hand.

use addr::special;
use dns64::gate::Gate;
use dns64::hosts::source::Sources;
use dns64::metrics::Metrics;
use dns64::policy::Synthesis;
use dns64::resolver::Shared;
use dns64::snapshot::Snapshot;
use prometheus_client::registry::Registry;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};

/// What one file says.
#[derive(Debug)]
pub struct Terms {
    /// Its prefix.
    pub pref64: &'static str,
    /// What stands behind the keys of `[dns64]` that all have.
    pub more: &'static str,
    /// Its kinds of clients.
    pub clients: &'static [Client],
    /// Some datagrams are not answered: responses are limited.
    pub limited: bool,
}

/// One kind of client.
#[derive(Debug)]
pub struct Client {
    /// From where it asks.
    pub address: &'static str,
    /// It is refused, whatever it asks.
    pub refused: bool,
    /// What addresses are made of, as prefix and suffix; none for clients that are not synthesized for.
    pub prefixes: &'static [Made],
    /// Addresses of no AAAA record that it gets, beside those that embed what may not be embedded.
    pub excluded: &'static [&'static str],
}

/// How addresses are made.
#[derive(Debug)]
pub struct Made {
    /// The first octets.
    pub prefix: &'static str,
    /// How many bits they are.
    pub length: u8,
    /// What stands behind.
    pub suffix: &'static str,
    /// Of which remote addresses.
    pub takes: fn(Ipv4Addr) -> bool,
}

const PLAIN: Made = Made { prefix: "2001:db8:64::", length: 96, suffix: "::", takes: |_| true };

const GUARDED: Made =
    Made { takes: |v4| special::is_global_v4(v4) || v4.octets()[..3] == [192, 0, 0], ..PLAIN };

const MAPPED: &str = "::ffff:0:0/96";

/// Every file.
pub const TERMS: [Terms; 4] = [
    Terms {
        pref64: "2001:db8:64::/96",
        more: HOSTS,
        clients: &[Client {
            address: "[2001:db8:6::1]:4096",
            refused: false,
            prefixes: &[PLAIN],
            excluded: &[MAPPED],
        }],
        limited: false,
    },
    Terms {
        pref64: "64:ff9b::/96",
        more: "allow_from = [\"2001:db8::/32\", \"192.0.2.0/24\"]\ndenied = \"refuse\"\nnsid = \"one\"\n\
               reverse = \"direct\"\nstrip_ipv4hint = true\nsigned = \"pass\"\n\
               [[dns64.client]]\nfrom = [\"2001:db8:6::/64\"]\n\
               [[dns64.client]]\nfrom = [\"2001:db8::/32\"]\nsynthesize = false\n\
               [[dns64.client]]\nfrom = [\"192.0.2.0/24\"]\nmapped = [\"!10.0.0.0/8\", \"0.0.0.0/0\"]\n\
               prefixes = [{ prefix = \"2001:db8:b::/64\", suffix = \"::5\" }, \"2001:db8:c00::/40\"]\n\
               exclude_aaaa = [\"2001:db8:bad::/48\", \"64:ff9b::/96\"]\n",
        clients: &[
            Client {
                address: "[2001:db8:6::1]:4096",
                refused: false,
                prefixes: &[Made {
                    prefix: "64:ff9b::",
                    length: 96,
                    suffix: "::",
                    takes: special::is_global_v4,
                }],
                excluded: &[MAPPED],
            },
            Client { address: "[2001:db8:7::1]:4096", refused: false, prefixes: &[], excluded: &[] },
            Client {
                address: "[::ffff:192.0.2.7]:4096",
                refused: false,
                prefixes: &[
                    Made {
                        prefix: "2001:db8:b::",
                        length: 64,
                        suffix: "::5",
                        takes: |v4| v4.octets()[0] != 10,
                    },
                    Made {
                        prefix: "2001:db8:c00::",
                        length: 40,
                        suffix: "::",
                        takes: |v4| v4.octets()[0] != 10,
                    },
                ],
                excluded: &["2001:db8:bad::/48", "64:ff9b::/96", MAPPED],
            },
            Client { address: "[fd00::1]:4096", refused: true, prefixes: &[], excluded: &[] },
        ],
        limited: false,
    },
    Terms {
        pref64: "2001:db8:64::/96",
        more: "response_rate = 5\nrebind_protection = true\non_aaaa_error = \"pass\"\non_nxdomain = \"synthesize\"\n\
               cookies = false\nforce = [\"example\"]",
        clients: &[Client {
            address: "192.0.2.7:4096",
            refused: false,
            prefixes: &[GUARDED],
            excluded: &[MAPPED],
        }],
        limited: true,
    },
    Terms {
        pref64: "2001:db8:64::/96",
        more: "exclude_aaaa = [\"::/0\"]\nreverse = \"off\"\ndomain_needed = false",
        clients: &[Client {
            address: "192.0.2.7:4096",
            refused: false,
            prefixes: &[PLAIN],
            excluded: &["::/0"],
        }],
        limited: false,
    },
];

const HOSTS: &str = "[[dns64.host]]\nname = \"v4.lan\"\naddresses = [\"192.168.7.10\"]\n\
    [[dns64.host]]\nname = \"both.lan\"\naddresses = [\"192.168.7.11\", \"2001:db8:7::11\"]\n";

/// IPv4 addresses that are known without asking anyone: those of hosts, and those of RFC 7050.
const KNOWN: [Ipv4Addr; 3] =
    [Ipv4Addr::new(192, 168, 7, 10), Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];

/// AAAA records that are known without asking anyone.
const KNOWN_V6: [Ipv6Addr; 2] = [Ipv6Addr::LOCALHOST, Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 0x11)];

/// The resolvers of [`TERMS`].
static SITES: LazyLock<[Arc<Shared>; TERMS.len()]> = LazyLock::new(|| TERMS.each_ref().map(start));

/// The resolver of one of [`TERMS`].
pub fn resolver(index: usize) -> &'static Arc<Shared> {
    &SITES[index % TERMS.len()]
}

fn start(terms: &Terms) -> Arc<Shared> {
    let text = format!(
        "[prefix]\npref64 = \"{}\"\n[dns64]\nlisten = [\"192.0.2.1:53\"]\nupstream = [\"198.51.100.53\"]\n{}\n",
        terms.pref64, terms.more
    );
    let model =
        config::parse(&text, "gateway.toml").unwrap_or_else(|errors| panic!("{text}\n{errors}")).model;
    let (prefix, dns64) = (model.prefix.expect("it stands there"), model.dns64.expect("it stands there"));
    let metrics = Arc::new(Metrics::new(&mut Registry::default()));
    let snapshot =
        Snapshot::new(&prefix, &dns64, Arc::clone(&metrics), None).expect("no certificates are asked for");
    let shared = Shared::new(snapshot, Gate::new([1; 16], [2; 16]), metrics);
    shared.serve_hosts(Arc::new(Sources::new(&dns64.names).load()));
    Arc::new(shared)
}

impl Client {
    /// From where it asks.
    ///
    /// # Panics
    /// Never: it is written so.
    pub fn socket(&self) -> SocketAddr {
        self.address.parse().expect("an address and a port")
    }

    /// The daemon's own idea of what is made for it.
    pub fn synthesis(&self, resolver: &Shared) -> Option<Arc<Synthesis>> {
        let address: IpAddr = self.socket().ip();
        resolver.snapshot().policy.view(address).synthesis().cloned()
    }

    /// Whether an AAAA record that nobody was asked for may have the address.
    pub fn may_know(&self, v6: Ipv6Addr) -> bool {
        KNOWN_V6.contains(&v6)
            || KNOWN.iter().any(|v4| self.prefixes.iter().any(|made| made.address(*v4) == v6))
    }

    /// Whether `v6` stands for `v4`, and may.
    pub fn makes(&self, v4: Ipv4Addr, v6: Ipv6Addr) -> bool {
        let first = v4.octets()[0];
        let remote =
            ![0, 127].contains(&first) && !v4.is_link_local() && !v4.is_multicast() && !v4.is_broadcast();
        let mut takers = self.prefixes.iter().filter(|made| (made.takes)(v4));
        remote && takers.any(|made| made.address(v4) == v6)
    }

    /// Whether an AAAA record of an upstream with that address counts as absent by its lists.
    ///
    /// # Panics
    /// Never: they are written so.
    pub fn excludes(&self, v6: Ipv6Addr) -> bool {
        let nets = self.excluded.iter().map(|net| net.parse::<ipnet::Ipv6Net>().expect("a network"));
        nets.into_iter().any(|net| net.contains(&v6))
    }
}

impl Made {
    /// The address that stands for `v4` (RFC 6052 §2.2).
    fn address(&self, v4: Ipv4Addr) -> Ipv6Addr {
        let prefix: Ipv6Addr = self.prefix.parse().expect("an address");
        let suffix: Ipv6Addr = self.suffix.parse().expect("an address");
        let mut octets = prefix.octets();
        let mut at = usize::from(self.length / 8);
        for octet in v4.octets() {
            // Bits 64 to 71 stay zero.
            at += usize::from(at == 8);
            octets[at] = octet;
            at += 1;
        }
        Ipv6Addr::from_bits(Ipv6Addr::from(octets).to_bits() | suffix.to_bits())
    }
}
