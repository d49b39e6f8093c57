//! The cookies of a `Cookie` field, and the one of a `Set-Cookie` field (RFC 6265 §4.2.1, §4.1.1).
//!
//! Read as HAProxy does, with the leniencies of older rules (RFC 2109, RFC 2965): commas separate as well as semicolons,
//! blanks may stand around `=`, values may be quoted, with any separators within, and attributes begin with `$`. A
//! quotation mark that is never closed is a character like others, and so are all behind it: what is broken neither
//! hides cookies nor costs time.

use super::Change;
use std::ops::Range;

/// One cookie, as places in its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crumb {
    /// All of it, with the separator ahead of it.
    pub whole: Range<usize>,
    /// Its name without blanks around.
    pub name: Range<usize>,
    /// Its value without blanks around; `None`: there is no `=`.
    pub value: Option<Range<usize>>,
}

/// The cookies of a field, one behind the other, without gaps.
#[derive(Clone, Debug)]
pub struct Crumbs<'a> {
    field: &'a [u8],
    /// Where the next begins; `None`: at the start, without a separator.
    at: Option<usize>,
    /// Whether quotation marks quote.
    quotes: bool,
}

/// Takes a field apart.
#[must_use]
pub const fn crumbs(field: &[u8]) -> Crumbs<'_> {
    Crumbs { field, at: None, quotes: true }
}

impl Iterator for Crumbs<'_> {
    type Item = Crumb;

    fn next(&mut self) -> Option<Crumb> {
        let field = self.field;
        let begin = self.at.unwrap_or(0);
        if begin >= field.len() {
            return None;
        }
        let from = blanks_end(field, begin + usize::from(self.at.is_some()));
        let until = find(field, from, |byte| matches!(byte, b'=' | b',' | b';'));
        let name = from..trimmed_end(field, from..until);
        let mut end = until;
        let value = (field.get(until) == Some(&b'=')).then(|| {
            let from = blanks_end(field, until + 1);
            end = self.value_end(from);
            from..trimmed_end(field, from..end)
        });
        self.at = Some(end);
        Some(Crumb { whole: begin..end, name, value })
    }
}

impl Crumbs<'_> {
    fn value_end(&mut self, from: usize) -> usize {
        let plain = find(self.field, from, is_separator);
        if !self.quotes || !self.field[from..plain].contains(&b'"') {
            return plain;
        }
        let (mut quoted, mut escaped) = (false, false);
        for (place, byte) in self.field.iter().enumerate().skip(from) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                byte if !quoted && is_separator(*byte) => return place,
                _ => {}
            }
        }
        if quoted {
            // Asked once per field: from here on nothing is quoted.
            self.quotes = false;
            return plain;
        }
        self.field.len()
    }
}

impl Crumb {
    /// Its value, if it has this name.
    #[must_use]
    pub fn value_of(&self, field: &[u8], name: &str) -> Option<Range<usize>> {
        self.value.clone().filter(|_| field[self.name.clone()] == *name.as_bytes())
    }

    /// Whether it is an attribute of the cookie before it.
    fn is_attribute(&self, field: &[u8]) -> bool {
        field[self.name.clone()].first() == Some(&b'$')
    }

    fn is_blank(&self) -> bool {
        self.name.is_empty() && self.value.is_none()
    }
}

/// The field without the cookies of this name and their attributes.
#[must_use]
pub fn without(field: &[u8], name: &str) -> Change {
    let (mut left, mut goes, mut gone, mut kept) = (Vec::with_capacity(field.len()), false, false, false);
    for crumb in crumbs(field) {
        let attribute = crumb.is_attribute(field);
        if !attribute {
            goes = crumb.value_of(field, name).is_some();
        }
        gone |= goes;
        if goes {
            continue;
        }
        kept |= !attribute && !crumb.is_blank();
        // The first has no separator.
        let from = if left.is_empty() && gone { crumb.name.start } else { crumb.whole.start };
        left.extend_from_slice(&field[from..crumb.whole.end]);
    }
    match (gone, kept) {
        (false, _) => Change::Keep,
        (true, true) => Change::Replace(left),
        (true, false) => Change::Remove,
    }
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b',' | b';')
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The first place from here on that is such a byte, or the end.
fn find(field: &[u8], from: usize, is_it: impl Fn(u8) -> bool) -> usize {
    field[from..].iter().position(|byte| is_it(*byte)).map_or(field.len(), |place| from + place)
}

fn blanks_end(field: &[u8], from: usize) -> usize {
    find(field, from, |byte| !is_blank(byte))
}

fn trimmed_end(field: &[u8], range: Range<usize>) -> usize {
    let last = field[range.clone()].iter().rposition(|byte| !is_blank(*byte));
    last.map_or(range.start, |last| range.start + last + 1)
}
