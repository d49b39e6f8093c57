//! Which of several things belongs to a name that a client asks for in TLS (RFC 6066 §3). Pure.
//!
//! A name itself goes before `*.` of what it lies below, and the longer of two of those before the shorter.

use config::model::ServerName;
use std::collections::HashMap;

/// Things by name.
#[derive(Debug)]
pub(crate) struct Names<T> {
    exact: HashMap<String, T>,
    /// By the name without `*.`.
    below: HashMap<String, T>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), below: HashMap::new() }
    }
}

impl<T> Names<T> {
    /// Gives a name its thing.
    pub(crate) fn insert(&mut self, name: &ServerName, thing: T) {
        let of_kind = if name.wildcard { &mut self.below } else { &mut self.exact };
        of_kind.insert(name.domain.to_string().to_ascii_lowercase(), thing);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }

    /// All things, those of several names as often.
    pub(crate) fn things(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.below.values())
    }

    /// What belongs to `name`, which is in lower case and has no dot at its end.
    pub(crate) fn find(&self, name: &str) -> Option<&T> {
        let parents = std::iter::successors(name.split_once('.'), |(_, parent)| parent.split_once('.'));
        self.exact.get(name).or_else(|| parents.into_iter().find_map(|(_, parent)| self.below.get(parent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_decides() {
        let mut names = Names::default();
        assert!(names.is_empty());
        for name in ["a.example", "*.example", "*.b.example", "c.b.example"] {
            let wildcard = name.starts_with("*.");
            let domain = name.trim_start_matches("*.").parse().unwrap();
            names.insert(&ServerName { domain, wildcard }, name);
        }
        assert!(!names.is_empty());
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(names.find(name).copied(), expect, "{name}");
        };
        check("a.example", Some("a.example"));
        check("x.a.example", Some("*.example"));
        check("b.example", Some("*.example"));
        check("x.b.example", Some("*.b.example"));
        check("x.y.b.example", Some("*.b.example"));
        check("c.b.example", Some("c.b.example"));
        check("x.c.b.example", Some("*.b.example"));
        check("example", None);
        check("xexample", None);
        check("a.test", None);
        check("", None);
    }
}
