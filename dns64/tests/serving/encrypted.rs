//! DNS over TLS, HTTPS and QUIC: what their tests have in common, and what holds of all three.

mod abuse;
mod designated;
mod https;
mod options;
mod quic;
mod renewal;
mod tls;

use crate::daemon::{Daemon, file, listener};
use crate::scripted::{Scripted, only_a};
use crate::world::{LONG, PREF64};
use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The name that every certificate of these tests is for, and its file.
const NAME: &str = "dns.example";
const FILE: &str = "dns.pem";

/// A self-signed certificate for `names`, with its key behind it.
fn pem(names: &[&str]) -> String {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A client that trusts `pem` alone and speaks `protocols`.
fn client_config(pem: &str, protocols: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(pem)).unwrap();
    let mut config = ClientConfig::builder_with_provider(service::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// A daemon with listeners of all kinds, and an upstream whose names have A records alone.
struct Site {
    daemon: Daemon,
    plain: SocketAddr,
    tls: SocketAddr,
    https: SocketAddr,
    quic: SocketAddr,
    /// The certificate with its key.
    pem: String,
    /// Further keys of `[dns64]`.
    more: &'static str,
    upstream: Scripted,
}

/// The keys of `[dns64]` for listeners of the three kinds.
fn keys([tls, https, quic]: [SocketAddr; 3]) -> String {
    format!(
        "listen_tls = [\"{tls}\"]\nlisten_https = [\"{https}\"]\nlisten_quic = [\"{quic}\"]\n\
         tls = {{ certificates = [\"FOLDER/{FILE}\"] }}\n"
    )
}

impl Site {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With `more` keys in `[dns64]`.
    async fn with(more: &'static str) -> Self {
        let upstream = Scripted::start(only_a).await;
        let [plain, tls, https, quic] = [(); 4].map(|()| listener());
        let pem = pem(&[NAME]);
        let text = file(PREF64, &[plain], &[upstream.address], &(keys([tls, https, quic]) + more));
        let daemon = Daemon::start_beside(&text, &[(FILE, &pem)]).await;
        Self { daemon, plain, tls, https, quic, pem, more, upstream }
    }

    /// The text of the file.
    fn text(&self, pref64: &str, listeners: [SocketAddr; 3]) -> String {
        file(pref64, &[self.plain], &[self.upstream.address], &(keys(listeners) + self.more))
    }

    /// Waits until nobody listens at a TCP address.
    async fn freed(&self, address: SocketAddr) {
        let freed = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, freed).await.expect("the address is let go");
    }

    /// What a program says to standard output; it must end well. `CA` in the arguments is a file that has the
    /// certificate.
    async fn run(&self, program: &str, arguments: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, self.pem.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap()).unwrap();
        let arguments = arguments.iter().map(|argument| argument.replace("CA", ca.to_str().unwrap()));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = timeout(LONG, output).await.expect("an end").unwrap();
        let output =
            output.unwrap_or_else(|error| panic!("{program} (see the packages in .ci/run): {error}"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

/// The arguments of kdig that ask `server` in one way for the AAAA records of a name.
fn kdig(server: SocketAddr, way: &str) -> Vec<String> {
    let (ip, port) = (server.ip(), server.port());
    [
        &format!("@{ip}"),
        "-p",
        &port.to_string(),
        way,
        "+tls-ca=CA",
        "+tls-hostname=dns.example",
        "+padding=128",
    ]
    .into_iter()
    .chain(["+retry=0", "+timeout=20", "v4.example.", "AAAA"])
    .map(str::to_owned)
    .collect()
}

#[tokio::test]
async fn kdig_gets_a_padded_answer_over_tls_and_https() {
    let site = Site::new().await;
    for (server, way) in [(site.tls, "+tls"), (site.https, "+https")] {
        let arguments = kdig(server, way);
        let said = site.run("kdig", &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert!(said.contains("2001:db8:64::c000:201"), "{way}: {said}");
        assert!(said.contains("status: NOERROR"), "{way}: {said}");
        assert!(said.contains("PADDING"), "{way}: {said}");
        assert!(said.contains("Received 468 B"), "{way}: {said}");
    }
    for transport in ["tls", "https"] {
        let line = format!(
            r#"causeway_dns64_queries_total{{transport="{transport}",type="AAAA",outcome="synthesized"}}"#
        );
        assert_eq!(site.daemon.metric(&line).await, "1", "{transport}");
    }
}

#[tokio::test]
async fn who_may_not_ask_is_turned_away_before_any_handshake() {
    for more in ["allow_from = [\"192.0.2.0/24\"]", "allow_from = [\"192.0.2.0/24\"]\ndenied = \"drop\""] {
        let site = Site::with(more).await;
        for server in [site.tls, site.https] {
            let mut stream = TcpStream::connect(server).await.unwrap();
            let read = timeout(LONG, stream.read(&mut [0])).await.expect("it is closed");
            assert_eq!(read.unwrap_or(0), 0);
        }
        let line = r#"causeway_dns64_dropped_total{reason="denied"}"#;
        assert_eq!(site.daemon.metric(line).await, "2");
        quic::is_turned_away(&site, line).await;
    }
}
