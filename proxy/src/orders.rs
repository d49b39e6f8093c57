//! What an operator tells the running daemon of one member: `ready`, `drain`, `maintenance`, `weight`.
//!
//! Each is a command and a route. What is told holds through reloads until the file itself changes that key of the
//! member, see `pool::settings`; it does not outlive the process.

use crate::pool::check::Checker;
use crate::pool::{NOBODY_LEFT, Pool, Setting};
use crate::snapshot::{Shared, Snapshot};
use crate::words;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use config::model::AdminState;
use serde::Serialize;
use service::{Order, accepts_json};
use std::sync::Arc;
use thiserror::Error;

/// The commands.
pub(crate) const COMMANDS: [Order; 4] = [
    Order {
        name: "ready",
        aliases: &["enable"],
        subject: "POOL/MEMBER",
        about: "Let a member take connections again",
        grammar: "Example:\n  ready web/a\n\nIt holds until the file changes the member's state, or a restart.",
        flags: &[],
        route: "/members/ready",
    },
    Order {
        name: "drain",
        aliases: &[],
        subject: "POOL/MEMBER",
        about: "Give a member no new connections but of clients that belong to it",
        grammar: "Example:\n  drain web/a\n\nIt holds until the file changes the member's state, or a restart.",
        flags: &[],
        route: "/members/drain",
    },
    Order {
        name: "maintenance",
        aliases: &["disable"],
        subject: "POOL/MEMBER",
        about: "Give a member no new connections, and do not check it",
        grammar: "Example:\n  maintenance web/a\n\nIt holds until the file changes the member's state, or a restart.",
        flags: &[],
        route: "/members/maintenance",
    },
    Order {
        name: "weight",
        aliases: &[],
        subject: "POOL/MEMBER N",
        about: "Change the share that a member has of its pool, 0 to 256",
        grammar: "Example:\n  weight web/a 50\n\nIt holds until the file changes the member's weight, or a restart.",
        flags: &[],
        route: "/members/weight",
    },
];

/// The most that a member weighs.
const HEAVIEST: u16 = 256;

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
enum Unclear {
    #[error("which member? give its pool and its name, such as web/a; the pools are {pools}")]
    NoMember { pools: String },
    #[error("{text:?} names no member; give its pool and its name, such as web/a; the pools are {pools}")]
    NoSlash { text: String, pools: String },
    #[error("there is no pool {pool:?}; the pools are {pools}")]
    UnknownPool { pool: String, pools: String },
    #[error("pool {pool:?} has no member {member:?}; its members are {members}")]
    UnknownMember { pool: String, member: String, members: String },
    #[error("which weight? give a number from 0 to {HEAVIEST} behind the member")]
    NoWeight,
    #[error("{0:?} is no weight; give a number from 0 to {HEAVIEST}")]
    BadWeight(String),
    #[error("{0:?} is not understood; give one member at a time")]
    TooMuch(String),
}

/// A member as it stands after an order.
#[derive(Debug, Serialize)]
struct Done {
    pool: String,
    member: String,
    admin: &'static str,
    weight: u16,
    /// Connections (tcp) and requests (http) under way.
    connections: u64,
    /// What becomes of clients, where the pool has nobody left.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
}

struct Operator {
    shared: Arc<Shared>,
    checker: Checker,
}

/// The routes.
pub(crate) fn routes(shared: Arc<Shared>, checker: Checker) -> Router {
    let [ready, drain, maintenance, weight] = COMMANDS.map(|command| command.route);
    let to = |state| {
        post(async move |State(operator): State<Arc<Operator>>, headers: HeaderMap, body: String| {
            operator.answer(&headers, &body, move |_| Ok(Setting::State(state)))
        })
    };
    let weigh = async |State(operator): State<Arc<Operator>>, headers: HeaderMap, body: String| {
        operator.answer(&headers, &body, |words| words.next().ok_or(Unclear::NoWeight).and_then(weight_of))
    };
    Router::new()
        .route(ready, to(AdminState::Ready))
        .route(drain, to(AdminState::Drain))
        .route(maintenance, to(AdminState::Maintenance))
        .route(weight, post(weigh))
        .with_state(Arc::new(Operator { shared, checker }))
}

