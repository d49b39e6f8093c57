//! A web server that tells who it is and what it was told about the client.

use super::TcpServer;
use crate::http::{Reader, Request};
use crate::namespace::Namespace;
use crate::payload;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// What the server answers to any path but the body's, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The server's name.
    pub server: String,
    /// Who connected.
    pub peer: String,
    /// The values of X-Forwarded-For, in order.
    pub forwarded_for: Vec<String>,
    /// The request's target.
    pub target: String,
}

/// Serves at `address` inside `namespace`.
pub fn start(namespace: &Namespace, address: SocketAddr, name: &str) -> Result<TcpServer> {
    let listener = namespace
        .run(|| TcpListener::bind(address))
        .with_context(|| format!("cannot listen on {address} in {}", namespace.name()))?;
    let server = name.to_owned();
    Ok(TcpServer::start(listener, &format!("web-{name}"), move |stream| serve(stream, &server))?)
}

fn serve(stream: TcpStream, server: &str) -> Result<()> {
    stream.set_nodelay(true)?;
    let peer = stream.peer_addr()?.to_string();
    let mut connection = Reader::new(stream);
    while let Some(request) = connection.request()? {
        let last = request.field("connection").any(|value| value.eq_ignore_ascii_case("close"));
        let greeting;
        let (kind, body) = if request.target == payload::BODY_PATH {
            ("application/octet-stream", payload::body())
        } else {
            greeting = greet(server, &peer, &request)?;
            ("application/json", greeting.as_bytes())
        };
        let closing = if last { "Connection: close\r\n" } else { "" };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: {server}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{closing}\r\n"
        );
        // One write for a small answer, so that it is one segment.
        if length < 4096 {
            connection.stream().write_all(&[head.as_bytes(), body].concat())?;
        } else {
            connection.stream().write_all(head.as_bytes())?;
            connection.stream().write_all(body)?;
        }
        if last {
            break;
        }
    }
    Ok(())
}

fn greet(server: &str, peer: &str, request: &Request) -> Result<String> {
    let greeting = Greeting {
        server: server.to_owned(),
        peer: peer.to_owned(),
        forwarded_for: request.field("x-forwarded-for").map(str::to_owned).collect(),
        target: request.target.clone(),
    };
    Ok(serde_json::to_string(&greeting)? + "\n")
}
