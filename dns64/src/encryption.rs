//! What the encrypted listeners of all workers share: the certificates, and how TLS is spoken for each protocol.
//!
//! Made once; a reload replaces the certificates inside. Sessions resume by tickets that the server can read alone, so
//! any worker resumes them; nothing is taken before the handshake is done (no 0-RTT, RFC 9250 §4.5 and RFC 8470).

use crate::error::Error;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use service::tls::{self, Bundle, Certificates};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// The protocol name of DNS over TLS (RFC 7858 §3.2).
const DOT: &[u8] = b"dot";

/// The protocol name of DNS over QUIC (RFC 9250 §4.1.1).
const DOQ: &[u8] = b"doq";

/// The protocol name of HTTP/2 (RFC 9113 §3.1).
pub(crate) const H2: &[u8] = b"h2";

/// The protocol name of HTTP/1.1 (RFC 7301 §6).
const HTTP_1_1: &[u8] = b"http/1.1";

/// The TLS version that QUIC is built on (RFC 9001 §4.2).
const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// QUIC connections that may wait for their handshakes, per worker and address.
const MAX_INCOMING: usize = 256;

/// Octets of one query stream, and of all streams of a connection, that a client may send ahead.
const STREAM_WINDOW: u32 = 1 << 13;
const CONNECTION_WINDOW: u32 = 1 << 17;

/// Octets of replies that wait for a client to take them.
const SEND_WINDOW: u64 = 1 << 18;

/// How the encrypted listeners speak.
pub struct Encryption {
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) tls: TlsAcceptor,
    pub(crate) https: TlsAcceptor,
    pub(crate) quic: quinn::ServerConfig,
    /// Shared, so that a client whose datagrams reach another worker hears that its connection is gone.
    pub(crate) endpoint: quinn::EndpointConfig,
}

impl Encryption {
    /// Speaks with the certificates of `bundles`; without any every handshake fails.
    ///
    /// # Errors
    /// The TLS library has no randomness.
    pub fn new(bundles: Vec<Bundle>) -> Result<Self, Error> {
        let certificates = Arc::new(Certificates::new(bundles));
        let config = |versions, protocols: &[&[u8]]| server_config(&certificates, versions, protocols);
        let quic = config(TLS13, &[DOQ])?;
        let quic = QuicServerConfig::try_from(quic).map_err(|error| Error::Tls(Box::new(error)))?;
        Ok(Self {
            tls: TlsAcceptor::from(Arc::new(config(rustls::ALL_VERSIONS, &[DOT])?)),
            https: TlsAcceptor::from(Arc::new(config(rustls::ALL_VERSIONS, &[H2, HTTP_1_1])?)),
            quic: quic_config(quic),
            endpoint: quinn::EndpointConfig::default(),
            certificates,
        })
    }
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryption").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

fn server_config(
    certificates: &Arc<Certificates>,
    versions: &[&'static rustls::SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> Result<ServerConfig, Error> {
    let failed = |error| Error::Tls(Box::new(error));
    let builder = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(versions)
        .map_err(failed)?;
    let mut config =
        builder.with_no_client_auth().with_cert_resolver(Arc::<Certificates>::clone(certificates) as Arc<_>);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.ticketer = Ticketer::new().map_err(failed)?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn quic_config(crypto: QuicServerConfig) -> quinn::ServerConfig {
    let idle = u32::try_from(crate::stream::IDLE.as_millis()).unwrap_or(u32::MAX);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(crate::stream::MAX_PIPELINED))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None);
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    config.max_incoming(MAX_INCOMING);
    config
}
