//! The certificates that a daemon serves at this moment, and which of them a client gets.
//!
//! A client that names the server (SNI, RFC 6066 §3) gets the first certificate in the list that holds for that name,
//! then the first whose wildcard does (RFC 6125 §6.4.3: one whole label); if several do, the first whose key the client
//! can verify. All others get the first of the list.

use super::Bundle;
use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// The certificates in effect. Connections that stand keep the one they began with.
#[derive(Debug)]
pub struct Certificates {
    set: ArcSwap<Set>,
}

#[derive(Debug, Default)]
struct Set {
    bundles: Vec<Bundle>,
    /// The places in `bundles` that hold for a name, in order.
    by_name: HashMap<String, Vec<usize>>,
}

impl Certificates {
    /// Begins with `bundles`. Without any every handshake fails.
    pub fn new(bundles: Vec<Bundle>) -> Self {
        Self { set: ArcSwap::from_pointee(Set::new(bundles)) }
    }

    /// Serves `bundles` from here on.
    pub fn replace(&self, bundles: Vec<Bundle>) {
        self.set.store(Arc::new(Set::new(bundles)));
    }

    /// Whether `bundles` are what is served.
    pub fn are(&self, bundles: &[Bundle]) -> bool {
        let set = self.set.load();
        set.bundles.len() == bundles.len()
            && set.bundles.iter().zip(bundles).all(|(one, other)| one.is_same(other))
    }

    /// What is served.
    pub fn bundles(&self) -> Vec<Bundle> {
        self.set.load().bundles.clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.set.load().choose(hello.server_name(), hello.signature_schemes())
    }
}

impl Set {
    fn new(bundles: Vec<Bundle>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, bundle) in bundles.iter().enumerate() {
            for name in &bundle.names {
                by_name.entry(name.clone()).or_default().push(index);
            }
        }
        Self { bundles, by_name }
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let holding = name.map(str::to_ascii_lowercase).and_then(|name| self.holding(&name));
        let everything: Vec<usize>;
        let candidates = if let Some(holding) = holding {
            holding
        } else {
            everything = (0..self.bundles.len()).collect();
            &everything
        };
        let keys =
            || candidates.iter().filter_map(|index| self.bundles.get(*index)).map(|bundle| &bundle.key);
        keys().find(|key| key.key.choose_scheme(schemes).is_some()).or_else(|| keys().next()).cloned()
    }

    /// Where the certificates stand that hold for `name`.
    fn holding(&self, name: &str) -> Option<&Vec<usize>> {
        self.by_name.get(name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundle::tests::{bundle, rsa_schemes};
    use super::*;

    fn chosen(set: &Set, name: Option<&str>) -> Vec<String> {
        let key = set.choose(name, &[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
        set.bundles.iter().find(|bundle| Arc::ptr_eq(&bundle.key, &key)).unwrap().names.clone()
    }

    #[test]
    fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
        let set = Set::new(vec![
            bundle(&["dns.example"]),
            bundle(&["*.lab.example", "lab.example"]),
            bundle(&["a.lab.example"]),
        ]);
        let check = |name: Option<&str>, expect: &str| assert_eq!(chosen(&set, name)[0], expect, "{name:?}");
        check(None, "dns.example");
        check(Some("dns.example"), "dns.example");
        check(Some("LAB.example"), "*.lab.example");
        check(Some("a.lab.example"), "a.lab.example");
        check(Some("b.lab.example"), "*.lab.example");
        check(Some("x.b.lab.example"), "dns.example");
        check(Some("other.example"), "dns.example");
    }

    #[test]
    fn of_several_for_a_name_the_client_gets_one_that_it_can_verify() {
        let set = Set::new(vec![bundle(&["dns.example"]), bundle(&["dns.example", "second.example"])]);
        assert_eq!(chosen(&set, Some("dns.example")), ["dns.example"]);
        // None fits: the first is as good as any, and the handshake says why it fails.
        assert!(set.choose(Some("dns.example"), &rsa_schemes()).is_some());
        assert!(Set::default().choose(None, &[]).is_none(), "nothing to serve");
    }

    #[test]
    fn the_same_files_with_the_same_content_are_no_change() {
        let (one, other) = (bundle(&["dns.example"]), bundle(&["dns.example"]));
        let certificates = Certificates::new(vec![one.clone()]);
        let both = [one, other];
        assert!(certificates.are(&both[..1]));
        assert!(!certificates.are(&both[1..]) && !certificates.are(&both));
        certificates.replace(both.to_vec());
        assert!(certificates.are(&both));
    }
}
