use super::*;
use crate::domain::DomainMap;
use std::net::Ipv6Addr;

/// A synthesis with `prefixes`, everything mapped, the default exclusion and no limits lifted.
pub(crate) fn synthesis(prefixes: &[&str]) -> Synthesis {
    Synthesis {
        prefixes: prefixes.iter().map(|text| rule(text, &["0.0.0.0/0"])).collect(),
        exclude: vec!["::ffff:0:0/96".parse().unwrap()],
        guarded: prefixes.iter().map(|text| text.parse().unwrap()).collect(),
        ..Synthesis::default()
    }
}

/// A prefix rule; a net with `!` in front refuses.
pub(crate) fn rule(prefix: &str, mapped: &[&str]) -> PrefixRule {
    let mapped = mapped.iter().map(|text| MappedNet {
        net: text.trim_start_matches('!').parse().unwrap(),
        allow: !text.starts_with('!'),
    });
    PrefixRule { prefix: prefix.parse().unwrap(), suffix: Ipv6Addr::UNSPECIFIED, mapped: mapped.collect() }
}

/// Names and all below them.
pub(crate) fn names<T: Copy>(domains: &[(&str, T)]) -> DomainMap<T> {
    let name = |text: &str| crate::reply::tests::question(text, hickory_proto::rr::RecordType::A).name;
    domains.iter().map(|(domain, value)| (name(domain), *value)).collect()
}

/// What is common to clients of `prefixes`, as a policy puts it in order.
pub(crate) fn site(prefixes: &[&str]) -> Site {
    let mut prefixes: Vec<Prefix64> = prefixes.iter().map(|text| text.parse().unwrap()).collect();
    prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.prefix_len()));
    Site {
        prefixes,
        reverse: Reverse::Cname,
        limits: Limits::default(),
        strip_ipv4hint: false,
        trust_ad: false,
    }
}

/// A policy of client rules beside `default`, whose prefixes are the site's.
pub(crate) fn policy(clients: Vec<ClientRule>, default: Synthesis) -> Policy {
    let of_clients = clients.iter().filter_map(|rule| rule.synthesis.as_deref());
    let rules = of_clients.chain([&default]).flat_map(|synthesis| &synthesis.prefixes);
    let prefixes = rules.map(|rule| rule.prefix).collect();
    let site = Site { prefixes, limits: default.limits, ..site(&[]) };
    Policy::new(Settings { clients, default: Arc::new(default), site })
}

impl Policy {
    /// The same with another site.
    pub(crate) fn with_site(mut self, change: impl FnOnce(&mut Site)) -> Self {
        change(&mut self.site);
        self
    }
}

fn embedded(synthesis: &Synthesis, v4: &str) -> Vec<String> {
    synthesis.embed(v4.parse().unwrap(), Source::Public).map(|v6| v6.to_string()).collect()
}

pub(crate) fn client(from: &[&str], synthesis: Option<Synthesis>) -> ClientRule {
    ClientRule {
        from: from.iter().map(|net| net.parse().unwrap()).collect(),
        synthesis: synthesis.map(Arc::new),
    }
}

#[test]
fn without_rules_every_client_is_synthesized_for() {
    let default = synthesis(&["2001:db8:64::/96"]);
    let policy = policy(vec![], default.clone());
    for address in ["2001:db8::1", "192.0.2.1", "::1"] {
        let view = policy.view(address.parse().unwrap());
        assert_eq!(view.synthesis().map(Arc::as_ref), Some(&default), "{address}");
    }
}

