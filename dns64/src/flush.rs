//! `POST /cache/flush`: forgets what is remembered of a name, of a name and all below it, or of everything.

use crate::name::WireName;
use crate::resolver::Shared;
use crate::snapshot::wire_name;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use config::{Domain, DomainError};
use serde::Serialize;
use service::{Order, accepts_json};
use std::sync::Arc;
use thiserror::Error;

const ROUTE: &str = "/cache/flush";

/// The command.
pub(crate) const COMMAND: Order = Order {
    name: "flush",
    aliases: &[],
    subject: "NAME",
    about: "Make the running daemon forget what it remembers of a name",
    grammar: "Examples:\n  flush www.example.com\n  flush example.com --subtree\n  flush --all",
    flags: &[("subtree", "Forget all names below it as well"), ("all", "Forget everything; takes no name")],
    route: ROUTE,
};

/// What is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scope {
    name: WireName,
    subtree: bool,
}

/// Why a text says nothing that can be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum Unclear {
    #[error("what is to be forgotten? give a name such as example.com, or --all")]
    Nothing,
    #[error("expected one name, found {0:?} as well; give one name at a time")]
    Several(String),
    #[error("{name:?} is not a domain name: {why}; give one such as example.com")]
    Name { name: String, why: DomainError },
    #[error("{0:?} is not understood; give a name, a name and --subtree, or --all")]
    Flag(String),
    #[error("--all forgets everything; leave out the name, or --all")]
    Both,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Serialize)]
struct Flushed {
    entries: usize,
}

/// The route.
pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    Router::new().route(ROUTE, post(flush)).with_state(shared)
}

async fn flush(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let scope = match Scope::parse(&body) {
        Ok(scope) => scope,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let snapshot = shared.snapshot();
    let forget = move || snapshot.cache.flush(&scope.name, scope.subtree);
    // Every entry is looked at, which takes long where there are millions.
    let Ok(entries) = tokio::task::spawn_blocking(forget).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    tracing::info!(entries, subtree = scope.subtree, "cache flushed");
    if accepts_json(&headers) {
        Json(Flushed { entries }).into_response()
    } else {
        format!("{entries} {} forgotten\n", if entries == 1 { "entry" } else { "entries" }).into_response()
    }
}

impl Scope {
    fn parse(text: &str) -> Result<Self, Unclear> {
        let (flags, names): (Vec<_>, Vec<_>) =
            text.split_whitespace().partition(|word| word.starts_with('-'));
        let (mut subtree, mut all) = (false, false);
        for flag in flags {
            match flag {
                "--subtree" => subtree = true,
                "--all" => all = true,
                _ => return Err(Unclear::Flag(flag.to_owned())),
            }
        }
        match (&names[..], all) {
            ([], true) => Ok(Self { name: WireName::ROOT, subtree: true }),
            ([], false) => Err(Unclear::Nothing),
            ([_, ..], true) => Err(Unclear::Both),
            ([name], false) => {
                let domain: Domain =
                    name.parse().map_err(|why| Unclear::Name { name: (*name).to_owned(), why })?;
                Ok(Self { name: wire_name(&domain), subtree })
            }
            ([_, second, ..], false) => Err(Unclear::Several((*second).to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_a_subtree_or_everything_is_forgotten() {
        let check = |text: &str, expect: (&str, bool)| {
            let scope = Scope::parse(text).unwrap();
            assert_eq!((scope.name.to_string().as_str(), scope.subtree), expect, "{text}");
        };
        check("www.Example", ("www.example.", false));
        check(" example. --subtree\n", ("example.", true));
        check("--subtree example", ("example.", true));
        check("--all", (".", true));
        check(".", (".", false));
    }

    #[test]
    fn anything_else_is_refused_with_what_to_give() {
        let check = |text: &str, expect: &str| {
            assert!(Scope::parse(text).unwrap_err().to_string().contains(expect), "{text}");
        };
        check("", "or --all");
        check("--subtree", "or --all");
        check("a.example b.example", "\"b.example\"");
        check("a..example", "not a domain name");
        check("--recursive example", "\"--recursive\"");
        check("--all example", "leave out the name");
    }
}
