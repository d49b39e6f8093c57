//! Who is synthesized what: from a client's address to its [`Synthesis`], or to none.
//!
//! Covers RFC 6147 §5.1.4 (exclusion), §5.2 (prefixes and the IPv4 ranges mapped to them) and RFC 6052 §3.1
//! (non-global IPv4). Rules are tried in order and the first that holds the client decides. Choice: with rules
//! present, a client that none of them holds is forwarded plainly; without any, every client gets the default.
//! Choice: an upstream AAAA record inside a client's own prefix whose IPv4 address may not be embedded counts as
//! excluded, so that the judgement cannot be walked around through another DNS64.
//!
//! A [`View`] has a fingerprint of everything that changes what it makes of the same upstream answers, which keys
//! cached replies: views of equal content share them, across clients and across reloads.

use addr::{Prefix64, fold_mapped, special};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// IPv4 addresses that name no remote host, under whatever prefix.
const NEVER_EMBEDDED: [Ipv4Net; 5] = [
    Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4),
    Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32),
];

/// The whole policy of one configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    clients: Vec<(Vec<IpNet>, View)>,
    /// Of a client that none of the rules holds.
    others: View,
    sites: Vec<Site>,
}

/// What one kind of client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    synthesis: Option<Arc<Synthesis>>,
    fingerprint: u64,
}

/// One kind of client.
#[derive(Clone, Debug)]
pub struct ClientRule {
    /// The source addresses it applies to.
    pub from: Vec<IpNet>,
    /// What they get; `None` is plain forwarding.
    pub synthesis: Option<Arc<Synthesis>>,
}

/// What AAAA records are made of for one kind of client, and which are not believed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Synthesis {
    /// Each mapped A record becomes one AAAA record per prefix, in this order.
    pub prefixes: Vec<PrefixRule>,
    /// AAAA records in these ranges count as absent.
    pub exclude: Vec<Ipv6Net>,
    /// What no prefix may carry.
    pub limits: Limits,
}

/// One prefix and the IPv4 addresses that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrefixRule {
    /// The prefix.
    pub prefix: Prefix64,
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

/// Which non-global IPv4 addresses may be embedded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Lifts RFC 6052 §3.1 from `64:ff9b::/96`.
    pub allow_private_ipv4: bool,
    /// Refuses non-global IPv4 under every prefix.
    pub rebind_protection: bool,
}

/// A prefix in use at this site, for reverse names (RFC 6147 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) prefix: Prefix64,
    limits: Limits,
}

impl Policy {
    /// The policy of `rules`, or of `default` for every client where there are none. `site_prefix` answers reverse
    /// names besides the prefixes that the rules name.
    pub fn new(rules: Vec<ClientRule>, default: Arc<Synthesis>, site_prefix: Prefix64) -> Self {
        let limits = default.limits;
        let of_clients = rules.iter().filter_map(|rule| rule.synthesis.as_deref());
        let mut sites = vec![Site { prefix: site_prefix, limits }];
        for prefix in of_clients.flat_map(|synthesis| &synthesis.prefixes).map(|rule| rule.prefix) {
            if sites.iter().all(|site| site.prefix != prefix) {
                sites.push(Site { prefix, limits });
            }
        }
        // The longest prefix that holds an address decides, as in routing.
        sites.sort_by_key(|site| std::cmp::Reverse(site.prefix.prefix_len()));
        let others = View::new(rules.is_empty().then_some(default));
        let clients = rules.into_iter().map(|rule| (rule.from, View::new(rule.synthesis))).collect();
        Self { clients, others, sites }
    }

    /// What the client at `address` gets. IPv4-mapped addresses count as IPv4.
    pub fn view(&self, address: IpAddr) -> &View {
        let address = fold_mapped(address);
        let holds = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        self.clients.iter().find(|(from, _)| holds(from)).map_or(&self.others, |(_, view)| view)
    }

    /// Every prefix in use, longest first.
    pub(crate) fn sites(&self) -> &[Site] {
        &self.sites
    }
}

impl View {
    fn new(synthesis: Option<Arc<Synthesis>>) -> Self {
        let mut hasher = DefaultHasher::new();
        synthesis.hash(&mut hasher);
        Self { synthesis, fingerprint: hasher.finish() }
    }

    /// How AAAA records are made; `None` is plain forwarding.
    pub fn synthesis(&self) -> Option<&Arc<Synthesis>> {
        self.synthesis.as_ref()
    }