#[test]
fn the_first_rule_that_holds_the_client_decides_and_others_are_forwarded_plainly() {
    let rules = vec![
        client(&["2001:db8:6::5/128"], None),
        client(&["2001:db8:6::/64", "192.0.2.0/24"], Some(synthesis(&["2001:db8:65::/96"]))),
        client(&["2001:db8:6::/48"], Some(synthesis(&["2001:db8:66::/96"]))),
    ];
    let policy = policy(rules, synthesis(&["2001:db8:64::/96"]));
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
    let print =
        |synthesis: Option<Synthesis>, site: &Site| View::new(synthesis.map(Arc::new), site).fingerprint();
    let prefix = "2001:db8:64::/96";
    let own = || synthesis(&[prefix]);
    let here = site(&[prefix]);
    assert_eq!(print(Some(own()), &here), print(Some(own()), &here));
    let with = |change: fn(&mut Synthesis)| {
        let mut synthesis = own();
        change(&mut synthesis);
        Some(synthesis)
    };
    let others = [
        None,
        Some(synthesis(&["2001:db8:65::/96"])),
        Some(synthesis(&[prefix, "2001:db8:65::/96"])),
        with(|synthesis| synthesis.exclude.clear()),
        with(|synthesis| synthesis.guarded.clear()),
        with(|synthesis| synthesis.prefixes[0].mapped.clear()),
        with(|synthesis| synthesis.prefixes[0].suffix = Ipv6Addr::LOCALHOST),
        with(|synthesis| synthesis.limits.rebind_protection = true),
        with(|synthesis| synthesis.names = names(&[("example", NameRule::Force)])),
        with(|synthesis| synthesis.names = names(&[("example", NameRule::Forbid)])),
        with(|synthesis| synthesis.private_domains = names(&[("example", ())])),
        with(|synthesis| synthesis.cases.error = Treatment::Pass),
        with(|synthesis| synthesis.cases.name_error = Treatment::Synthesize),
        with(|synthesis| synthesis.cases.signed = Treatment::Pass),
        with(|synthesis| synthesis.trust_ad = true),
    ];
    for other in others {
        assert_ne!(print(other.clone(), &here), print(Some(own()), &here), "{other:?}");
    }
    for site in [
        Site { reverse: Reverse::Direct, ..here.clone() },
        Site { strip_ipv4hint: true, ..here.clone() },
        Site { trust_ad: true, ..here.clone() },
    ] {
        assert_ne!(print(Some(own()), &site), print(Some(own()), &here), "{site:?}");
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
    for v4 in
        ["0.0.0.0", "0.1.2.3", "127.0.0.1", "169.254.169.254", "224.0.0.1", "239.1.1.1", "255.255.255.255"]
    {
        assert!(embedded(&any, v4).is_empty(), "{v4}");
    }
}

#[test]
fn private_names_and_the_protocols_own_addresses_are_no_rebinding() {
    let mut own = synthesis(&["2001:db8:64::/96", "64:ff9b::/96"]);
    own.limits.rebind_protection = true;
    let fates = |v4: &str, source| -> Vec<_> {
        own.judge_v4(v4.parse().unwrap(), source).map(|(_, fate)| fate.err()).collect()
    };
    assert_eq!(fates("10.0.0.1", Source::Public), [Some(Refused::Rebinding), Some(Refused::WellKnown)]);
    assert_eq!(fates("10.0.0.1", Source::Trusted), [None, Some(Refused::WellKnown)]);
    assert_eq!(fates("192.0.0.170", Source::Public), [None, Some(Refused::WellKnown)]);
    for v4 in ["169.254.169.254", "127.0.0.1"] {
        for source in [Source::Public, Source::Trusted] {
            let never = |fate: &Option<Refused>| matches!(fate, Some(Refused::Never(_)));
            assert!(fates(v4, source).iter().all(never), "{v4}");
        }
    }
    own.private_domains = names(&[("corp.example", ())]);
    let name = |text| crate::reply::tests::question(text, hickory_proto::rr::RecordType::A).name;
    assert_eq!(own.source(&name("db.Corp.example")), Source::Trusted);
    assert_eq!(own.source(&name("corp.example.net")), Source::Public);
}

#[test]
fn a_suffix_stands_behind_the_ipv4_address_and_the_u_octet_stays_zero() {
    for (prefix, suffix, expect) in [
        ("2001:db8::/32", "::5:6", "2001:db8:c000:221::5:6"),
        ("2001:db8:100::/40", "::5:6", "2001:db8:1c0:2:21:0:5:6"),
        ("2001:db8:122::/48", "::5:6", "2001:db8:122:c000:2:2100:5:6"),
        ("2001:db8:122:300::/56", "::5:6", "2001:db8:122:3c0:0:221:5:6"),
        ("2001:db8:122:344::/64", "::6", "2001:db8:122:344:c0:2:2100:6"),
    ] {
        let mut with_suffix = synthesis(&[prefix]);
        with_suffix.prefixes[0].suffix = suffix.parse().unwrap();
        assert_eq!(embedded(&with_suffix, "192.0.2.33"), [expect], "{prefix}");
    }
}

#[test]
fn excluded_ranges_and_own_prefix_with_a_refused_address_count_as_absent() {
    let mut synthesis = synthesis(&["2001:db8:64::/96"]);
    synthesis.guarded.push(Prefix64::WELL_KNOWN);
    let check = |synthesis: &Synthesis, v6: &str, expect: &str| {
        let why = synthesis.judge_v6(v6.parse().unwrap(), Source::Public).err();
        assert_eq!(why.map_or(String::new(), |why| why.to_string()), expect, "{v6}");
    };
    check(&synthesis, "::ffff:192.0.2.1", "::ffff:0.0.0.0/96 is excluded");
    let loopback = "127.0.0.1 in 2001:db8:64::/96: 127.0.0.0/8 holds no remote hosts";
    check(&synthesis, "2001:db8:64::127.0.0.1", loopback);
    let private = "10.0.0.1 in 64:ff9b::/96: 64:ff9b::/96 must not carry private addresses";
    check(&synthesis, "64:ff9b::10.0.0.1", private);
    for fine in ["2001:db8:64::192.168.0.1", "2001:db8::1", "64:ff9b::9.9.9.9"] {
        check(&synthesis, fine, "");
    }
    synthesis.limits.rebind_protection = true;
    let rebinding = "192.168.0.1 in 2001:db8:64::/96: a public name leads to a private address";
    check(&synthesis, "2001:db8:64::192.168.0.1", rebinding);
}

#[test]
fn reverse_names_cover_every_prefix_in_use_longest_first() {
    let rules = vec![
        client(&["::/0"], Some(synthesis(&["2001:db8:a::/48", "2001:db8:64::/96"]))),
        client(&["0.0.0.0/0"], None),
    ];
    let policy = policy(rules, synthesis(&["2001:db8:64::/96"]));
    let prefixes: Vec<_> = policy.site().prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(prefixes, ["2001:db8:64::/96", "2001:db8:a::/48"]);
}
