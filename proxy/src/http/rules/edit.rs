//! What rules change in the headers of a message.

use super::Unfit;
use super::subject::Subject;
use super::template;
use crate::http::forwarded::is_taken_for;
use crate::http::guard;
use crate::http::headers::is_essential;
use ::http::header::{Entry, HOST, HeaderMap, HeaderName, HeaderValue};
use config::model::{HeaderEdit, Substitution, Template};
use std::sync::Arc;

/// A change, compiled.
#[derive(Debug)]
pub(super) enum Edit {
    Set(HeaderName, Template),
    Add(HeaderName, Template),
    Delete(HeaderName),
    Replace(HeaderName, Arc<Substitution>),
}

/// A change with what one request has filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    Set(HeaderName, HeaderValue),
    Add(HeaderName, HeaderValue),
    Delete(HeaderName),
    Replace(HeaderName, Arc<Substitution>),
}

impl Edit {
    pub(super) fn all_of(edits: &[HeaderEdit]) -> Vec<Self> {
        // The model holds only tokens.
        let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).ok();
        let edit = |edit: &HeaderEdit| {
            Some(match edit {
                HeaderEdit::Set(header, value) => Self::Set(name(header)?, value.clone()),
                HeaderEdit::Add(header, value) => Self::Add(name(header)?, value.clone()),
                HeaderEdit::Delete(header) => Self::Delete(name(header)?),
                HeaderEdit::Replace(header, replace) => {
                    Self::Replace(name(header)?, Arc::new(replace.clone()))
                }
            })
        };
        edits.iter().filter_map(edit).collect()
    }

    /// Unfit is a `Host` that places have left without a host, and one for a tunnel.
    pub(super) fn fill(&self, subject: &Subject<'_>) -> Result<Filled, Unfit> {
        let value =
            |template: &Template| template::header_value(template::fill(template, subject).as_bytes());
        Ok(match self {
            Self::Set(name, template) => {
                let value = value(template);
                // That of `CONNECT`, which has no path, is its target.
                let stays = subject.uri.path().is_empty();
                if *name == HOST && (stays || !guard::is_authority(value.as_bytes())) {
                    return Err(Unfit);
                }
                Filled::Set(name.clone(), value)
            }
            Self::Add(name, template) => Filled::Add(name.clone(), value(template)),
            Self::Delete(name) => Filled::Delete(name.clone()),
            Self::Replace(name, replace) => Filled::Replace(name.clone(), Arc::clone(replace)),
        })
    }
}

/// The names that these edits set or delete: what a client sends by them is not to reach a member.
pub(crate) fn names_taken(edits: &[Filled]) -> Vec<HeaderName> {
    let taken = edits.iter().filter_map(|edit| match edit {
        Filled::Set(name, _) | Filled::Delete(name) => Some(name),
        Filled::Add(..) | Filled::Replace(..) => None,
    });
    taken.cloned().collect()
}

/// Takes out these names, and what some server may take for one of them. The framing stays.
pub(crate) fn forget(names: &[HeaderName], headers: &mut HeaderMap) {
    if names.is_empty() {
        return;
    }
    let knowns: Vec<_> = names.iter().map(|name| name.as_str().replace(is_mark, "-")).collect();
    let is_such =
        |name: &str| knowns.iter().any(|known| name.len() == known.len() && is_taken_for(name, known));
    let such = |name: &&HeaderName| is_such(name.as_str()) && !is_essential(name);
    let doomed: Vec<_> = headers.keys().filter(such).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

const fn is_mark(letter: char) -> bool {
    !letter.is_ascii_alphanumeric()
}

/// Makes the changes, in order.
pub(crate) fn apply(edits: Vec<Filled>, headers: &mut HeaderMap) {
    for edit in edits {
        match edit {
            Filled::Set(name, value) => {
                headers.insert(name, value);
            }
            Filled::Add(name, value) => {
                headers.append(name, value);
            }
            Filled::Delete(name) => {
                headers.remove(name);
            }
            Filled::Replace(name, replace) => {
                let Entry::Occupied(mut lines) = headers.entry(name) else { continue };
                for line in lines.iter_mut() {
                    if let Some(replaced) = replace.apply(line.as_bytes()) {
                        *line = template::header_value(replaced.trim_ascii());
                    }
                }
            }
        }
    }
}
