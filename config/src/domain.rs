//! Domain names as a file writes them: text, case folded, without the final dot.
//!
//! Follows RFC 1035 §2.3.4 for lengths. Takes letters, digits, `-`, `_` and the `/` of RFC 2317, so that no name
//! needs an escape; names in other scripts stand as their A-labels (RFC 5890 §2.3.2.1).

use std::fmt;
use std::str::FromStr;

/// The longest name in octets as DNS carries it, with a length before each label and the root at the end.
const MAX_OCTETS: usize = 255;

/// A domain name; names that differ in case alone are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(String);

/// Why a text is no domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Nothing, or two dots in a row.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label of more than 63 octets.
    #[error("a label is longer than 63 characters")]
    LongLabel,
    /// More than 255 octets in all.
    #[error("the name is too long")]
    Long,
    /// `*.example`.
    #[error("wildcards are not known here")]
    Wildcard,
    /// A character outside letters, digits, `-`, `_` and `/`.
    #[error("{0:?} cannot stand in a domain name")]
    Character(char),
}

impl Domain {
    /// The root: it and the names below are all names.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// The labels, leftmost first; none for the root.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.').filter(|label| !label.is_empty())
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    /// A final dot is taken and left out; `.` is the root.
    fn from_str(text: &str) -> Result<Self, DomainError> {
        if text == "." {
            return Ok(Self(String::new()));
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        for label in text.split('.') {
            match label {
                "" => return Err(DomainError::EmptyLabel),
                "*" => return Err(DomainError::Wildcard),
                _ => {}
            }
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
            if let Some(c) = label.chars().find(|c| !legal(*c)) {
                return Err(DomainError::Character(c));
            }
            if label.len() > 63 {
                return Err(DomainError::LongLabel);
            }
        }
        if text.len() + 2 > MAX_OCTETS {
            return Err(DomainError::Long);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_case_and_their_final_dot() {
        let check = |text: &str, expect: &str| {
            let domain: Domain = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(domain.to_string(), expect);
            assert_eq!(domain.to_string().parse(), Ok(domain));
        };
        check("Example.COM.", "example.com");
        check("_dns.resolver.arpa", "_dns.resolver.arpa");
        check("0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa");
        check(".", ".");
        check(&["a".repeat(63).as_str(); 3].join("."), &["a".repeat(63).as_str(); 3].join("."));
        assert_eq!(".".parse::<Domain>().unwrap().labels().count(), 0);
        assert_eq!("a.b.".parse::<Domain>().unwrap().labels().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_name_says_why() {
        let check =
            |text: &str, expect: DomainError| assert_eq!(text.parse::<Domain>(), Err(expect), "{text}");
        check("", DomainError::EmptyLabel);
        check("..", DomainError::EmptyLabel);
        check("a..b", DomainError::EmptyLabel);
        check("*.example", DomainError::Wildcard);
        check("a b", DomainError::Character(' '));
        check("bücher.example", DomainError::Character('ü'));
        check(&"a".repeat(64), DomainError::LongLabel);
        check(&["a".repeat(50).as_str(); 5].join("."), DomainError::Long);
    }

    #[test]
    fn the_longest_name_fills_its_octets() {
        let longest = format!("{}.{}", ["a".repeat(63).as_str(); 3].join("."), "a".repeat(61));
        assert!(longest.parse::<Domain>().is_ok());
        assert_eq!(format!("{longest}a").parse::<Domain>(), Err(DomainError::Long));
    }
}
