//! Regular expressions over octets, and what stands in the place of what they find.

use regex::bytes::{Captures, Regex, RegexBuilder};
use std::fmt;

/// What one pattern may take, in bytes; nearly all take some hundred.
const LARGEST: usize = 256 << 10;

/// A regular expression. It is matched against octets in time linear to their number; letters and classes are those of
/// ASCII.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// Why a text is no pattern, or no replacement for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text cannot be read.
    #[error("{0}")]
    Syntax(String),
    /// It would take too much memory.
    #[error("the pattern is too large: repeat less, and smaller parts")]
    Large,
    /// A replacement names a group that the pattern does not have.
    #[error("the pattern has no group {0}")]
    Group(String),
    /// A dollar sign with neither a group nor another one behind it.
    #[error("a dollar sign stands alone")]
    Dollar,
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let mut builder = RegexBuilder::new(text);
        let built = builder.unicode(false).size_limit(LARGEST).dfa_size_limit(LARGEST).build();
        built.map(Self).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::Large,
            error => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                PatternError::Syntax(last.strip_prefix("error: ").unwrap_or(last).to_owned())
            }
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it fits somewhere in these octets.
    pub fn fits(&self, octets: &[u8]) -> bool {
        self.0.is_match(octets)
    }

    fn group(&self, name: &str) -> Option<usize> {
        let number = name.parse().ok().filter(|number| *number < self.0.captures_len());
        number.or_else(|| self.0.capture_names().position(|known| known == Some(name)))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Pattern {}

/// A pattern, and what stands in the place of what it finds first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitution {
    pattern: Pattern,
    with: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// What the group of this number found, and how the file writes the group.
    Group(usize, String),
}

impl Substitution {
    /// `with` has `$1`, `${1}` or `${name}` for what a group found, `$0` for all that was found, and `$$` for one dollar sign.
    pub fn new(pattern: Pattern, with: &str) -> Result<Self, PatternError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = with;
        while let Some((before, after)) = rest.split_once('$') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                plain.push('$');
                rest = after;
                continue;
            }
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (name, written, after) = match after.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                Some((name, after)) => (name, format!("${{{name}}}"), after),
                None if digits > 0 => (&after[..digits], format!("${}", &after[..digits]), &after[digits..]),
                None => return Err(PatternError::Dollar),
            };
            let group = pattern.group(name).ok_or_else(|| PatternError::Group(name.to_owned()))?;
            pieces.extend((!plain.is_empty()).then(|| Piece::Text(std::mem::take(&mut plain))));
            pieces.push(Piece::Group(group, written));
            rest = after;
        }
        plain.push_str(rest);
        pieces.extend((!plain.is_empty()).then_some(Piece::Text(plain)));
        Ok(Self { pattern, with: pieces })
    }

    /// What is looked for.
    pub const fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// What stands in its place, as the file writes it.
    pub fn with(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.replace('$', "$$"),
            Piece::Group(_, written) => written.clone(),
        };
        self.with.iter().map(piece).collect()
    }

    /// These octets with the first place replaced that the pattern finds; `None` if it finds none.
    pub fn apply(&self, octets: &[u8]) -> Option<Vec<u8>> {
        let found = self.pattern.0.captures(octets)?;
        let whole = found.get_match();
        let mut replaced = octets[..whole.start()].to_vec();
        for piece in &self.with {
            replaced.extend_from_slice(piece.fill(&found));
        }
        replaced.extend_from_slice(&octets[whole.end()..]);
        Some(replaced)
    }
}

impl Piece {
    /// A group that took no part is empty.
    fn fill<'a>(&'a self, found: &Captures<'a>) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Group(group, _) => found.get(*group).map_or(&[], |part| part.as_bytes()),
        }
    }
}

/// As the file writes it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn substitution(pattern: &str, with: &str) -> Result<Substitution, PatternError> {
        Substitution::new(Pattern::new(pattern)?, with)
    }

    #[test]
    fn the_first_place_is_replaced() {
        let check = |pattern: &str, with: &str, text: &str, expect: Option<&str>| {
            let substitution =
                substitution(pattern, with).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            let replaced = substitution.apply(text.as_bytes());
            assert_eq!(replaced.as_deref(), expect.map(str::as_bytes), "{pattern} {with} {text}");
            assert_eq!(substitution.with(), with);
        };
        check("a", "b", "xaya", Some("xbya"));
        check("a", "b", "xyz", None);
        check("^/old/(.*)$", "/new/$1", "/old/a/b", Some("/new/a/b"));
        check("(?<part>[a-z]+)-([a-z]+)", "$2${part}1$$", "x/ab-cd", Some("x/cdab1$"));
        check("(a)|(b)", "[$1$2$0]", "b", Some("[bb]"));
        check("", "x", "a", Some("xa"));
        check("(?i)É", "e", "\u{c9}", Some("e"));
        check("(?s)^.*$", "", "a\nb", Some(""));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        let check = |pattern: &str, with: &str, expect: &str| {
            let error = substitution(pattern, with).expect_err(pattern).to_string();
            assert_eq!(error, expect, "{pattern} {with}");
        };
        check("(a", "", "unclosed group");
        check("a{1000}{1000}", "", "the pattern is too large: repeat less, and smaller parts");
        check("(a)", "$2", "the pattern has no group 2");
        check("(a)", "${name}", "the pattern has no group name");
        check("(a)", "a$", "a dollar sign stands alone");
        check("(a)", "${1", "a dollar sign stands alone");
        check(r"(a)\1", "", "backreferences are not supported");
    }
}
