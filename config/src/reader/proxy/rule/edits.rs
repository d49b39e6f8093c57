//! What rules change in messages on their way.

use super::super::super::{Read, Table, Value};
use super::conditions::list;
use super::text::{LONGEST_TEXT, is_token, is_visible, path_text, pattern, template};
use crate::model::{
    HeaderEdit, Part, PathEdit, PatternError, Place, QueryEdit, Rule, Substitution, Template,
};
use toml::de::DeValue;

/// Keys that change messages on their way.
pub(super) const KEYS: [&str; 4] = ["request_path", "request_query", "request_headers", "response_headers"];

/// Headers that say where a message ends, and those of one connection.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// Whose headers are changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Requests,
    Answers,
}

/// A rule with the edits of this table alone.
pub(super) fn read(table: &Table<'_>) -> Read<Rule> {
    let request_path = list(table, "request_path", path_edit);
    let request_query = list(table, "request_query", query_edit);
    let request_headers = list(table, "request_headers", |value| header_edit(value, Of::Requests));
    let response_headers = list(table, "response_headers", |value| header_edit(value, Of::Answers));
    Ok(Rule {
        request_path: request_path?,
        request_query: request_query?,
        request_headers: request_headers?,
        response_headers: response_headers?,
        ..Rule::default()
    })
}

/// The keys of an edit, in the order of the alphabet, as the file's tables have them.
fn parts<'a>(value: &Value<'a>, expected: &str) -> Read<Vec<(&'a str, Value<'a>)>> {
    let DeValue::Table(entries) = value.value else { return Err(value.mismatch(expected)) };
    let part = |(key, entry): (&'a toml::Spanned<_>, _)| {
        let key: &'a std::borrow::Cow<'_, str> = key.get_ref();
        let path = format!("{}.{key}", value.at.path);
        (&**key, Value::new(path, entry, value.at.problems))
    };
    Ok(entries.iter().map(part).collect())
}

fn path_edit(value: &Value<'_>) -> Read<PathEdit> {
    let expected = "an edit: { strip_prefix = \"/a\" }, { add_prefix = \"/a\" }, { set = \"/a\" } or { regex = \"^/a\", with = \"/b\" }";
    match parts(value, expected)?.as_slice() {
        [("set", path)] => path_template(path).map(PathEdit::Set),
        [("add_prefix", path)] => path_text(path, true).map(PathEdit::AddPrefix),
        [("strip_prefix", path)] => path_text(path, true).map(PathEdit::StripPrefix),
        [("regex", regex), ("with", with)] => substitution(regex, with).map(PathEdit::Replace),
        _ => Err(value.mismatch_but(expected, "make it one edit for each change")),
    }
}

/// A path with places. It has no query, which stays as it is.
fn path_template(value: &Value<'_>) -> Read<Template> {
    let expected = "a path such as \"/{host}{path}\"";
    let template = template(value, expected)?;
    let begins = match template.parts().first() {
        Some(Part::Text(text)) => text.starts_with('/'),
        Some(Part::Place(place)) => *place == Place::Path,
        None => false,
    };
    let help = if !begins {
        "begin with a slash or {path}"
    } else if template.parts().contains(&Part::Place(Place::Uri)) {
        "write {path}: the query stays behind the path as it is"
    } else {
        let texts = || {
            template
                .parts()
                .iter()
                .filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None })
        };
        if texts().any(|text| text.contains(['?', '#'])) {
            "leave out what is behind the path: it stays as it is"
        } else if texts().any(|text| text.contains('%')) {
            "write the characters themselves: they are encoded where they must be"
        } else if texts().any(|text| text.chars().any(char::is_control) || text.len() > LONGEST_TEXT) {
            "give at most 1024 bytes without control characters"
        } else {
            return Ok(template);
        }
    };
    Err(value.mismatch_but(expected, help))
}

fn query_edit(value: &Value<'_>) -> Read<QueryEdit> {
    let expected = "an edit: { set = \"a\", value = \"1\" }, { add = \"a\", value = \"1\" }, { delete = \"a\" } or { regex = \"^a\", with = \"b\" }";
    match parts(value, expected)?.as_slice() {
        [("set", name), ("value", text)] => Ok(QueryEdit::Set(parameter(name)?, parameter_text(text)?)),
        [("add", name), ("value", text)] => Ok(QueryEdit::Add(parameter(name)?, parameter_text(text)?)),
        [("delete", name)] => parameter(name).map(QueryEdit::Delete),
        [("regex", regex), ("with", with)] => substitution(regex, with).map(QueryEdit::Replace),
        _ => Err(value.mismatch_but(expected, "make it one edit for each change")),
    }
}

