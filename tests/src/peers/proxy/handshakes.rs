//! Full handshakes of TLS 1.3: each connection makes one, asks for a short answer and ends. No session is resumed, which
//! wrk would do.
//!
//! The client alone decides what is negotiated, so it is the same with every proxy. It verifies nothing: what it does
//! takes processors from the servers behind, and is not what is measured.

use super::certificate::NAME;
use super::nginx::SMALL;
use crate::peers::ends::STALLED;
use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, StreamOwned,
    version,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
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
pub(super) fn run(server: SocketAddr, processors: &CpuSet) -> Result<(f64, u64)> {
    let config = Arc::new(config()?);
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

fn config() -> Result<ClientConfig> {
    let provider = CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Believes whoever answers.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
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
