//! Who may vouch for upstreams over TLS and HTTPS, and what is wrong where nobody does.
//!
//! Upstreams are verified against the name that the file gives, whatever their address; there is no way to go without
//! (RFC 8310 §5, the strict profile). One client configuration serves all upstreams and workers, so that a new
//! connection resumes the session of an older one.

use super::breakdown::Breakdown;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Sessions that are kept for resumption.
const SESSIONS: usize = 64;

/// The protocol of HTTP/2 in ALPN (RFC 9113 §3.1).
const H2: &[u8] = b"h2";

/// The certificates that may vouch for upstreams.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    plain: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
}

/// Why there are no certificates to trust.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of `upstream_ca`.
    #[error("cannot read certificates from {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The file of `upstream_ca` holds none.
    #[error(
        "{} holds no certificate; each begins with -----BEGIN CERTIFICATE-----", path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// One of the certificates in it.
    #[error("certificate {number} of {} cannot vouch for anyone", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// The system trusts nobody, and the file names nobody.
    #[error(
        "no certificate is trusted, so no upstream over TLS or HTTPS can be verified: install the package \
         ca-certificates or set dns64.upstream_ca"
    )]
    Nobody,
    /// The library has no cipher suites that go together.
    #[error("TLS cannot be set up")]
    Library(#[source] rustls::Error),
}

/// What a connection to one upstream needs.
#[derive(Clone, Debug)]
pub(super) struct Secured {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
    name: Arc<str>,
}

impl Trust {
    /// Whom the system trusts, and whom the file at `more` names beside.
    pub fn load(more: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in system.errors {
            tracing::warn!(%error, "some certificates that the system trusts cannot be read");
        }
        // The system's own store may hold certificates that no client takes; the others are as good as before.
        roots.add_parsable_certificates(system.certs);
        if let Some(path) = more {
            add(&mut roots, path)?;
        }
        if roots.is_empty() {
            return Err(TrustError::Nobody);
        }
        let roots = Arc::new(roots);
        Ok(Self { plain: config(&roots, &[])?, h2: config(&roots, &[H2])?, roots })
    }

    /// Whether both trust the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.roots.roots == other.roots.roots
    }

    /// DNS over TLS with the upstream called `name`.
    pub(super) fn tls(&self, name: &Arc<str>) -> Secured {
        Secured::new(&self.plain, name)
    }

    /// HTTP/2 with the upstream called `name`.
    pub(super) fn h2(&self, name: &Arc<str>) -> Secured {
        Secured::new(&self.h2, name)
    }
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), TrustError> {
    let file = |source| TrustError::File { path: path.to_owned(), source };
    let before = roots.len();
    for (index, certificate) in CertificateDer::pem_file_iter(path).map_err(file)?.enumerate() {
        roots.add(certificate.map_err(file)?).map_err(|source| TrustError::Certificate {
            path: path.to_owned(),
            number: index + 1,
            source,
        })?;
    }
    if roots.len() == before {
        return Err(TrustError::Empty { path: path.to_owned() });
    }
    Ok(())
}

fn config(roots: &Arc<RootCertStore>, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TrustError> {
    let builder = ClientConfig::builder_with_provider(service::tls::provider());
    let builder = builder.with_safe_default_protocol_versions().map_err(TrustError::Library)?;
    let mut config = builder.with_root_certificates(Arc::clone(roots)).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(Arc::new(config))
}

impl Secured {
    fn new(config: &Arc<ClientConfig>, name: &Arc<str>) -> Self {
        let server =
            ServerName::try_from(name.to_string()).expect("the reader of the file takes names of hosts only");
        Self { config: Arc::clone(config), server, name: Arc::clone(name) }
    }

    /// The handshake on a new connection.
    pub(super) async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Breakdown> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream =
            connector.connect(self.server.clone(), stream).await.map_err(|error| self.explain(error))?;
        let negotiated = stream.get_ref().1.alpn_protocol();
        if self.config.alpn_protocols.iter().any(|wanted| negotiated != Some(wanted)) {
            return Err(Breakdown::Protocol("the upstream does not speak HTTP/2".into()));
        }
        Ok(stream)
    }

    fn explain(&self, error: io::Error) -> Breakdown {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(why)) => {
                Breakdown::Certificate { name: Arc::clone(&self.name), why: reason(why).into() }
            }
            Some(other) => Breakdown::Protocol(format!("TLS with the upstream fails: {other}").into()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Breakdown::Protocol("the upstream ends the connection instead of a TLS handshake".into())
            }
            None => error.into(),
        }
    }
}

/// What is wrong with a certificate, and what can be done.
fn reason(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "nobody who is trusted issued it; dns64.upstream_ca adds an issuer".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it is made out to others ({error})")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("it has expired ({error})")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn load(content: &str) -> Result<Trust, TrustError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        fs::write(&path, content).unwrap();
        Trust::load(Some(&path))
    }

    fn authority() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem()
    }

    #[test]
    fn a_file_adds_to_the_system() {
        let (one, two) = (authority(), authority());
        let trust = load(&format!("{one}{two}")).unwrap();
        assert!(trust.is_same(&load(&format!("{one}{two}")).unwrap()));
        assert!(!trust.is_same(&load(&one).unwrap()), "the file changed");
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said() {
        let check = |result: Result<Trust, TrustError>, part: &str| {
            let error = result.unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        };
        check(load(""), "holds no certificate");
        check(load("no PEM at all"), "holds no certificate");
        check(
            load("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
            "cannot read certificates",
        );
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(load(&format!("{}{garbage}", authority())), "certificate 2 of");
        check(Trust::load(Some(Path::new("/nowhere/ca.pem"))), "/nowhere/ca.pem");
    }
}