impl Operator {
    /// Reads an order, whose words behind the member are read by `setting`, and carries it out.
    fn answer(
        &self,
        headers: &HeaderMap,
        text: &str,
        setting: impl Fn(&mut dyn Iterator<Item = &str>) -> Result<Setting, Unclear>,
    ) -> Response {
        let snapshot = self.shared.snapshot.load();
        match read(&snapshot, text, setting) {
            Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
            Ok((pool, place, setting)) => {
                pool.set(place, setting);
                // Nobody waits for the first round.
                drop(self.checker.check(snapshot.pools.values()));
                let done = Done::new(pool, place);
                let Done { pool, member, admin, weight, .. } = &done;
                tracing::info!(pool, member, admin, weight, "member is set by an operator");
                if accepts_json(headers) { Json(done).into_response() } else { done.text().into_response() }
            }
        }
    }
}

/// The member that an order is about, and what is wanted of it.
fn read<'a>(
    snapshot: &'a Snapshot,
    text: &str,
    setting: impl Fn(&mut dyn Iterator<Item = &str>) -> Result<Setting, Unclear>,
) -> Result<(&'a Arc<Pool>, usize, Setting), Unclear> {
    let pools = || list(snapshot.pools.keys());
    let mut words = text.split_whitespace();
    let member = words.next().ok_or_else(|| Unclear::NoMember { pools: pools() })?;
    let (pool, member) =
        member.split_once('/').ok_or_else(|| Unclear::NoSlash { text: member.to_owned(), pools: pools() })?;
    let found = snapshot
        .pools
        .get(pool)
        .ok_or_else(|| Unclear::UnknownPool { pool: pool.to_owned(), pools: pools() })?;
    let place = found.members.iter().position(|known| known.name == member);
    let place = place.ok_or_else(|| Unclear::UnknownMember {
        pool: pool.to_owned(),
        member: member.to_owned(),
        members: list(found.members.iter().map(|known| &known.name)),
    })?;
    let setting = setting(&mut words)?;
    words.next().map_or(Ok((found, place, setting)), |word| Err(Unclear::TooMuch(word.to_owned())))
}

fn weight_of(word: &str) -> Result<Setting, Unclear> {
    let weight = word.parse().ok().filter(|weight| *weight <= HEAVIEST);
    weight.map(Setting::Weight).ok_or_else(|| Unclear::BadWeight(word.to_owned()))
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Done {
    fn new(pool: &Pool, place: usize) -> Self {
        let (member, terms) = (&pool.members[place], pool.terms()[place]);
        Self {
            pool: member.pool.clone(),
            member: member.name.clone(),
            admin: words::admin(terms.state),
            weight: terms.weight,
            connections: member.load(),
            warning: pool.warn_if_out().then_some(NOBODY_LEFT),
        }
    }

    fn text(&self) -> String {
        let Self { pool, member, admin, weight, connections, warning } = self;
        let warning = warning.map(|warning| format!("warning: {warning}\n")).unwrap_or_default();
        format!("{pool}/{member}: {admin}, weight {weight}, {connections} connections under way\n{warning}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::model;

    fn refused(text: &str, weighs: bool) -> String {
        let snapshot = Snapshot::new(&model(Vec::new(), &["web", "mail"]), None, 1);
        let setting = |words: &mut dyn Iterator<Item = &str>| {
            if weighs {
                words.next().ok_or(Unclear::NoWeight).and_then(weight_of)
            } else {
                Ok(Setting::State(AdminState::Drain))
            }
        };
        read(&snapshot, text, setting).expect_err("it is unclear").to_string()
    }

    #[test]
    fn an_order_is_refused_with_what_there_is() {
        let check = |text: &str, expect: &str| assert_eq!(refused(text, false), expect, "{text}");
        check("", "which member? give its pool and its name, such as web/a; the pools are mail, web");
        check(
            "web",
            "\"web\" names no member; give its pool and its name, such as web/a; the pools are mail, web",
        );
        check("wbe/a", "there is no pool \"wbe\"; the pools are mail, web");
        check("web/b", "pool \"web\" has no member \"b\"; its members are a");
        check("web/a mail/a", "\"mail/a\" is not understood; give one member at a time");
    }

    #[test]
    fn a_weight_is_a_number_of_the_range() {
        let check = |text: &str, expect: &str| assert_eq!(refused(text, true), expect, "{text}");
        check("web/a", "which weight? give a number from 0 to 256 behind the member");
        for word in ["257", "-1", "half", "50%"] {
            check(&format!("web/a {word}"), &format!("{word:?} is no weight; give a number from 0 to 256"));
        }
        check("web/a 1 2", "\"2\" is not understood; give one member at a time");
        assert_eq!((weight_of("0"), weight_of("256")), (Ok(Setting::Weight(0)), Ok(Setting::Weight(256))));
    }
}
