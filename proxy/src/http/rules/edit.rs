//! What rules change in the headers of a message.

use super::subject::Subject;
use super::template;
use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use config::model::{HeaderEdit, Template};

/// A change, compiled.
#[derive(Debug)]
pub(super) enum Edit {
    Set(HeaderName, Template),
    Add(HeaderName, Template),
    Delete(HeaderName),
}

/// A change with what one request has filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    Set(HeaderName, HeaderValue),
    Add(HeaderName, HeaderValue),
    Delete(HeaderName),
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
            })
        };
        edits.iter().filter_map(edit).collect()
    }

    pub(super) fn fill(&self, subject: &Subject<'_>) -> Filled {
        let value =
            |template: &Template| template::header_value(template::fill(template, subject).as_bytes());
        match self {
            Self::Set(name, template) => Filled::Set(name.clone(), value(template)),
            Self::Add(name, template) => Filled::Add(name.clone(), value(template)),
            Self::Delete(name) => Filled::Delete(name.clone()),
        }
    }
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
        }
    }
}
