//! Cookie fields through the proxy: only its own cookie changes, and every other keeps its octets.

use config::model::{AppCookie, AppCookieMode, Cookie, CookieMode};
use proxy::cookies::crumbs::{Crumb, crumbs, without};
use proxy::cookies::reply::Reply;
use proxy::cookies::told::{Named, Told};
use proxy::cookies::{Change, dated, session};
use std::time::Duration;

const NAME: &str = "SRV";
const NOW: u64 = 1_800_000_000;

/// Judges a field of either direction; the first octet chooses what the file asks for.
///
/// # Panics
/// When an invariant is broken.
pub fn check(input: &[u8]) {
    let Some((choice, field)) = input.split_first() else { return };
    covered(field);
    let mode = [CookieMode::Insert, CookieMode::Rewrite, CookieMode::Prefix, CookieMode::Passive]
        [usize::from(choice % 4)];
    let limit =
        |bit: u8| (mode == CookieMode::Insert && choice & bit != 0).then_some(Duration::from_secs(3600));
    let cookie = Cookie {
        indirect: mode != CookieMode::Rewrite && choice & 8 != 0,
        max_idle: limit(16),
        max_life: limit(32),
        ..Cookie::new(NAME, mode)
    };
    let told = request(&cookie, field);
    reply(&cookie, &told, field);
    sessions(field, choice & 64 != 0);
}

/// Each octet belongs to one cookie.
fn covered(field: &[u8]) {
    let mut at = 0;
    for Crumb { whole, name, value } in crumbs(field) {
        assert_eq!(whole.start, at, "a gap");
        assert!(whole.start <= name.start && name.start <= name.end && name.end <= whole.end);
        if let Some(value) = value {
            assert!(name.end < value.start && value.start <= value.end && value.end <= whole.end);
        }
        at = whole.end;
    }
    assert_eq!(at, field.len());
    let Some(value) = field.get(..8).and_then(|octets| octets.try_into().ok()).map(u64::from_be_bytes) else {
        return;
    };
    // 30 bits of steps.
    let time = (value % (1 << 30)).max(1) << 2;
    let mut text = b"s1".to_vec();
    dated::write(&mut text, time);
    assert_eq!(dated::read(&text), dated::Dated { member: b"s1", last: Some(time), first: None });
}

fn request(cookie: &Cookie, field: &[u8]) -> Told {
    let mut told = Told::default();
    let named = |value: &[u8]| match value {
        b"s1" => Named::Member(0),
        b"s2" => Named::Down,
        _ => Named::Nobody,
    };
    let change = told.hear(cookie, field, NOW, named);
    match &change {
        Change::Keep => {}
        Change::Remove | Change::Replace(_) if cookie.mode == CookieMode::Passive => panic!("it is not ours"),
        Change::Remove => assert!(cookie.indirect && cookie.mode == CookieMode::Insert),
        Change::Replace(left) => {
            assert!(left.len() < field.len() && is_part(left, field), "{}", left.escape_ascii());
            // What quotes or attributes hold depends on what stands before them.
            if !field.iter().any(|octet| b"\"$".contains(octet)) {
                assert_eq!(others(left), others(field), "{}", left.escape_ascii());
            }
        }
    }
    let hides = cookie.indirect && cookie.mode == CookieMode::Insert;
    let has_it = crumbs(field).any(|crumb| crumb.value_of(field, NAME).is_some());
    assert!(!(hides && has_it && change == Change::Keep), "it is seen");
    assert_eq!(without(field, "="), Change::Keep, "no name has this");
    told
}

fn reply(cookie: &Cookie, told: &Told, field: &[u8]) {
    let mut reply = Reply::new(cookie, told, Some("s1"));
    if let Change::Replace(left) = reply.hear(field) {
        assert!(cookie.mode != CookieMode::Passive, "it is not ours");
        let value = crumbs(&left).next().and_then(|crumb| crumb.value_of(&left, NAME)).expect("it stays");
        assert!(left[value.clone()].starts_with(b"s1"), "{}", left.escape_ascii());
        if cookie.mode == CookieMode::Prefix {
            let back = [&left[..value.start], &left[value.start + 3..]].concat();
            assert_eq!(back, field, "only the member stands before it");
        }
    }
    for is_post in [false, true] {
        if let Some(own) = reply.clone().own(is_post, NOW) {
            assert!(own.iter().all(|octet| (b' '..0x7f).contains(octet)), "{}", own.escape_ascii());
            let mut again = Told::default();
            let kept = own.split(|octet| *octet == b';').next().unwrap_or_default();
            again.hear(
                cookie,
                kept,
                NOW,
                |value| {
                    if value == b"s1" { Named::Member(0) } else { Named::Nobody }
                },
            );
            assert_eq!(again.member, Some(0), "the client comes back");
        }
    }
}

fn sessions(field: &[u8], prefix: bool) {
    for mode in [AppCookieMode::PathParameters, AppCookieMode::QueryString] {
        let cookie = AppCookie {
            name: NAME.to_owned(),
            length: 7,
            expire: Duration::from_secs(1),
            size: 1,
            prefix,
            request_learn: false,
            mode: Some(mode),
        };
        let mut found: Vec<_> = session::of_request(&cookie, field).collect();
        found.extend(session::of_answer(&cookie, field));
        if let Ok(text) = str::from_utf8(field) {
            let (path, query) =
                text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
            found.extend(session::of_target(&cookie, path, query));
        }
        assert!(found.iter().all(|value| (1..=7).contains(&value.len())));
    }
}

/// All other cookies, each from its name to the end of its value.
fn others(field: &[u8]) -> Vec<&[u8]> {
    let other = |crumb: Crumb| {
        let is_other = crumb.value_of(field, NAME).is_none() && !crumb.name.is_empty();
        let end = crumb.value.map_or(crumb.name.end, |value| value.end);
        is_other.then(|| &field[crumb.name.start..end])
    };
    crumbs(field).filter_map(other).collect()
}

/// Whether `part` is `whole` without some of its octets.
fn is_part(part: &[u8], whole: &[u8]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|octet| rest.any(|other| other == octet))
}
