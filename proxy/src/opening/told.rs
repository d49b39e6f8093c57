//! What is known of a client's TLS, as members are told it in PROXY headers (`proxy-protocol.txt` §2.2). Pure.
//!
//! Ciphers have the names of OpenSSL, which other senders of such headers use. The name of a client stands in the
//! common name of its certificate.

use crate::proxy_protocol::{Facts, Ssl};
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion, ServerConnection};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Octets of a common name that are passed on (RFC 5280 appendix A.1 allows 64 characters); none of a longer one.
const LONGEST_NAME: usize = 256;
/// `verify` of a client that has shown no right certificate.
const UNVERIFIED: u32 = 1;

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The name that the client asked for.
    server_name: Option<String>,
    /// The protocol that was agreed on.
    alpn: Option<Vec<u8>>,
    /// Of TLS that ends here.
    session: Option<Session>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    version: Option<&'static str>,
    cipher: Option<&'static str>,
    certificate: Certificate,
    common_name: Option<String>,
    /// The client's certificate in DER.
    shown: Option<Arc<[u8]>>,
}

/// Whether a client has shown a certificate; it was valid, or there would be no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certificate {
    None,
    /// On this very connection.
    Connection,
    /// When the session began that this connection resumes.
    Session,
}

impl Told {
    /// What a finished handshake tells.
    pub(super) fn by_session(session: &ServerConnection) -> Self {
        let leaf = session.peer_certificates().and_then(<[_]>::first);
        let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        let of_session = Session {
            version: session.protocol_version().and_then(version),
            cipher: session.negotiated_cipher_suite().and_then(|suite| cipher(suite.suite())),
            certificate: match (leaf, resumed) {
                (None, _) => Certificate::None,
                (Some(_), false) => Certificate::Connection,
                (Some(_), true) => Certificate::Session,
            },
            common_name: leaf.and_then(|leaf| common_name(leaf)),
            shown: leaf.map(|leaf| Arc::from(leaf.as_ref())),
        };
        Self {
            server_name: session.server_name().map(str::to_owned),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            session: Some(of_session),
        }
    }

    /// What a `ClientHello` tells that is only read.
    pub(super) fn by_name(server_name: Option<String>) -> Self {
        Self { server_name, ..Self::default() }
    }

    /// The name that the client asked for, in lower case.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The protocol that was agreed on.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// Whether TLS ends here.
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.session.is_some()
    }

    /// Version and cipher of the TLS that ends here.
    pub(crate) fn protection(&self) -> Option<(&'static str, &'static str)> {
        let session = self.session.as_ref()?;
        session.version.zip(session.cipher)
    }

    /// The certificate that the client has shown, in DER.
    pub(crate) fn shown(&self) -> Option<&[u8]> {
        self.session.as_ref()?.shown.as_deref()
    }

    /// The same for a header.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            alpn: self.alpn(),
            authority: self.server_name(),
            ssl: self.session.as_ref().map(Session::ssl),
            ..Facts::default()
        }
    }
}

impl Session {
    fn ssl(&self) -> Ssl<'_> {
        Ssl {
            encrypted: true,
            cert_on_connection: self.certificate == Certificate::Connection,
            cert_on_session: self.certificate != Certificate::None,
            verify: if self.certificate == Certificate::None { UNVERIFIED } else { 0 },
            version: self.version,
            common_name: self.common_name.as_deref(),
            cipher: self.cipher,
            ..Ssl::default()
        }
    }
}

const fn version(version: ProtocolVersion) -> Option<&'static str> {
    match version {
        ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
        ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
        _ => None,
    }
}

/// The suites that are spoken, by the names of OpenSSL.
const CIPHERS: [(CipherSuite, &str); 9] = [
    (CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
    (CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
    (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305"),
];

fn cipher(suite: CipherSuite) -> Option<&'static str> {
    CIPHERS.iter().find(|(known, _)| *known == suite).map(|(_, name)| *name)
}

fn common_name(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    (name.len() <= LONGEST_NAME).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy_protocol::{Ends, Header};
    use rcgen::{CertificateParams, DnType, KeyPair};

    #[test]
    fn every_suite_that_is_spoken_has_its_name() {
        let suites = &service::tls::provider().cipher_suites;
        for suite in suites {
            assert!(cipher(suite.suite()).is_some(), "{:?}", suite.suite());
        }
        assert_eq!(suites.len(), CIPHERS.len());
    }

    #[test]
    fn the_common_name_is_read_unless_it_is_too_long() {
        let check = |name: &str, expect: Option<&str>| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(common_name(certificate.der()).as_deref(), expect);
        };
        check("client a", Some("client a"));
        check(&"x".repeat(LONGEST_NAME + 1), None);
        assert_eq!(common_name(b"no certificate"), None);
    }

    #[test]
    fn the_longest_facts_fit_into_a_header() {
        let session = Session {
            version: Some("TLSv1.3"),
            cipher: CIPHERS.iter().map(|(_, name)| *name).max_by_key(|name| name.len()),
            certificate: Certificate::Session,
            common_name: Some("x".repeat(LONGEST_NAME)),
            shown: None,
        };
        let told = Told {
            // RFC 7301 §3.1 and the limits of a host name.
            alpn: Some(vec![b'x'; 255]),
            server_name: Some("x".repeat(255)),
            session: Some(session),
        };
        let ends = Ends::new("[2001:db8::1]:1".parse().unwrap(), "[2001:db8::2]:443".parse().unwrap());
        let header = Header { origin: ends.over_tcp(), facts: told.facts() };
        assert!(header.to_v2().is_ok());
    }
}