    /// A number that views share only if they make the same replies of the same upstream answers. It holds for this
    /// process only.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl Synthesis {
    /// The AAAA addresses that stand for `v4`, one per prefix that takes it.
    pub fn embed(&self, v4: Ipv4Addr) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.prefixes.iter().filter(move |rule| self.takes(rule, v4)).map(move |rule| rule.prefix.embed(v4))
    }

    /// Whether an AAAA record with `v6` counts as absent.
    pub fn excludes(&self, v6: Ipv6Addr) -> bool {
        self.exclude.iter().any(|net| net.contains(&v6))
            || self
                .prefixes
                .iter()
                .any(|rule| rule.prefix.extract(v6).is_some_and(|v4| !self.limits.allow(rule.prefix, v4)))
    }

    fn takes(&self, rule: &PrefixRule, v4: Ipv4Addr) -> bool {
        self.limits.allow(rule.prefix, v4)
            && rule.mapped.iter().find(|mapped| mapped.net.contains(&v4)).is_some_and(|mapped| mapped.allow)
    }
}

impl Limits {
    /// Whether `v4` may stand in `prefix`.
    pub fn allow(self, prefix: Prefix64, v4: Ipv4Addr) -> bool {
        NEVER_EMBEDDED.iter().all(|net| !net.contains(&v4))
            && prefix.may_embed(v4, self.allow_private_ipv4)
            && (!self.rebind_protection || special::is_global_v4(v4))
    }
}

