//! Asks a daemon of this machine over its admin socket: one request, one answer.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::net::UnixStream;

/// Why a daemon gave no answer.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    #[error("the daemon is not running: nobody listens on {path}", path = .path.display())]
    NotRunning { path: PathBuf },
    #[error("cannot open {path}", path = .path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("the daemon gave no valid answer to {call}")]
    Http { call: String, source: hyper::Error },
    #[error("the daemon answered {call} with {status}: {text}")]
    Status { call: String, status: StatusCode, text: String },
    #[error("the daemon's answer to {call} broke off or is longer than {LONGEST} bytes")]
    Body { call: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the daemon did not answer {call} within {PATIENCE:?}")]
    Silent { call: String },
    #[error("the daemon's answer to {call} is not understood")]
    Malformed { call: String, source: serde_json::Error },
    #[error("cannot make an event loop")]
    Runtime(#[source] io::Error),
}

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer, in bytes: far above the metrics of thousands of members.
const LONGEST: usize = 64 << 20;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    route: &'static str,
    accept: &'static str,
    body: String,
}

impl Call {
    /// Asks for what is at a route, such as `/metrics`.
    pub(crate) const fn get(route: &'static str) -> Self {
        Self { method: Method::GET, route, accept: "*/*", body: String::new() }
    }

    /// Gives a text to a route and wants the answer in the media type `accept`.
    pub(crate) const fn post(route: &'static str, accept: &'static str, body: String) -> Self {
        Self { method: Method::POST, route, accept, body }
    }

    /// The daemon's answer, from behind the socket.
    pub(crate) async fn send(self, socket: &Path) -> Result<String, ClientError> {
        let call = self.to_string();
        tokio::time::timeout(PATIENCE, self.ask(socket))
            .await
            .unwrap_or_else(|_| Err(ClientError::Silent { call }))
    }

    async fn ask(self, socket: &Path) -> Result<String, ClientError> {
        let call = self.to_string();
        let http = |source| ClientError::Http { call: call.clone(), source };
        let stream = UnixStream::connect(socket).await.map_err(|source| match source.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                ClientError::NotRunning { path: socket.to_owned() }
            }
            _ => ClientError::Connect { path: socket.to_owned(), source },
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
        // The connection's own errors reach the request too.
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(self.method)
            .uri(self.route)
            .header(HOST, "localhost")
            .header(ACCEPT, self.accept)
            .body(Full::new(Bytes::from(self.body)))
            .expect("routes are constants of this crate and valid paths");
        let response = sender.send_request(request).await.map_err(http)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST)
            .collect()
            .await
            .map_err(|source| ClientError::Body { call: call.clone(), source })?;
        connection.abort();
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status.is_success() {
            Ok(text)
        } else {
            Err(ClientError::Status { call, status, text: text.trim_end().to_owned() })
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.route)
    }
}

/// Runs what asks a daemon to its end.
pub(crate) fn block_on<T>(asking: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ClientError::Runtime)?;
    runtime.block_on(asking)
}
