//! `proxy.pool.cookie`, `proxy.pool.app_cookie` and `proxy.pool.member.cookie` (RFC 6265 §4.1.1).

use super::super::address::is_host_name;
use super::super::{Placed, Read, Table, Value, unique, values};
use crate::defaults;
use crate::model::{AppCookie, Cookie, CookieMode, SameSite};
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::DeValue;

/// Longer than any in use.
const LONGEST: usize = 128;
/// A year: the dates in cookies reach far beyond.
const TIME_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(365 * 86_400);
const LENGTH_RANGE: RangeInclusive<u16> = 1..=1024;
/// Its memory is bounded by its size.
const SIZE_RANGE: RangeInclusive<u32> = 1..=10_000_000;
/// A month.
const EXPIRE_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
/// Keys about a cookie that the proxy sets itself.
const OF_INSERT: [&str; 8] =
    ["nocache", "postonly", "domain", "secure", "httponly", "same_site", "max_idle", "max_life"];
/// What separates the member's value from what the proxy adds to it.
const DELIMITERS: [u8; 2] = [b'|', b'~'];

pub(super) fn read(table: &Table<'_>) -> Read<Cookie> {
    let name = table.need("name", name);
    let mode = table.or("mode", defaults::COOKIE_MODE, Value::choice);
    let flag = |key: &str| table.or(key, false, Value::boolean);
    let (indirect, preserve) = (flag("indirect"), flag("preserve"));
    let (nocache, postonly) = (flag("nocache"), flag("postonly"));
    let domain = domains(table);
    let (secure, httponly) = (flag("secure"), flag("httponly"));
    let same_site = table.maybe("same_site", Value::choice);
    let time = |key: &str| table.maybe(key, |value| value.duration(TIME_RANGE));
    let (max_idle, max_life) = (time("max_idle"), time("max_life"));
    let fits = mode.and_then(|mode| fits(table, mode));
    let cookie = Cookie {
        name: name?,
        mode: mode?,
        indirect: indirect?,
        preserve: preserve?,
        nocache: nocache?,
        postonly: postonly?,
        domain: domain?,
        secure: secure?,
        httponly: httponly?,
        same_site: same_site?,
        max_idle: max_idle?,
        max_life: max_life?,
    };
    fits?;
    agrees(table, &cookie)?;
    Ok(cookie)
}

/// Refuses keys that mean nothing in this mode.
fn fits(table: &Table<'_>, mode: CookieMode) -> Read<()> {
    if mode == CookieMode::Insert {
        return Ok(());
    }
    let mut outcome = Ok(());
    for key in OF_INSERT {
        let Some(value) = table.value(key) else { continue };
        if !matches!(value.value, DeValue::Boolean(false)) {
            outcome = Err(value.at.refuse(
                "members set the cookie in this mode, and the proxy leaves its attributes to them",
                format!("set mode = \"insert\", or leave {key} out"),
            ));
        }
    }
    outcome
}

/// Refuses what cannot work together.
fn agrees(table: &Table<'_>, cookie: &Cookie) -> Read<()> {
    let refuse = |key: &str, message: &str, help: &str| Err(table.spot(key).refuse(message, help));
    if cookie.indirect && cookie.mode == CookieMode::Rewrite {
        return refuse(
            "indirect",
            "members must see the cookie that they set",
            "set mode = \"insert\", or leave indirect out",
        );
    }
    if cookie.preserve && cookie.mode != CookieMode::Insert && !cookie.indirect {
        return refuse(
            "preserve",
            "nothing would be left to name the member",
            "set mode = \"insert\" or indirect = true, or leave preserve out",
        );
    }
    if cookie.same_site == Some(SameSite::None) && !cookie.secure {
        return refuse(
            "same_site",
            "browsers take no such cookie without secure",
            "set secure = true, or leave same_site out",
        );
    }
    let (host, secure) = (cookie.name.starts_with("__Host-"), cookie.name.starts_with("__Secure-"));
    if cookie.mode == CookieMode::Insert
        && ((host || secure) && !cookie.secure || host && !cookie.domain.is_empty())
    {
        return refuse(
            "name",
            "browsers take a cookie of this name only with secure, and with __Host- only without domain",
            "set secure = true and leave domain out, or take another name",
        );
    }
    Ok(())
}

/// The name of a cookie.
fn name(value: &Value<'_>) -> Read<String> {
    let expected = "the name of a cookie such as \"SRV\"";
    let text = value.text(expected)?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(legal) {
        let help =
            format!("a name has 1 to {LONGEST} ASCII letters, digits and marks of a token (RFC 6265 §4.1.1)");
        return Err(value.mismatch_but(expected, help));
    }
    if text.starts_with('$') {
        return Err(value
            .at
            .refuse("names with a dollar sign are reserved (RFC 2965 §3.2.2)", "take another name"));
    }
    Ok(text.to_owned())
}

/// `proxy.pool.member.cookie`.
pub(super) fn member(value: &Value<'_>) -> Read<String> {
    let expected = "the value of a cookie such as \"s1\"";
    let text = value.text(expected)?;
    let legal = |b: u8| b.is_ascii_graphic() && !b"\",;\\".contains(&b) && !DELIMITERS.contains(&b);
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(legal) {
        let help = format!("a value has 1 to {LONGEST} octets of RFC 6265 §4.1.1, and neither '|' nor '~'");
        return Err(value.mismatch_but(expected, help));
    }
    Ok(text.to_owned())
}

/// `proxy.pool.member.cookie` as it stands, if it is a text.
pub(super) fn text<'a>(member: &Table<'a>) -> Option<Placed<'a, &'a str>> {
    let value = member.value("cookie")?;
    match value.value {
        DeValue::String(text) => Some(value.at.with(text.as_ref())),
        _ => None,
    }
}

fn domains(table: &Table<'_>) -> Read<Vec<String>> {
    let domain = |value: &Value<'_>| {
        let expected = "a domain such as \"example.net\"";
        let text = value.text(expected)?;
        let bare = text.strip_prefix('.').unwrap_or(text);
        if is_host_name(bare) { Ok(text.to_owned()) } else { Err(value.mismatch(expected)) }
    };
    let Some(list) = table.list("domain", domain)? else { return Ok(Vec::new()) };
    unique(
        &list,
        |domain| Some(domain.to_ascii_lowercase()),
        |domain, first| {
            (format!("{domain} already stands at {}", first.at.place()), "remove one of the two".to_owned())
        },
    )?;
    Ok(values(list))
}

pub(super) fn read_app(table: &Table<'_>) -> Read<AppCookie> {
    let name = table.need("name", name);
    let length = table.or("length", defaults::APP_COOKIE_LENGTH, |value| value.integer(LENGTH_RANGE));
    let expire = table.or("expire", defaults::APP_COOKIE_EXPIRE, |value| value.duration(EXPIRE_RANGE));
    let size = table.or("size", defaults::STICK_SIZE, |value| value.integer(SIZE_RANGE));
    let prefix = table.or("prefix", false, Value::boolean);
    let request_learn = table.or("request_learn", false, Value::boolean);
    let mode = table.maybe("mode", Value::choice);
    Ok(AppCookie {
        name: name?,
        length: length?,
        expire: expire?,
        size: size?,
        prefix: prefix?,
        request_learn: request_learn?,
        mode: mode?,
    })
}
