//! What rules change in the target of a request on its way to a member.
//!
//! A path that is edited is brought into [one form](path::normal) first, so that no spelling slips past an edit, and what
//! comes of it must be in that form again: what a client sends cannot make a `..` of it.

use super::subject::Subject;
use super::{path, template};
use ::http::Uri;
use ::http::uri::PathAndQuery;
use config::model::{PathEdit, QueryEdit, Substitution, Template};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use std::borrow::Cow;

/// All that does not stand plainly in a path (RFC 3986 §3.3).
const NOT_IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');
/// The same beside percent signs, of what is encoded.
const NOT_IN_ENCODED_PATHS: &AsciiSet = &NOT_IN_PATHS.remove(b'%');
/// All that does not stand plainly in a query that is encoded (RFC 3986 §3.4).
const NOT_IN_QUERIES: &AsciiSet = &NOT_IN_ENCODED_PATHS.remove(b'?');
/// All that may mean something in a name or a value of a query.
const NOT_IN_PARAMETERS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b':');

/// What one rule changes in targets, compiled.
#[derive(Debug)]
pub(super) struct Edits {
    path: Vec<OfPath>,
    query: Vec<OfQuery>,
}

#[derive(Debug)]
enum OfPath {
    Set(Template),
    /// Encoded, without a slash at its end.
    AddPrefix(String),
    /// The same, decoded.
    StripPrefix(Vec<u8>),
    Replace(Substitution),
}

#[derive(Debug)]
enum OfQuery {
    /// The name decoded, and encoded.
    Set(String, String, Template),
    /// The name, encoded.
    Add(String, Template),
    Delete(String),
    DeletePrefix(String),
    Replace(Substitution),
}

/// What rules make of a target cannot be sent to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

impl Edits {
    pub(super) fn new(path: &[PathEdit], query: &[QueryEdit]) -> Self {
        Self { path: path.iter().map(OfPath::new).collect(), query: query.iter().map(OfQuery::new).collect() }
    }

    pub(super) const fn has_path(&self) -> bool {
        !self.path.is_empty()
    }
}

/// The target that all these edits make of that of a request, or `None` if it stays. The target that is no path, of
/// `OPTIONS` and `CONNECT`, does.
pub(super) fn edit<'a>(
    edits: impl Iterator<Item = &'a Edits> + Clone,
    subject: &Subject<'_>,
) -> Result<Option<Uri>, Unfit> {
    let came = subject.uri;
    if !came.path().starts_with('/')
        || edits.clone().all(|edits| edits.path.is_empty() && edits.query.is_empty())
    {
        return Ok(None);
    }
    let mut path = Cow::Borrowed(came.path());
    if edits.clone().any(Edits::has_path) {
        path = path::normal(&path).ok_or(Unfit)?.into();
        for edit in edits.clone().flat_map(|edits| &edits.path) {
            path = edit.apply(&path, subject)?.into();
        }
        path = settled(&path)?.into();
    }
    let mut query = came.query().map(Cow::Borrowed);
    for edit in edits.flat_map(|edits| &edits.query) {
        query = Some(edit.apply(query.as_deref().unwrap_or_default(), subject).into());
    }
    let query = query.filter(|query| !query.is_empty() || came.query().is_some_and(str::is_empty));
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.into_owned(),
    };
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(target))
        .map(|target| Some(Uri::from(target)))
        .map_err(|_| Unfit)
}

/// A path that edits have made, if it has become none that can be read in two ways, with one slash for several.
fn settled(path: &str) -> Result<String, Unfit> {
    let dots = |part: &str| matches!(part, "." | "..");
    let normal = path::normal(path).filter(|_| path.starts_with('/')).ok_or(Unfit)?;
    if path.split('/').any(|part| dots(&String::from_utf8_lossy(&decoded(part)))) {
        Err(Unfit)
    } else {
        Ok(normal)
    }
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    percent_decode(text.as_bytes()).into()
}

fn encoded(octets: &[u8], set: &'static AsciiSet) -> String {
    percent_encode(octets, set).to_string()
}

impl OfPath {
    fn new(edit: &PathEdit) -> Self {
        let whole = |path: &str| path.trim_end_matches('/').as_bytes().to_vec();
        match edit {
            PathEdit::Set(path) => Self::Set(path.clone()),
            PathEdit::AddPrefix(path) => Self::AddPrefix(encoded(&whole(path), NOT_IN_PATHS)),
            PathEdit::StripPrefix(path) => Self::StripPrefix(whole(path)),
            PathEdit::Replace(replace) => Self::Replace(replace.clone()),
        }
    }

    fn apply(&self, path: &str, subject: &Subject<'_>) -> Result<String, Unfit> {
        Ok(match self {
            Self::Set(template) => {
                encoded(template::fill(template, subject).as_bytes(), NOT_IN_ENCODED_PATHS)
            }
            Self::AddPrefix(prefix) => format!("{prefix}{path}"),
            Self::StripPrefix(prefix) => {
                let path = settled(path)?;
                match path::below(&path, prefix)? {
                    Some("") => "/".to_owned(),
                    Some(rest) => rest.to_owned(),
                    None => path,
                }
            }
            Self::Replace(replace) => {
                let replaced = |path: &str| replaced(replace, path, NOT_IN_ENCODED_PATHS);
                let opened = || replaced(&path::opened(path)?);
                replaced(path).or_else(opened).unwrap_or_else(|| path.to_owned())
            }
        })
    }
}

/// `None` where nothing is found.
fn replaced(replace: &Substitution, text: &str, set: &'static AsciiSet) -> Option<String> {
    replace.apply(text.as_bytes()).map(|octets| encoded(&octets, set))
}

impl OfQuery {
    fn new(edit: &QueryEdit) -> Self {
        let written = |name: &str| encoded(name.as_bytes(), NOT_IN_PARAMETERS);
        match edit {
            QueryEdit::Set(name, value) => Self::Set(name.clone(), written(name), value.clone()),
            QueryEdit::Add(name, value) => Self::Add(written(name), value.clone()),
            QueryEdit::Delete(name) => match name.strip_suffix('*') {
                Some(prefix) => Self::DeletePrefix(prefix.to_owned()),
                None => Self::Delete(name.clone()),
            },
            QueryEdit::Replace(replace) => Self::Replace(replace.clone()),
        }
    }

    fn apply(&self, query: &str, subject: &Subject<'_>) -> String {
        let value = |template| encoded(template::fill(template, subject).as_bytes(), NOT_IN_PARAMETERS);
        match self {
            Self::Set(name, written, template) => {
                with(&without(query, |known| known == name.as_bytes()), written, &value(template))
            }
            Self::Add(written, template) => with(query, written, &value(template)),
            Self::Delete(name) => without(query, |known| known == name.as_bytes()),
            Self::DeletePrefix(prefix) => without(query, |known| known.starts_with(prefix.as_bytes())),
            Self::Replace(replace) => {
                replaced(replace, query, NOT_IN_QUERIES).unwrap_or_else(|| query.to_owned())
            }
        }
    }
}

fn with(query: &str, name: &str, value: &str) -> String {
    let ampersand = if query.is_empty() { "" } else { "&" };
    format!("{query}{ampersand}{name}={value}")
}

/// A query without the parameters whose names, decoded, are such.
fn without(query: &str, such: impl Fn(&[u8]) -> bool) -> String {
    let stays = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default().replace('+', " ");
        !such(&decoded(&name))
    };
    query.split('&').filter(stays).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests;
