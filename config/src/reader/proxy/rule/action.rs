//! What becomes of the requests that a rule fits.

use super::super::super::{Read, Table, Value, listing};
use super::super::listener::existing_pool;
use super::text::{is_visible, template};
use super::{Around, edits, gates};
use crate::defaults;
use crate::model::{FixedAnswer, Part, Place, Redirect, RuleAction, Template};
use std::ops::RangeInclusive;

/// What a page in a file may have.
const LONGEST_BODY: usize = 64 << 10;
/// RFC 9110 §15.5 and §15.6.
const DENY_RANGE: RangeInclusive<u16> = 400..=599;
/// RFC 9110 §15.3 to §15.6.
const ANSWER_RANGE: RangeInclusive<u16> = 200..=599;
/// Those of RFC 9110 §15.4 that send a client elsewhere by `Location`.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
/// Statuses whose answers have no content (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
const WITHOUT_CONTENT: [u16; 3] = [204, 205, 304];
/// Keys of which one says what becomes of a request.
const ACTIONS: [&str; 4] = ["pool", "redirect", "deny", "answer"];

pub(super) fn read(table: &Table<'_>, around: Around<'_>) -> Read<Option<RuleAction>> {
    let pool = table.maybe("pool", |value| existing_pool(value, around.pools, around.mode));
    let redirect = table.section("redirect", redirect);
    let deny = table.maybe("deny", |value| value.integer(DENY_RANGE));
    let answer = table.section("answer", answer);
    // What a rule may do without an end of the search.
    let beside = || edits::KEYS.into_iter().chain(gates::KEYS);
    let mut given = ACTIONS.into_iter().filter(|key| table.value(key).is_some());
    match (given.next(), given.next()) {
        (Some(first), Some(second)) => {
            return Err(table.spot(second).refuse(
                format!("the rule has {first} already, and does one of them alone"),
                "make it two rules, or remove one of the keys",
            ));
        }
        (None, _) if beside().any(|key| table.value(key).is_some()) => return Ok(None),
        (None, _) => {
            let actions = listing(ACTIONS.into_iter().chain(beside()), "or");
            return Err(table.at.lacks("the rule does nothing", format!("add {actions}")));
        }
        (Some(_), None) => {}
    }
    let (pool, redirect) = (pool?.map(RuleAction::Pool), redirect?.map(RuleAction::Redirect));
    let (deny, answer) = (deny?.map(RuleAction::Deny), answer?.map(RuleAction::Answer));
    Ok(pool.or(redirect).or(deny).or(answer))
}

fn redirect(table: &Table<'_>) -> Read<Redirect> {
    let to = table.need("to", location);
    let status = table.or("status", defaults::REDIRECT_STATUS, |value| {
        let status = value.integer(300..=399)?;
        let expected = format!("one of {}", listing(REDIRECTS.map(|known| known.to_string()), "and"));
        if REDIRECTS.contains(&status) { Ok(status) } else { Err(value.mismatch(&expected)) }
    });
    Ok(Redirect { to: to?, status: status? })
}

fn location(value: &Value<'_>) -> Read<Template> {
    let expected = "an http address or a path such as \"https://{host}{uri}\"";
    let template = template(value, expected)?;
    let whole = match template.parts().first() {
        Some(Part::Text(text)) => {
            let scheme = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
            scheme || text.starts_with('/') && !text.starts_with("//")
        }
        Some(Part::Place(place)) => matches!(place, Place::Path | Place::Scheme | Place::Uri),
        None => false,
    };
    let legal = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b);
    let plain = template.parts().iter().all(|part| match part {
        Part::Text(text) => text.bytes().all(legal),
        Part::Place(_) => true,
    });
    if whole && plain {
        return Ok(template);
    }
    Err(value
        .mismatch_but(expected, "begin with http://, https:// or one slash; write other characters as %20"))
}

fn answer(table: &Table<'_>) -> Read<FixedAnswer> {
    let status = table.or("status", defaults::ANSWER_STATUS, |value| value.integer(ANSWER_RANGE));
    let content_type = table.or("content_type", defaults::ANSWER_CONTENT_TYPE.to_owned(), |value| {
        let expected = "a media type such as \"text/html; charset=utf-8\"";
        let text = value.text(expected)?;
        let fits = text.contains('/') && is_visible(text);
        if fits { Ok(text.to_owned()) } else { Err(value.mismatch(expected)) }
    });
    let body = table.or("body", String::new(), |value| {
        let expected = format!("a text of at most {LONGEST_BODY} bytes");
        let text = value.text(&expected)?;
        if text.len() <= LONGEST_BODY { Ok(text.to_owned()) } else { Err(value.mismatch(&expected)) }
    });
    let (status, body) = (status?, body?);
    if WITHOUT_CONTENT.contains(&status) && !body.is_empty() {
        return Err(table
            .spot("body")
            .refuse(format!("an answer of status {status} has no content"), "leave out body"));
    }
    Ok(FixedAnswer { status, content_type: content_type?, body })
}
