//! What one configuration comes to while serving: the policy and the upstreams, swapped together as one pointer.
//!
//! The only place where the model of the file meets the types of the pure modules.

mod assignment;
mod rules;

pub(crate) use assignment::untrusted;
pub(crate) use rules::wire_name;

use crate::cache::Cache;
use crate::gate::Terms;
use crate::lifetime::Bounds;
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::rebind::Guard;
use crate::special;
use crate::upstream::{Timing, TrustError, Upstreams};
use config::model::{Denied, Dns64, Prefix};
use service::tls::Bundle;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// One configuration, ready to serve.
#[derive(Debug)]
pub struct Snapshot {
    /// Who is synthesized what.
    pub policy: Policy,
    /// What is taken out of upstreams' answers.
    pub guard: Guard,
    /// Names that are not looked up.
    pub special: special::Rules,
    /// Who is answered.
    pub terms: Terms,
    /// Who is asked.
    pub upstreams: Upstreams,
    /// What was learnt. The same in every snapshot, as long as its size can follow the file.
    pub cache: Arc<Cache>,
    /// The octets that it may take.
    pub cache_size: u64,
    /// The longest that answers are kept.
    pub bounds: Bounds,
    /// For how many seconds an answer may be served after its time; 0 for not at all.
    pub serve_stale: u32,
    /// Whether what is in use is renewed before its time.
    pub prefetch: bool,
    /// The path of DNS over HTTPS.
    pub https_path: String,
    /// One query in so many is logged; 0 is none.
    pub query_log: u32,
}

impl Snapshot {
    /// The snapshot of a checked model; upstreams that `previous` has as well keep their health.
    ///
    /// # Errors
    /// The certificates that upstreams are verified with cannot be had.
    pub fn new(
        prefix: &Prefix,
        dns64: &Dns64,
        metrics: Arc<Metrics>,
        previous: Option<&Self>,
    ) -> Result<Self, TrustError> {
        Self::timed(prefix, dns64, Timing::default(), metrics, previous)
    }

    /// The same with time limits other than the default.
    ///
    /// # Errors
    /// As [`Snapshot::new`].
    pub fn timed(
        prefix: &Prefix,
        dns64: &Dns64,
        timing: Timing,
        metrics: Arc<Metrics>,
        previous: Option<&Self>,
    ) -> Result<Self, TrustError> {
        let cache = previous.map(|previous| &previous.cache);
        let cache = cache.filter(|cache| cache.takes_size(dns64.cache.size));
        let cache = cache.map_or_else(|| Arc::new(Cache::new(dns64.cache.size, seed())), Arc::clone);
        let previous = previous.map(|previous| &previous.upstreams);
        Ok(Self {
            policy: rules::policy(prefix, dns64),
            guard: rules::guard(prefix, dns64),
            special: rules::special(dns64),
            terms: terms(dns64),
            upstreams: Upstreams::new(assignment::read(dns64)?, timing, metrics, previous),
            cache,
            cache_size: dns64.cache.size,
            bounds: Bounds {
                max_ttl: seconds(dns64.cache.max_ttl),
                max_negative_ttl: seconds(dns64.cache.max_negative_ttl),
            },
            serve_stale: seconds(dns64.cache.serve_stale),
            prefetch: dns64.cache.prefetch,
            https_path: dns64.https_path.clone(),
            query_log: dns64.query_log,
        })
    }
}

impl Snapshot {
    /// The same, which tells clients of the encrypted listeners of `dns64` by the first name in `certificates`; of
    /// none where there is no name.
    #[must_use]
    pub fn designating(mut self, dns64: &Dns64, certificates: &[Bundle]) -> Self {
        self.special.designated = rules::designated(dns64, certificates);
        self
    }
}

/// Whole seconds; the model holds no more than a week.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn terms(dns64: &Dns64) -> Terms {
    let admission = &dns64.admission;
    Terms {
        allow_from: admission.allow_from.clone(),
        refuse: admission.denied == Denied::Refuse,
        cookies: admission.cookies,
        response_rate: admission.response_rate.into(),
        nsid: admission.nsid.clone().map(String::into_bytes),
        listen: dns64.listen.clone(),
    }
}

