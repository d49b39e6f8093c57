//! Texts of rules: names, values, paths, templates and patterns.

use super::super::super::{Read, Value, listing};
use crate::keys;
use crate::model::{Pattern, Place, Template, TemplateError};

/// A head has no room for longer paths and fields.
pub(super) const LONGEST_TEXT: usize = 1024;

pub(super) fn path_text(value: &Value<'_>, whole: bool) -> Read<String> {
    let expected = if whole { "a path such as \"/static/\"" } else { "the end of a path such as \".png\"" };
    let text = value.text(expected)?;
    let help = if whole && !text.starts_with('/') {
        "begin with a slash"
    } else if text.contains(['?', '#']) {
        "leave out what is behind the path: rules look at the path alone"
    } else if text.contains('%') {
        "write the characters themselves: paths are decoded before rules see them"
    } else if text.contains("//") || text.split('/').any(|part| matches!(part, "." | "..")) {
        "write the path without \"//\", \"/./\" and \"/../\": rules see it without them"
    } else if text.is_empty() || text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
        "give 1 to 1024 bytes without control characters"
    } else {
        return Ok(text.to_owned());
    };
    Err(value.mismatch_but(expected, help))
}

pub(super) fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.len() <= LONGEST_TEXT && text.bytes().all(token)
}

pub(super) fn is_visible(text: &str) -> bool {
    let visible = |b: u8| b.is_ascii_graphic() || b == b' ' || b == b'\t';
    text.len() <= LONGEST_TEXT && text.bytes().all(visible) && text.trim_matches([' ', '\t']) == text
}

/// A text with places in braces.
pub(super) fn template(value: &Value<'_>, expected: &str) -> Read<Template> {
    let text = value.text(expected)?;
    text.parse().map_err(|error| {
        let names = || Place::ALL.iter().map(|(name, _)| *name);
        let help = match &error {
            TemplateError::Unknown(name) => keys::nearest(name, names()).map_or_else(
                || format!("the places are {}", listing(names().map(|name| format!("{{{name}}}")), "and")),
                |near| format!("did you mean {{{near}}}?"),
            ),
            TemplateError::Brace => "write {{ and }} for a brace that stands for itself".to_owned(),
        };
        value.at.refuse(format!("{text:?}: {error}"), help)
    })
}

/// A regular expression.
pub(super) fn pattern(value: &Value<'_>) -> Read<Pattern> {
    let expected = "a regular expression of 1 to 1024 bytes, such as \"^/v[0-9]+/\"";
    let text = value.text(expected)?;
    if text.is_empty() || text.len() > LONGEST_TEXT {
        return Err(value.mismatch(expected));
    }
    Pattern::new(text).map_err(|error| {
        value.at.refuse(
            format!("{text:?} is no regular expression: {error}"),
            "write it between single quotes, so that backslashes stand for themselves: '\\.png$'",
        )
    })
}