impl Site {
    /// Whether the reverse name of `v4` in this prefix leads anywhere.
    pub(crate) fn allows(self, v4: Ipv4Addr) -> bool {
        self.limits.allow(self.prefix, v4)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A synthesis with `prefixes`, everything mapped, the default exclusion and no limits lifted.
    pub(crate) fn synthesis(prefixes: &[&str]) -> Synthesis {
        Synthesis {
            prefixes: prefixes.iter().map(|text| rule(text, &["0.0.0.0/0"])).collect(),
            exclude: vec!["::ffff:0:0/96".parse().unwrap()],
            limits: Limits::default(),
        }
    }

    /// A prefix rule; a net with `!` in front refuses.
    pub(crate) fn rule(prefix: &str, mapped: &[&str]) -> PrefixRule {
        let mapped = mapped.iter().map(|text| MappedNet {
            net: text.trim_start_matches('!').parse().unwrap(),
            allow: !text.starts_with('!'),
        });
        PrefixRule { prefix: prefix.parse().unwrap(), mapped: mapped.collect() }
    }

    fn embedded(synthesis: &Synthesis, v4: &str) -> Vec<String> {
        synthesis.embed(v4.parse().unwrap()).map(|v6| v6.to_string()).collect()
    }

    fn client(from: &[&str], synthesis: Option<Synthesis>) -> ClientRule {
        ClientRule {
            from: from.iter().map(|net| net.parse().unwrap()).collect(),
            synthesis: synthesis.map(Arc::new),
        }
    }

    #[test]
    fn without_rules_every_client_is_synthesized_for() {
        let default = Arc::new(synthesis(&["2001:db8:64::/96"]));
        let policy = Policy::new(vec![], Arc::clone(&default), default.prefixes[0].prefix);
        for address in ["2001:db8::1", "192.0.2.1", "::1"] {
            assert_eq!(policy.view(address.parse().unwrap()).synthesis(), Some(&default), "{address}");
        }
    }

    #[test]
    fn the_first_rule_that_holds_the_client_decides_and_others_are_forwarded_plainly() {
        let default = Arc::new(synthesis(&["2001:db8:64::/96"]));
        let rules = vec![
            client(&["2001:db8:6::5/128"], None),
            client(&["2001:db8:6::/64", "192.0.2.0/24"], Some(synthesis(&["2001:db8:65::/96"]))),
            client(&["2001:db8:6::/48"], Some(synthesis(&["2001:db8:66::/96"]))),
        ];
        let policy = Policy::new(rules, default, "2001:db8:64::/96".parse().unwrap());
        let check = |address: &str, expect: Option<&str>| {
            let view = policy.view(address.parse().unwrap());
            let prefix = view.synthesis().map(|synthesis| synthesis.prefixes[0].prefix.to_string());
            assert_eq!(prefix.as_deref(), expect, "{address}");
        };
        check("2001:db8:6::5", None);
        check("2001:db8:6::6", Some("2001:db8:65::/96"));
        check("::ffff:192.0.2.9", Some("2001:db8:65::/96"));
        check("2001:db8:6:1::6", Some("2001:db8:66::/96"));
        check("2001:db8:7::1", None);
    }

    #[test]
    fn fingerprints_are_those_of_the_content() {
        let view = |synthesis: Option<Synthesis>| View::new(synthesis.map(Arc::new)).fingerprint();
        let own = || synthesis(&["2001:db8:64::/96"]);
        assert_eq!(view(Some(own())), view(Some(own())));
        let limits = Limits { rebind_protection: true, ..Limits::default() };
        let others = [
            None,
            Some(synthesis(&["2001:db8:65::/96"])),
            Some(synthesis(&["2001:db8:64::/96", "2001:db8:65::/96"])),
            Some(Synthesis { exclude: vec![], ..own() }),
            Some(Synthesis { prefixes: vec![rule("2001:db8:64::/96", &["10.0.0.0/8"])], ..own() }),
            Some(Synthesis { limits, ..own() }),
        ];
        for other in others {
            assert_ne!(view(other.clone()), view(Some(own())), "{other:?}");
        }
    }

    #[test]
    fn every_prefix_takes_the_addresses_mapped_to_it() {
        let synthesis = Synthesis {
            prefixes: vec![
                rule("2001:db8:a::/96", &["!10.1.0.0/16", "10.0.0.0/8"]),
                rule("2001:db8:b::/96", &["!10.0.0.0/8", "0.0.0.0/0"]),
                rule("2001:db8:c::/96", &["0.0.0.0/0"]),
            ],
            ..synthesis(&[])
        };
        assert_eq!(embedded(&synthesis, "10.0.0.1"), ["2001:db8:a::a00:1", "2001:db8:c::a00:1"]);
        assert_eq!(embedded(&synthesis, "10.1.0.1"), ["2001:db8:c::a01:1"]);
        assert_eq!(embedded(&synthesis, "192.0.2.1"), ["2001:db8:b::c000:201", "2001:db8:c::c000:201"]);
    }

    #[test]
    fn the_well_known_prefix_refuses_non_global_ipv4_unless_allowed() {
        let mut well_known = synthesis(&["64:ff9b::/96"]);
        for v4 in ["10.0.0.1", "192.168.1.1", "192.0.2.1", "100.64.0.1", "198.18.0.1", "240.0.0.1"] {
            assert!(embedded(&well_known, v4).is_empty(), "{v4}");
        }
        assert_eq!(embedded(&well_known, "9.9.9.9"), ["64:ff9b::909:909"]);
        well_known.limits.allow_private_ipv4 = true;
        assert_eq!(embedded(&well_known, "10.0.0.1"), ["64:ff9b::a00:1"]);
    }

    #[test]
    fn other_prefixes_refuse_non_global_ipv4_only_under_rebind_protection() {
        let mut own = synthesis(&["2001:db8:64::/96", "64:ff9b:1::/48"]);
        assert_eq!(embedded(&own, "192.168.1.1").len(), 2);
        own.limits = Limits { rebind_protection: true, allow_private_ipv4: true };
        assert!(embedded(&own, "192.168.1.1").is_empty());
        assert_eq!(embedded(&own, "9.9.9.9").len(), 2);
    }

    #[test]
    fn addresses_that_name_no_remote_host_are_never_embedded() {
        let mut any = synthesis(&["2001:db8:64::/96", "64:ff9b::/96"]);
        any.limits.allow_private_ipv4 = true;
        for v4 in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "169.254.169.254",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
        ] {
            assert!(embedded(&any, v4).is_empty(), "{v4}");
        }
    }

    #[test]
    fn excluded_ranges_and_own_prefix_with_a_refused_address_count_as_absent() {
        let synthesis = synthesis(&["2001:db8:64::/96"]);
        let check = |v6: &str, expect: bool| {
            assert_eq!(synthesis.excludes(v6.parse().unwrap()), expect, "{v6}");
        };
        check("::ffff:192.0.2.1", true);
        check("2001:db8:64::127.0.0.1", true);
        check("2001:db8:64::192.0.2.1", false);
        check("2001:db8::1", false);
    }

    #[test]
    fn reverse_names_cover_every_prefix_in_use_longest_first() {
        let default = Arc::new(synthesis(&["2001:db8:64::/96"]));
        let rules = vec![
            client(&["::/0"], Some(synthesis(&["2001:db8:a::/48", "2001:db8:64::/96"]))),
            client(&["0.0.0.0/0"], None),
        ];
        let policy = Policy::new(rules, default, "2001:db8:64::/96".parse().unwrap());
        let prefixes: Vec<_> = policy.sites().iter().map(|site| site.prefix.to_string()).collect();
        assert_eq!(prefixes, ["2001:db8:64::/96", "2001:db8:a::/48"]);
    }
}
