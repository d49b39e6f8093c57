//! The daemon's own admin routes: `GET /upstreams` tells how the upstream resolvers are, `GET /hosts` what is served
//! from hosts files and leases.

use crate::explain;
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
        .with_state(Arc::clone(&shared))
        .merge(explain::routes(shared))
}

async fn upstreams(State(shared): State<Arc<Shared>>) -> Json<Vec<crate::upstream::Report>> {
    let snapshot = shared.snapshot();
    Json(snapshot.upstreams.report())
}

async fn hosts(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.hosts().report()).into_response()
}
