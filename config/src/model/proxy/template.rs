//! Texts with places in braces that each request fills.

use std::fmt;
use std::str::FromStr;

/// A text with places: `https://{host}{uri}`. `{{` and `}}` stand for one brace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Stands as it is; not empty.
    Text(String),
    /// Is filled.
    Place(Place),
}

/// What a place is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The client's address.
    Client,
    /// The host that is asked for, without a port.
    Host,
    /// The method.
    Method,
    /// The path as it came.
    Path,
    /// The port that the client connected to.
    Port,
    /// What stands behind the question mark.
    Query,
    /// `http` or `https`.
    Scheme,
    /// The name that the client asked for in TLS.
    Sni,
    /// The path with its query, as they came.
    Uri,
    /// The name that the client has logged in with.
    User,
}

impl Place {
    /// All, by name.
    pub const ALL: [(&'static str, Self); 10] = [
        ("client", Self::Client),
        ("host", Self::Host),
        ("method", Self::Method),
        ("path", Self::Path),
        ("port", Self::Port),
        ("query", Self::Query),
        ("scheme", Self::Scheme),
        ("sni", Self::Sni),
        ("uri", Self::Uri),
        ("user", Self::User),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, place)| *place == self).map_or("", |(name, _)| name)
    }
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its other half.
    #[error("a brace stands alone")]
    Brace,
    /// A place that nobody knows.
    #[error("there is no place {{{0}}}")]
    Unknown(String),
}

impl Template {
    /// The parts; no two texts stand side by side.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The template that is this text.
    pub fn plain(text: &str) -> Self {
        Self(if text.is_empty() { Vec::new() } else { vec![Part::Text(text.to_owned())] })
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (name, after) = after.split_once('}').filter(|_| brace == "{").ok_or(TemplateError::Brace)?;
            let place = Place::ALL.iter().find(|(known, _)| *known == name);
            let (_, place) = place.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
            parts.extend((!plain.is_empty()).then(|| Part::Text(std::mem::take(&mut plain))));
            parts.push(Part::Place(*place));
            rest = after;
        }
        plain.push_str(rest);
        parts.extend((!plain.is_empty()).then_some(Part::Text(plain)));
        Ok(Self(parts))
    }
}

/// As the file writes it.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Place(place) => write!(f, "{{{}}}", place.name()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_and_written_alike() {
        let check = |text: &str, expect: &[Part]| {
            let template: Template = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(template.parts(), expect, "{text}");
            assert_eq!(template.to_string(), text);
        };
        let text = |text: &str| Part::Text(text.to_owned());
        check("", &[]);
        check("/new", &[text("/new")]);
        check("https://{host}{uri}", &[text("https://"), Part::Place(Place::Host), Part::Place(Place::Uri)]);
        check("a{{b}}{path}}}", &[text("a{b}"), Part::Place(Place::Path), text("}")]);
    }

    #[test]
    fn what_is_no_template_says_why() {
        let check = |text: &str, expect: TemplateError| {
            assert_eq!(text.parse::<Template>(), Err(expect), "{text}");
        };
        check("{", TemplateError::Brace);
        check("a}b", TemplateError::Brace);
        check("{host", TemplateError::Brace);
        check("{hots}", TemplateError::Unknown("hots".to_owned()));
        check("{}", TemplateError::Unknown(String::new()));
        check("{{{host}}}}", TemplateError::Brace);
    }
}