/// The name of a parameter, decoded.
fn parameter(value: &Value<'_>) -> Read<String> {
    let expected = "the name of a parameter such as \"utm_source\"";
    let text = value.text(expected)?;
    if text.is_empty() || text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
        return Err(value.mismatch(expected));
    }
    Ok(text.to_owned())
}

fn parameter_text(value: &Value<'_>) -> Read<Template> {
    let expected = "a text of at most 1024 bytes";
    let text = value.text(expected)?;
    if text.len() > LONGEST_TEXT { Err(value.mismatch(expected)) } else { template(value, expected) }
}

fn header_edit(value: &Value<'_>, of: Of) -> Read<HeaderEdit> {
    let expected = "an edit: { set = \"X-A\", value = \"1\" }, { add = \"X-A\", value = \"1\" }, { delete = \"X-A\" } or { replace = \"X-A\", regex = \"a\", with = \"b\" }";
    match parts(value, expected)?.as_slice() {
        [("set", name), ("value", text)] if is_host(name) && of == Of::Requests => {
            Ok(HeaderEdit::Set("host".to_owned(), authority(text)?))
        }
        [("set", name), ("value", text)] => Ok(HeaderEdit::Set(header_name(name)?, header_text(text)?)),
        [("add", name), ("value", text)] => Ok(HeaderEdit::Add(header_name(name)?, header_text(text)?)),
        [("delete", name)] => header_name(name).map(HeaderEdit::Delete),
        [("regex", regex), ("replace", name), ("with", with)] => {
            let (name, replace) = (header_name(name), substitution(regex, with));
            let replace = replace?;
            if is_visible_but_for_ends(&replace.with()) {
                Ok(HeaderEdit::Replace(name?, replace))
            } else {
                Err(with.mismatch("a text in ASCII without control characters"))
            }
        }
        _ => Err(value.mismatch_but(
            expected,
            "give one of set, add, delete and replace, and beside it what the example has",
        )),
    }
}

fn is_visible_but_for_ends(text: &str) -> bool {
    is_visible(text.trim_matches([' ', '\t'])) && text.len() <= LONGEST_TEXT
}

fn is_host(name: &Value<'_>) -> bool {
    name.value.as_str().is_some_and(|name| name.eq_ignore_ascii_case("host"))
}

fn header_name(value: &Value<'_>) -> Read<String> {
    let expected = "the name of a header such as \"X-Client\"";
    let text = value.text(expected)?;
    if !is_token(text) {
        return Err(value.mismatch(expected));
    }
    let name = text.to_ascii_lowercase();
    if is_host(value) {
        return Err(value.at.refuse(
            "Host says whom a request is for: one stands, and in requests alone",
            "write { set = \"Host\", value = \"..\" } in request_headers",
        ));
    }
    if FRAMING.contains(&name.as_str()) {
        return Err(value.at.refuse(format!("{text} says how a message is read, and is not for rules"), ""));
    }
    Ok(name)
}

fn header_text(value: &Value<'_>) -> Read<Template> {
    let expected = "a text in ASCII without blanks around it";
    if is_visible(value.text(expected)?) { template(value, expected) } else { Err(value.mismatch(expected)) }
}

/// A host with an optional port; what the places bring is looked at request by request.
fn authority(value: &Value<'_>) -> Read<Template> {
    let expected = "a host such as \"web.example\", \"web.example:8080\" or \"{sni}\"";
    let template = template(value, expected)?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let plain = template.parts().iter().all(|part| match part {
        Part::Text(text) => text.len() <= 255 && text.bytes().all(legal),
        Part::Place(_) => true,
    });
    if plain && !template.parts().is_empty() { Ok(template) } else { Err(value.mismatch(expected)) }
}

fn substitution(regex: &Value<'_>, with: &Value<'_>) -> Read<Substitution> {
    let expected = "a text such as \"/new/$1\" of at most 1024 bytes";
    let text = with.text(expected);
    let pattern = pattern(regex)?;
    let text = text?;
    if text.len() > LONGEST_TEXT {
        return Err(with.mismatch(expected));
    }
    Substitution::new(pattern, text).map_err(|error| {
        let help = match &error {
            PatternError::Group(_) => {
                "groups are what stands in parentheses: $1 is the first, $0 is all that was found"
            }
            _ => "write $$ for a dollar sign that stands for itself",
        };
        with.at.refuse(format!("{text:?}: {error}"), help)
    })
}
