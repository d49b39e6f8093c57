//! What one configuration comes to while serving: the policy and the upstreams, swapped together as one pointer.
//!
//! The only place where the model of the file meets the types of the pure modules.

use crate::metrics::{Metrics, Transport};
use crate::policy::{ClientRule, Limits, MappedNet, Policy, PrefixRule, Synthesis};
use crate::upstream::{Place, Timing, Upstreams};
use config::model::{ClientPrefix, Dns64, DnsClient, Prefix, Upstream, UpstreamTransport};
use std::sync::Arc;

/// The addresses that belong to a prefix where the file says nothing: all.
const ALL_IPV4: ipnet::Ipv4Net = ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0);

/// One configuration, ready to serve.
#[derive(Debug)]
pub struct Snapshot {
    /// Who is synthesized what.
    pub policy: Policy,
    /// Who is asked.
    pub upstreams: Upstreams,
}

impl Snapshot {
    /// The snapshot of a checked model; upstreams that `previous` has as well keep their health.
    pub fn new(prefix: &Prefix, dns64: &Dns64, metrics: Arc<Metrics>, previous: Option<&Self>) -> Self {
        Self::timed(prefix, dns64, Timing::default(), metrics, previous)
    }

    /// The same with time limits other than the default.
    pub fn timed(
        prefix: &Prefix,
        dns64: &Dns64,
        timing: Timing,
        metrics: Arc<Metrics>,
        previous: Option<&Self>,
    ) -> Self {
        let places: Vec<_> = dns64.upstream.iter().filter_map(place).collect();
        let previous = previous.map(|previous| &previous.upstreams);
        Self { policy: policy(prefix, dns64), upstreams: Upstreams::new(&places, timing, metrics, previous) }
    }
}

/// Where an upstream is; `None` for a transport that [`crate::App`]'s check refuses.
fn place(upstream: &Upstream) -> Option<Place> {
    let transport = match upstream.transport {
        UpstreamTransport::Plain => Transport::Udp,
        UpstreamTransport::Tcp => Transport::Tcp,
        UpstreamTransport::Tls { .. } | UpstreamTransport::Https { .. } => return None,
    };
    Some(Place { address: upstream.address, transport })
}

fn policy(prefix: &Prefix, dns64: &Dns64) -> Policy {
    let limits =
        Limits { allow_private_ipv4: prefix.allow_private_ipv4, rebind_protection: dns64.rebind_protection };
    let synthesis = |prefixes| Arc::new(Synthesis { prefixes, exclude: dns64.exclude_aaaa.clone(), limits });
    let default =
        PrefixRule { prefix: prefix.pref64, mapped: vec![MappedNet { net: ALL_IPV4, allow: true }] };
    let rule = |client: &DnsClient| ClientRule {
        from: client.from.clone(),
        synthesis: client.synthesize.then(|| synthesis(client.prefixes.iter().map(prefix_rule).collect())),
    };
    let rules = dns64.client.iter().map(rule).collect();
    Policy::new(rules, synthesis(vec![default]), prefix.pref64)
}

fn prefix_rule(prefix: &ClientPrefix) -> PrefixRule {
    let mapped = prefix.mapped.iter().map(|rule| MappedNet { net: rule.net, allow: rule.allow });
    PrefixRule { prefix: prefix.prefix, mapped: mapped.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    fn snapshot(dns64: &str) -> Snapshot {
        let text = format!(
            "[prefix]\npref64 = \"2001:db8:64::/96\"\n[dns64]\nlisten = [\"[::1]:53\"]\n\
             upstream = [\"192.0.2.53\", \"tcp://[2001:db8::53]:5353\"]\n{dns64}"
        );
        let model = config::parse(&text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model;
        let metrics = Arc::new(Metrics::new(&mut Registry::default()));
        Snapshot::new(&model.prefix.unwrap(), &model.dns64.unwrap(), metrics, None)
    }

    #[test]
    fn without_clients_everyone_gets_the_prefix_and_all_of_ipv4() {
        let snapshot = snapshot("");
        let synthesis = snapshot.policy.view("192.0.2.9".parse().unwrap()).synthesis().unwrap();
        let embedded: Vec<_> = synthesis.embed("198.51.100.1".parse().unwrap()).collect();
        assert_eq!(embedded, ["2001:db8:64::c633:6401".parse::<std::net::Ipv6Addr>().unwrap()]);
        assert!(synthesis.excludes("::ffff:192.0.2.1".parse().unwrap()), "the default exclusion");
    }

    #[test]
    fn clients_keep_their_order_prefixes_and_mapped_lists() {
        let snapshot = snapshot(
            "rebind_protection = true\nexclude_aaaa = [\"2001:db8:bad::/48\"]\n\
             [[dns64.client]]\nfrom = [\"2001:db8:6::/64\"]\nsynthesize = false\n\
             [[dns64.client]]\nfrom = [\"2001:db8::/32\"]\nprefixes = [\"2001:db8:a::/96\"]\n\
             mapped = [\"!9.0.0.0/8\", \"0.0.0.0/0\"]\n",
        );
        let get = |address: &str| snapshot.policy.view(address.parse().unwrap()).synthesis();
        assert_eq!(get("2001:db8:6::1"), None);
        let synthesis = get("2001:db8:7::1").unwrap();
        let embedded = |v4: &str| synthesis.embed(v4.parse().unwrap()).count();
        assert_eq!((embedded("8.8.8.8"), embedded("9.9.9.9"), embedded("192.168.0.1")), (1, 0, 0));
        assert!(synthesis.excludes("2001:db8:bad::1".parse().unwrap()));
        assert_eq!(get("192.0.2.1"), None, "no entry holds it");
    }
}
