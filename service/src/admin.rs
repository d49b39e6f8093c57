//! The admin interface: HTTP on a unix socket, and on the TCP addresses of `admin.listen` besides.
//!
//! | path | answer |
//! |---|---|
//! | `GET /live` | 200 while the process turns |
//! | `GET /ready` | 200, or 503 with the names of the parts that do not serve |
//! | `GET /status` | the same and more as one JSON object |
//! | `GET /metrics` | OpenMetrics text |
//! | `GET /config` | the configuration in effect, as TOML |
//! | `POST /reload` | reads the file again: 200, 409 or 422 with one JSON object |
//!
//! The daemon's own routes join these once it has started. On the unix socket the file's permissions decide who may
//! speak; on TCP it is [`access`].

mod access;
mod connections;
pub(crate) mod routes;
mod socket;

pub(crate) use access::TokenError;
pub(crate) use routes::Status;
pub(crate) use socket::path as socket_path;

use crate::instance::Instance;
use crate::reload::Reloads;
use crate::unix_socket::SocketFile;
use access::{Access, Token, Tokens};
use arc_swap::ArcSwap;
use axum::Router;
use socket::SocketError;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;

/// Why the admin interface cannot be opened.
#[derive(Debug, Error)]
pub(crate) enum AdminError {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("cannot listen on {address} (admin.listen)")]
    Listen { address: SocketAddr, source: io::Error },
}

/// The bound sockets, before they are served.
#[derive(Debug)]
pub(crate) struct Bound {
    unix: Option<(UnixListener, SocketFile)>,
    tcp: Vec<(SocketAddr, TcpListener)>,
    tokens: Tokens,
}

/// The served interface. Dropping it closes the sockets and removes the unix socket's file.
#[derive(Debug)]
pub(crate) struct Admin {
    routes: Arc<ArcSwap<Router>>,
    tokens: Tokens,
    _listeners: JoinSet<()>,
    _file: Option<SocketFile>,
}

/// A token that has been read and waits to be put in effect.
#[derive(Debug)]
pub(crate) struct NextToken(Option<Token>);

impl Bound {
    /// Binds everything that `[admin]` names. Runs in the event loop, while the process has one thread.
    pub(crate) async fn bind(admin: &config::model::Admin, program: &str) -> Result<Self, AdminError> {
        let tokens = Tokens::new(Token::of(admin)?);
        let unix = Some(socket::bind(&admin.socket, program).await?);
        let mut tcp = Vec::with_capacity(admin.listen.len());
        for &address in &admin.listen {
            let listener =
                TcpListener::bind(address).await.map_err(|source| AdminError::Listen { address, source })?;
            tcp.push((address, listener));
        }
        Ok(Self { unix, tcp, tokens })
    }

    /// No interface at all.
    pub(crate) fn none() -> Self {
        Self { unix: None, tcp: Vec::new(), tokens: Tokens::new(None) }
    }

    /// Serves the common routes.
    pub(crate) fn serve(self, instance: Arc<Instance>, reloads: Reloads) -> Admin {
        let routes = Arc::new(ArcSwap::from_pointee(routes::common(instance, reloads)));
        let mut listeners = JoinSet::new();
        let file = self.unix.map(|(unix, file)| {
            listeners.spawn(connections::serve(unix, Access::Permissions, Arc::clone(&routes)));
            file
        });
        for (address, listener) in self.tcp {
            let bound = listener.local_addr().unwrap_or(address);
            tracing::info!(address = %bound, "admin interface");
            let access = Access::over_tcp(address, self.tokens.clone());
            listeners.spawn(connections::serve(listener, access, Arc::clone(&routes)));
        }
        Admin { routes, tokens: self.tokens, _listeners: listeners, _file: file }
    }
}

impl Admin {
    /// Adds the daemon's own routes. A path that the common routes have is a mistake in the daemon and panics.
    pub(crate) fn add(&self, own: Router) {
        let all = Router::clone(&self.routes.load()).merge(own);
        self.routes.store(Arc::new(all));
    }

    /// Reads the token file of a changed configuration, or an unchanged one whose token may have been replaced.
    pub(crate) fn read_token(admin: &config::model::Admin) -> Result<NextToken, TokenError> {
        Token::of(admin).map(NextToken)
    }

    /// Puts a token in effect for every request from here on.
    pub(crate) fn set_token(&self, token: NextToken) {
        self.tokens.set(token.0);
    }
}