/// What nobody can foretell, from the standard library's source of it, which cannot fail.
pub(crate) fn seed<const WORDS: usize>() -> [u64; WORDS] {
    std::array::from_fn(|part| RandomState::new().hash_one(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Cases, NameRule, Reverse, Source, Synthesis, Treatment};
    use prometheus_client::registry::Registry;

    fn snapshot(dns64: &str) -> Snapshot {
        let text = format!(
            "[prefix]\npref64 = \"2001:db8:64::/96\"\n[dns64]\nlisten = [\"[::1]:53\"]\n\
             upstream = [\"192.0.2.53\", \"tcp://[2001:db8::53]:5353\"]\n{dns64}"
        );
        let model = config::parse(&text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model;
        let metrics = Arc::new(Metrics::new(&mut Registry::default()));
        Snapshot::new(&model.prefix.unwrap(), &model.dns64.unwrap(), metrics, None).unwrap()
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

    #[test]
    fn the_keys_about_synthesis_reach_the_policy() {
        let snapshot = snapshot(
            "force = [\"v4.example\"]\nforbid = [\"example\"]\non_aaaa_error = \"pass\"\n\
             on_nxdomain = \"synthesize\"\nsigned = \"pass\"\ntrust_ad = true\nreverse = \"direct\"\n\
             reverse_prefixes = [\"2001:db8:66::/96\"]\nstrip_ipv4hint = true\nprivate_domains = [\"lan\"]\n\
             exclude_aaaa = [\"!::ffff:0:0/96\"]\n\
             [[dns64.client]]\nfrom = [\"2001:db8:6::/64\"]\n\
             [[dns64.client]]\nfrom = [\"2001:db8:7::/64\"]\nforce = [\".\"]\nforbid = []\n\
             exclude_aaaa = [\"::/0\"]\nprefixes = [{ prefix = \"2001:db8:67::/64\", suffix = \"::1\" }]",
        );
        let get = |address: &str| snapshot.policy.view(address.parse().unwrap()).synthesis().unwrap();
        let rule = |synthesis: &Synthesis, name: &str| {
            let labels = name.split('.').map(str::as_bytes);
            synthesis.names.get(&crate::name::WireName::from_labels(labels).unwrap()).copied()
        };
        let usual = get("2001:db8:6::1");
        assert_eq!(rule(usual, "www.v4.example"), Some(NameRule::Force));
        assert_eq!(rule(usual, "www.example"), Some(NameRule::Forbid));
        let cases =
            Cases { error: Treatment::Pass, name_error: Treatment::Synthesize, signed: Treatment::Pass };
        assert_eq!((usual.cases, usual.trust_ad, usual.private_domains.is_empty()), (cases, true, false));
        assert!(usual.exclude.is_empty());
        let own = get("2001:db8:7::1");
        assert_eq!(rule(own, "www.example"), Some(NameRule::Force), "the root holds every name");
        assert_eq!((own.cases, own.exclude.len(), own.exclude[0].prefix_len()), (cases, 1, 0));
        let made: Vec<_> = own.embed("192.0.2.33".parse().unwrap(), Source::Public).collect();
        assert_eq!(made, ["2001:db8:67:0:c0:2:2100:1".parse::<std::net::Ipv6Addr>().unwrap()]);
        let site = snapshot.policy.site();
        assert_eq!((site.reverse, site.strip_ipv4hint, site.trust_ad), (Reverse::Direct, true, true));
        let prefixes = ["2001:db8:64::/96", "2001:db8:66::/96", "2001:db8:67::/64"];
        assert_eq!(site.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>(), prefixes);
    }

    #[test]
    fn private_zones_go_upstream_if_every_upstream_is_private_unless_the_file_says() {
        let forwards = |upstream: &str, more: &str| {
            let text =
                format!("[prefix]\npref64 = \"64:ff9b::/96\"\n[dns64]\nupstream = [{upstream}]\n{more}");
            let model = config::parse(&text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model;
            rules::special(&model.dns64.unwrap()).forward_private
        };
        assert!(forwards("\"10.0.0.53\", \"[fd00::53]:53\", \"127.0.0.2\"", ""));
        assert!(!forwards("\"10.0.0.53\", \"9.9.9.9\"", "") && !forwards("\"2620:fe::fe\"", ""));
        assert!(!forwards("\"10.0.0.53\"", "private_zones = \"local\"\n"));
        assert!(forwards("\"9.9.9.9\"", "private_zones = \"forward\"\n"));
    }
}
