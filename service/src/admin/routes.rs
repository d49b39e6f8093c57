//! The routes that every daemon has.

use crate::cli::VERSION;
use crate::instance::{Instance, unix_time};
use crate::metrics::MEDIA_TYPE;
use crate::reload::{ReloadError, Reloads, Report};
use crate::status::table::Table;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// What `GET /status` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The program's name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Whether every part serves and the daemon is not draining.
    pub(crate) ready: bool,
    /// The parts that do not serve.
    pub(crate) waiting: Vec<String>,
    /// Whether it takes no new work.
    pub(crate) draining: bool,
    /// The number of the configuration in effect.
    pub(crate) generation: u64,
    /// Seconds since it started.
    pub(crate) uptime_seconds: u64,
    /// When that took effect, in seconds of Unix time.
    pub(crate) config_loaded_unix_seconds: u64,
    /// What came of the last reload, if there was one.
    pub(crate) last_reload: Option<ReloadStatus>,
    /// The daemon's own; none before it has started.
    pub(crate) tables: Vec<Table>,
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReloadStatus {
    /// Whether it was accepted.
    pub(crate) ok: bool,
    /// When it ended, in seconds of Unix time.
    pub(crate) unix_seconds: u64,
    /// Why it was refused.
    pub(crate) error: Option<String>,
}

#[derive(Debug)]
struct Shared {
    instance: Arc<Instance>,
    reloads: Reloads,
}

/// The common routes.
pub(super) fn common(instance: Arc<Instance>, reloads: Reloads) -> Router {
    Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .route("/config", get(config))
        .route("/reload", post(reload))
        .with_state(Arc::new(Shared { instance, reloads }))
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let readiness = &shared.instance.readiness;
    if readiness.is_ready() {
        return "ready\n".into_response();
    }
    let reason = if readiness.is_draining() {
        "draining\n".to_owned()
    } else {
        format!("waiting for {}\n", readiness.waiting().join(", "))
    };
    (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
}

async fn status(State(shared): State<Arc<Shared>>) -> Json<Status> {
    let instance = &shared.instance;
    let readiness = &instance.readiness;
    let generation = instance.generation();
    Json(Status {
        name: instance.name.to_owned(),
        version: VERSION.to_owned(),
        pid: std::process::id(),
        ready: readiness.is_ready(),
        waiting: readiness.waiting().into_iter().map(str::to_owned).collect(),
        draining: readiness.is_draining(),
        generation: generation.number,
        uptime_seconds: instance.started.elapsed().map_or(0, |uptime| uptime.as_secs()),
        config_loaded_unix_seconds: unix_time(generation.loaded).as_secs(),
        last_reload: instance.last_reload().map(|last| ReloadStatus {
            ok: last.error.is_none(),
            unix_seconds: unix_time(last.at).as_secs(),
            error: last.error.clone(),
        }),
        tables: instance.tables(),
    })
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let instance = &shared.instance;
    match instance.metrics.encode(instance.readiness.is_ready()) {
        Ok(text) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn config(State(shared): State<Arc<Shared>>) -> Response {
    let text = config::show(&shared.instance.generation().model);
    ([(CONTENT_TYPE, "application/toml")], text).into_response()
}

async fn reload(State(shared): State<Arc<Shared>>) -> Response {
    match shared.reloads.ask().await {
        Some(Ok(Report { generation, changes })) => {
            Json(json!({ "ok": true, "generation": generation, "changes": changes })).into_response()
        }
        Some(Err(error)) => refused(&error, shared.instance.generation().number),
        None => {
            let body = json!({ "ok": false, "error": "the daemon is stopping" });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

fn refused(error: &ReloadError, generation: u64) -> Response {
    let (status, restart) = match error {
        ReloadError::File(_) | ReloadError::Token(_) => (StatusCode::UNPROCESSABLE_ENTITY, &[][..]),
        ReloadError::Restart(changes) => (StatusCode::CONFLICT, changes.as_slice()),
        ReloadError::Prepare(_) | ReloadError::Panic => (StatusCode::INTERNAL_SERVER_ERROR, &[][..]),
    };
    let mut body = json!({ "ok": false, "generation": generation, "error": crate::error::chain(error), });
    if !restart.is_empty() {
        body["restart"] = json!(restart);
    }
    (status, Json(body)).into_response()
}
