//! What one configuration comes to while serving: the policy and the upstreams, swapped together as one pointer.
//!
//! The only place where the model of the file meets the types of the pure modules.

mod rules;

pub(crate) use rules::wire_name;

use crate::metrics::{Metrics, Transport};
use crate::policy::Policy;
use crate::upstream::{Place, Timing, Upstreams};
use config::model::{Dns64, Prefix, Upstream, UpstreamTransport};
use std::sync::Arc;

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
        Self {
            policy: rules::policy(prefix, dns64),
            upstreams: Upstreams::new(&places, timing, metrics, previous),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Source;
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
        let embedded: Vec<_> = synthesis.embed("198.51.100.1".parse().unwrap(), Source::Public).collect();
        assert_eq!(embedded, ["2001:db8:64::c633:6401".parse::<std::net::Ipv6Addr>().unwrap()]);
        assert!(
            synthesis.judge_v6("::ffff:192.0.2.1".parse().unwrap(), Source::Public).is_err(),
            "the default exclusion"
        );
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
        let embedded = |v4: &str| synthesis.embed(v4.parse().unwrap(), Source::Public).count();
        assert_eq!((embedded("8.8.8.8"), embedded("9.9.9.9"), embedded("192.168.0.1")), (1, 0, 0));
        assert!(synthesis.judge_v6("2001:db8:bad::1".parse().unwrap(), Source::Public).is_err());
        assert_eq!(get("192.0.2.1"), None, "no entry holds it");
    }
}
