//! The values of an application's own cookie, in cookies and in the targets of requests.
//!
//! | | found in | value |
//! |---|---|---|
//! | cookie `SID` | `SID=abc` | `abc` |
//! | the same, `prefix` | `SIDQA=abc` | `QA=abc` |
//! | `path-parameters` | `/shop;sid=abc/cart?x` | `abc` |
//! | `query-string` | `/cart?x&sid=abc` | `abc` |
//!
//! In targets, names are compared without regard to case: servers of Java write `;jsessionid=` for the cookie
//! `JSESSIONID`. An empty value is none.

use super::crumbs::crumbs;
use config::model::{AppCookie, AppCookieMode};

/// The values in a `Cookie` field, each not longer than the cookie's `length`.
pub fn of_request<'a>(cookie: &'a AppCookie, field: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    crumbs(field).filter_map(|crumb| value(cookie, field, &crumb))
}

/// The value in a `Set-Cookie` field.
#[must_use]
pub fn of_answer<'a>(cookie: &AppCookie, field: &'a [u8]) -> Option<&'a [u8]> {
    value(cookie, field, &crumbs(field).next()?)
}

/// The value in the target of a request, if it is looked for there.
#[must_use]
pub fn of_target<'a>(cookie: &AppCookie, path: &'a str, query: Option<&'a str>) -> Option<&'a [u8]> {
    match cookie.mode? {
        AppCookieMode::PathParameters => {
            let parameters = path.split('/').flat_map(|segment| segment.split(';').skip(1));
            parameters.into_iter().find_map(|parameter| of_parameter(cookie, parameter))
        }
        AppCookieMode::QueryString => query?.split('&').find_map(|parameter| of_parameter(cookie, parameter)),
    }
}

fn value<'a>(cookie: &AppCookie, field: &'a [u8], crumb: &super::crumbs::Crumb) -> Option<&'a [u8]> {
    let (name, range) = (&field[crumb.name.clone()], crumb.value.clone()?);
    let found = if cookie.prefix {
        name.starts_with(cookie.name.as_bytes()).then(|| crumb.name.start + cookie.name.len()..range.end)
    } else {
        (name == cookie.name.as_bytes()).then(|| range.clone())
    };
    (!range.is_empty()).then_some(())?;
    Some(cut(cookie, &field[found?]))
}

fn of_parameter<'a>(cookie: &AppCookie, parameter: &'a str) -> Option<&'a [u8]> {
    let (name, value) = parameter.split_once('=').filter(|(_, value)| !value.is_empty())?;
    let head = name.as_bytes().get(..cookie.name.len())?;
    let fits = head.eq_ignore_ascii_case(cookie.name.as_bytes());
    let from = cookie.name.len();
    match cookie.prefix {
        true if fits => Some(cut(cookie, &parameter.as_bytes()[from..])),
        false if fits && name.len() == from => Some(cut(cookie, value.as_bytes())),
        true | false => None,
    }
}

fn cut<'a>(cookie: &AppCookie, value: &'a [u8]) -> &'a [u8] {
    &value[..value.len().min(cookie.length.into())]
}
