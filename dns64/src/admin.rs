//! The daemon's own admin routes: `GET /upstreams` tells how the upstream resolvers are, `GET /hosts` what is served
//! from hosts files and leases, `GET /cache` what the cache holds.

use crate::explain;
use crate::flush;
use crate::resolver::Shared;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;

/// The routes.
pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/upstreams", get(upstreams))
        .route("/hosts", get(hosts))
        .route("/cache", get(cache))
        .with_state(Arc::clone(&shared))
        .merge(explain::routes(Arc::clone(&shared)))
        .merge(flush::routes(shared))
}

async fn upstreams(State(shared): State<Arc<Shared>>) -> Json<Vec<crate::upstream::Report>> {
    let snapshot = shared.snapshot();
    Json(snapshot.upstreams.report())
}

async fn cache(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.metrics().cache.report(shared.snapshot().cache_size)).into_response()
}

async fn hosts(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.hosts().report()).into_response()
}
