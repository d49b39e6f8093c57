//! What holds of names and all below them: the longest listed suffix decides.
//!
//! A lookup takes one hash per label of the name, however long the list is. Case does not matter (RFC 4343) and
//! label boundaries do. Does not know what its values mean.

use crate::name::WireName;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// Values by domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainMap<T> {
    /// Names in wire form and lower case.
    values: HashMap<Box<[u8]>, T>,
}

/// Domains without values.
pub type DomainSet = DomainMap<()>;

impl<T> DomainMap<T> {
    /// The value of the longest listed domain that `name` is, or is below of.
    pub fn get(&self, name: &WireName) -> Option<&T> {
        if self.values.is_empty() {
            return None;
        }
        let folded = name.respelt(&[0; 32]);
        let bytes = folded.as_bytes();
        let mut at = 0;
        loop {
            if let Some(value) = self.values.get(&bytes[at..]) {
                return Some(value);
            }
            match bytes[at] {
                0 => return None,
                length => at += 1 + usize::from(length),
            }
        }
    }

    /// Whether `name` is a listed domain or below one.
    pub fn holds(&self, name: &WireName) -> bool {
        self.get(name).is_some()
    }

    /// Whether no domain is listed.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// A domain that comes twice keeps its last value.
impl<T> FromIterator<(WireName, T)> for DomainMap<T> {
    fn from_iter<I: IntoIterator<Item = (WireName, T)>>(domains: I) -> Self {
        let domains = domains.into_iter();
        Self {
            values: domains.map(|(name, value)| (name.respelt(&[0; 32]).as_bytes().into(), value)).collect(),
        }
    }
}

impl FromIterator<WireName> for DomainSet {
    fn from_iter<I: IntoIterator<Item = WireName>>(domains: I) -> Self {
        domains.into_iter().map(|name| (name, ())).collect()
    }
}

impl<T> Default for DomainMap<T> {
    fn default() -> Self {
        Self { values: HashMap::new() }
    }
}

/// By content, whatever the order of insertion.
impl<T: Hash> Hash for DomainMap<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_unstable_by_key(|(name, _)| *name);
        values.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::DefaultHasher;

    fn name(text: &str) -> WireName {
        WireName::from_labels(text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes)).unwrap()
    }

    fn map(domains: &[&str]) -> DomainMap<usize> {
        domains.iter().enumerate().map(|(index, domain)| (name(domain), index)).collect()
    }

    #[test]
    fn the_longest_suffix_decides_at_label_boundaries_and_in_any_case() {
        let domains = map(&["example", "v4.Example", "a.v4.example", "net"]);
        let check = |text: &str, expect: Option<usize>| {
            assert_eq!(domains.get(&name(text)).copied(), expect, "{text}");
        };
        check("example", Some(0));
        check("www.EXAMPLE", Some(0));
        check("v4.example", Some(1));
        check("x.y.v4.example", Some(1));
        check("x.A.V4.example", Some(2));
        check("xv4.example", Some(0));
        check("notexample", None);
        check("", None);
    }

    #[test]
    fn the_root_holds_every_name_and_nothing_holds_none() {
        let all: DomainSet = [WireName::ROOT].into_iter().collect();
        assert!(all.holds(&name("www.example")) && all.holds(&WireName::ROOT));
        assert!(!DomainSet::default().holds(&WireName::ROOT) && DomainSet::default().is_empty());
    }

    #[test]
    fn the_hash_is_that_of_the_content() {
        let hash = |domains: &DomainSet| {
            let mut hasher = DefaultHasher::new();
            domains.hash(&mut hasher);
            hasher.finish()
        };
        let set = |domains: &[&str]| domains.iter().map(|domain| name(domain)).collect::<DomainSet>();
        assert_eq!(hash(&set(&["a.b", "c"])), hash(&set(&["C", "A.b"])));
        assert_ne!(hash(&set(&["a.b", "c"])), hash(&set(&["a", "b.c"])));
    }

    proptest! {
        #[test]
        fn a_lookup_finds_what_a_search_finds(
            domains in prop::collection::vec("[ab](\\.[ab]){0,3}", 0..6), text in "[ab](\\.[ab]){0,5}",
        ) {
            let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
            let searched = domains.iter().filter(|domain| name(&text).labels_below(name(domain).as_bytes()).is_some());
            let longest = searched.max_by_key(|domain| domain.len());
            let found = map(&domains).get(&name(&text)).map(|index| domains[*index]);
            prop_assert_eq!(found, longest.copied());
        }
    }
}
