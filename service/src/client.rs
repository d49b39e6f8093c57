//! Asks a daemon of this machine over its admin socket: one GET, one answer.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
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
    #[error("the daemon gave no valid answer to GET {route}")]
    Http { route: String, source: hyper::Error },
    #[error("the daemon answered GET {route} with {status}: {text}")]
    Status { route: String, status: StatusCode, text: String },
    #[error("the daemon's answer to GET {route} broke off or is longer than {LONGEST} bytes")]
    Body { route: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the daemon did not answer GET {route} within {PATIENCE:?}")]
    Silent { route: String },
    #[error("the daemon's answer to GET {route} is not understood")]
    Malformed { route: String, source: serde_json::Error },
    #[error("cannot make an event loop")]
    Runtime(#[source] io::Error),
}

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer, in bytes: far above the metrics of thousands of members.
const LONGEST: usize = 64 << 20;

/// The text at a route, such as `/metrics`, of the daemon behind a socket.
pub(crate) async fn get(socket: &Path, route: &str) -> Result<String, ClientError> {
    tokio::time::timeout(PATIENCE, ask(socket, route))
        .await
        .unwrap_or_else(|_| Err(ClientError::Silent { route: route.to_owned() }))
}

async fn ask(socket: &Path, route: &str) -> Result<String, ClientError> {
    let http = |source| ClientError::Http { route: route.to_owned(), source };
    let stream = UnixStream::connect(socket).await.map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            ClientError::NotRunning { path: socket.to_owned() }
        }
        _ => ClientError::Connect { path: socket.to_owned(), source },
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    // The connection's own errors reach the request too.
    let connection = tokio::spawn(connection);
    let request = Request::get(route)
        .header(HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .expect("routes are constants of this crate and valid paths");
    let response = sender.send_request(request).await.map_err(http)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST)
        .collect()
        .await
        .map_err(|source| ClientError::Body { route: route.to_owned(), source })?;
    connection.abort();
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if status.is_success() {
        Ok(text)
    } else {
        Err(ClientError::Status { route: route.to_owned(), status, text: text.trim_end().to_owned() })
    }
}
