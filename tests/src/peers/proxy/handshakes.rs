//! Full handshakes of TLS 1.3: each connection makes one, asks for a short answer and ends. No session is resumed, which
//! wrk would do.
//!
//! The client alone decides what is negotiated, so it is the same with every proxy.

use super::certificate::NAME;
use super::nginx::SMALL;
use crate::peers::ends::STALLED;
use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, version};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Connections at one time.
const HANDS: usize = 16;

/// For how long.
const SPAN: Duration = Duration::from_secs(2);

/// Makes as many as come through in [`SPAN`], on these processors, and tells how many a second those were and how many in
/// all.
///
/// # Errors
/// One of them failed.
pub(super) fn run(server: SocketAddr, certificate: &Path, processors: &CpuSet) -> Result<(f64, u64)> {
    let config = Arc::new(config(certificate)?);
    let begin = Instant::now();
    let count = thread::scope(|scope| {
        let hand = || {
            sched_setaffinity(Pid::from_raw(0), processors)?;
            let mut count = 0_u64;
            while begin.elapsed() < SPAN {
                shake(&config, server).with_context(|| format!("handshake {count}"))?;
                count += 1;
            }
            anyhow::Ok(count)
        };
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(hand)).collect();
        hands.into_iter().map(|hand| hand.join().expect("a hand returns its faults")).sum::<Result<u64>>()
    })?;
    #[expect(clippy::cast_precision_loss, reason = "nobody shakes 2^53 hands")]
    let a_second = count as f64 / begin.elapsed().as_secs_f64();
    Ok((a_second, count))
}

fn config(certificate: &Path) -> Result<ClientConfig> {
    let provider = CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).context("the certificate")?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn shake(config: &Arc<ClientConfig>, server: SocketAddr) -> Result<()> {
    let socket = TcpStream::connect_timeout(&server, STALLED)?;
    socket.set_read_timeout(Some(STALLED))?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from(NAME).expect("a host name");
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, socket);
    write!(stream, "GET {SMALL} HTTP/1.1\r\nHost: behind\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "another answer: {}", String::from_utf8_lossy(&answer));
    ensure!(stream.conn.handshake_kind() == Some(HandshakeKind::Full), "the handshake was not a full one");
    Ok(())
}
