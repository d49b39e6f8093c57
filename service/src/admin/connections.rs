//! Accepts admin connections and passes their requests to the routes in effect.

use super::access::Access;
use arc_swap::ArcSwap;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Connections of one listener at a time. More wait in the kernel's queue; admins are few, and files are for data.
const CONNECTIONS: usize = 64;

/// How long a connection may take for a request's head, or stay silent between requests.
const HEAD_LIMIT: Duration = Duration::from_secs(30);

/// Serves a listener until the task is ended.
pub(super) async fn serve(mut listener: impl Listener, access: Access, routes: Arc<ArcSwap<Router>>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let (stream, _) = listener.accept().await;
        let (access, routes) = (access.clone(), Arc::clone(&routes));
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let (access, routes) = (access.clone(), Arc::clone(&routes));
                async move { answer(request, &access, &routes).await }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_LIMIT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection");
            }
            drop(slot);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    access: &Access,
    routes: &ArcSwap<Router>,
) -> Result<Response, Infallible> {
    match access.admit(request.headers()) {
        Ok(()) => TowerToHyperService::new(Router::clone(&routes.load())).call(request).await,
        Err(refused) => Ok(refused.into_response()),
    }
}
