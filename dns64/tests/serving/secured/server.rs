//! An upstream over TLS or HTTPS that follows a script, and the authority that vouches for it.

use crate::scripted::{Asked, Memory, Send, Sends, converse, own_address};
use bytes::Bytes;
use hickory_proto::op::Message;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{HandshakeKind, ServerConfig};
use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Below the ports that the kernel gives away.
const PORT: u16 = 5358;

/// Who vouches for upstreams.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: NamedTempFile,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: Arc<KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(params.self_signed(&key).unwrap().pem().as_bytes()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// The file that `upstream_ca` names.
    pub(crate) fn file(&self) -> &Path {
        self.file.path()
    }

    /// A certificate for `name`.
    pub(crate) fn issue(&self, name: &str) -> Identity {
        self.sign(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// One whose time is over.
    pub(crate) fn issue_expired(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = Arc::new(KeyPair::generate().unwrap());
        let certificate = params.signed_by(&*key, &self.issuer).unwrap().der().clone();
        Identity { certificate, key }
    }
}

/// What a server says over HTTPS.
#[derive(Clone, Debug, Default)]
pub(crate) enum Saying {
    /// What its script says.
    #[default]
    Script,
    Status(u16),
    /// What its script says, as another type.
    Media(&'static str),
    Body(Vec<u8>),
}

/// A running upstream. Dropping it closes its sockets.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    https: bool,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    memory: Memory,
    saying: Mutex<Saying>,
    handshakes: Mutex<Vec<HandshakeKind>>,
    lengths: Mutex<Vec<usize>>,
    requests: Mutex<Vec<String>>,
    /// Counts how often all connections were cut.
    cuts: watch::Sender<u32>,
}

impl Server {
    pub(crate) async fn tls(
        identity: Identity,
        script: impl Fn(&Message, &Asked) -> Sends + std::marker::Send + Sync + 'static,
    ) -> Self {
        Self::either(false, identity, script).await
    }

    pub(crate) async fn https(
        identity: Identity,
        script: impl Fn(&Message, &Asked) -> Sends + std::marker::Send + Sync + 'static,
    ) -> Self {
        Self::either(true, identity, script).await
    }

    pub(crate) async fn either(
        https: bool,
        identity: Identity,
        script: impl Fn(&Message, &Asked) -> Sends + std::marker::Send + Sync + 'static,
    ) -> Self {
        let address = SocketAddr::new(own_address(), PORT);
        let listener = TcpListener::bind(address).await.unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config =
            config.with_no_client_auth().with_single_cert(vec![identity.certificate], key).unwrap();
        config.alpn_protocols = if https { vec![b"h2".to_vec()] } else { Vec::new() };
        let shared = Arc::new(Shared {
            memory: Memory::new(script),
            saying: Mutex::default(),
            handshakes: Mutex::default(),
            lengths: Mutex::default(),
            requests: Mutex::default(),
            cuts: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), https, Arc::clone(&shared)));
        Self { address, https, shared, _tasks: tasks }
    }

    /// As the file names it, verified as `name`.
    pub(crate) fn named(&self, name: &str) -> String {
        if self.https { self.https_as(name) } else { self.tls_as(name) }
    }

    pub(crate) fn tls_as(&self, name: &str) -> String {
        format!("tls://{}#{name}", self.address)
    }

    pub(crate) fn https_as(&self, name: &str) -> String {
        format!("https://{}/dns-query#{name}", self.address)
    }

    /// What it says from now on.
    pub(crate) fn say(&self, saying: Saying) {
        *self.shared.saying.lock().unwrap() = saying;
    }

    /// Ends all its connections.
    pub(crate) fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.memory.asked()
    }

    pub(crate) fn handshakes(&self) -> usize {
        self.shared.handshakes.lock().unwrap().len()
    }

    pub(crate) fn resumptions(&self) -> usize {
        let handshakes = self.shared.handshakes.lock().unwrap();
        handshakes.iter().filter(|kind| **kind == HandshakeKind::Resumed).count()
    }

    /// The length of each query.
    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.shared.lengths.lock().unwrap().clone()
    }

    /// Method, path, type and number of each request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, https: bool, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut cuts = shared.cuts.subscribe();
        let conversation = carry(stream, acceptor.clone(), https, Arc::clone(&shared));
        connections.spawn(async move {
            tokio::select! {
                () = conversation => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

async fn carry(stream: TcpStream, acceptor: TlsAcceptor, https: bool, shared: Arc<Shared>) {
    // A client that does not believe the certificate ends the handshake.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let kind = stream.get_ref().1.handshake_kind().expect("the handshake is done");
    shared.handshakes.lock().unwrap().push(kind);
    if !https {
        let memory = shared.memory.clone();
        // The client may end it at any time.
        let _ = converse(Measured { stream, shared }, 0, memory).await;
        return;
    }
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let query = body.collect().await.unwrap().to_bytes();
    let media = head.headers.get("content-type").map(|media| media.to_str().unwrap()).unwrap_or_default();
    let id = u16::from_be_bytes([query[0], query[1]]);
    shared.requests.lock().unwrap().push(format!("{} {} {media} id {id}", head.method, head.uri.path()));
    shared.lengths.lock().unwrap().push(query.len());
    let scripted = shared.memory.take(&query, 0, true);
    let body = scripted.into_iter().find_map(|send| match send {
        Send::Back(reply) => Some(reply),
        _ => None,
    });
    let saying = shared.saying.lock().unwrap().clone();
    let (status, media, body) = match saying {
        Saying::Script => (200, "application/dns-message", body.unwrap_or_default()),
        Saying::Status(status) => (status, "application/dns-message", body.unwrap_or_default()),
        Saying::Media(media) => (200, media, body.unwrap_or_default()),
        Saying::Body(body) => (200, "application/dns-message", body),
    };
    let response = Response::builder().status(status).header("content-type", media);
    Ok(response.body(Full::new(body.into())).unwrap())
}

/// A stream whose framed queries are measured: the first two octets of each read, as one query comes at a time.
struct Measured<S> {
    stream: S,
    shared: Arc<Shared>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Measured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let wanted = buffer.remaining();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled()[before..].to_vec();
        // The length in front is read by itself.
        if wanted == 2
            && let [high, low] = read[..]
        {
            self.shared.lengths.lock().unwrap().push(usize::from(u16::from_be_bytes([high, low])));
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Measured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
