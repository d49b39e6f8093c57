//! Certificates for tests, and a TLS client that trusts their issuer.

use crate::gateway::PATIENCE;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// An issuer, and a folder for what it issues.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    dir: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "issuer of the tests");
        let certificate = params.self_signed(&key).unwrap().pem();
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("ca.pem"), &certificate).unwrap();
        Self { issuer: Issuer::new(params, key), certificate, dir }
    }

    /// The file of its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A bundle for `names` as PEM, whose subject is called `common_name`.
    pub(crate) fn issue(&self, common_name: &str, names: &[&str]) -> String {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let mut pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        write!(pem, "{}", key.serialize_pem()).unwrap();
        pem
    }

    /// The same in the file `stem`.pem, written anew if it is there.
    pub(crate) fn bundle(&self, stem: &str, names: &[&str]) -> PathBuf {
        let file = self.dir.path().join(format!("{stem}.pem"));
        std::fs::write(&file, self.issue(stem, names)).unwrap();
        file
    }

    /// How a client speaks that trusts this issuer, and shows a bundle if it has one.
    pub(crate) fn client(&self, shown: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(service::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match shown {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

/// A connection over TLS; the handshake comes with the first byte.
pub(crate) type Secured = StreamOwned<ClientConnection, TcpStream>;

/// Connects and asks for `name`.
pub(crate) fn connect(config: &Arc<ClientConfig>, address: SocketAddr, name: &str) -> Secured {
    let name = ServerName::try_from(name.to_owned()).expect("a name or an address");
    let socket = TcpStream::connect(address).expect("the listener accepts");
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket)
}

/// The subject of the certificate that the server has shown.
pub(crate) fn shown(stream: &Secured) -> Vec<u8> {
    stream.conn.peer_certificates().expect("the handshake is done")[0].to_vec()
}
