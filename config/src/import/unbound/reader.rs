//! The text of an unbound.conf as attributes: `name: value`, each in the clause that it stands in.
//!
//! A file is a row of words between blanks; a word that ends in a colon is a keyword, and what follows is its value.
//! Values may be quoted. Line ends mean nothing but the end of a comment.

use super::super::draft::Spot;
use super::Include;
use std::rc::Rc;

/// How deep included files may nest.
const MAX_DEPTH: usize = 16;

/// Attributes of all files together; a block list has some hundred thousand.
const MAX_ATTRIBUTES: usize = 1_000_000;

/// Keywords that begin a clause.
const CLAUSES: &[&str] = &[
    "server",
    "remote-control",
    "stub-zone",
    "forward-zone",
    "auth-zone",
    "view",
    "python",
    "dynlib",
    "dnscrypt",
    "dnstap",
    "cachedb",
    "ipset",
    "rpz",
];

/// Keywords whose values are several words.
const SEVERAL: &[(&str, usize)] = &[
    ("access-control", 2),
    ("access-control-tag", 2),
    ("access-control-view", 2),
    ("access-control-tag-action", 3),
    ("access-control-tag-data", 3),
    ("interface-action", 2),
    ("interface-tag", 2),
    ("interface-view", 2),
    ("interface-tag-action", 3),
    ("interface-tag-data", 3),
    ("local-zone", 2),
    ("local-zone-tag", 2),
    ("local-zone-override", 3),
    ("response-ip", 2),
    ("response-ip-data", 2),
    ("response-ip-tag", 2),
    ("ratelimit-for-domain", 2),
    ("ratelimit-below-domain", 2),
    ("wait-limit-netblock", 2),
    ("wait-limit-cookie-netblock", 2),
    ("edns-client-string", 2),
    ("proxy-protocol-port", 1),
];

/// One attribute.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) spot: Spot,
    pub(super) clause: Rc<str>,
    /// Counts the clauses: attributes of one zone have one number.
    pub(super) number: usize,
    pub(super) name: String,
    /// Never empty.
    pub(super) values: Vec<String>,
}

impl Attribute {
    /// The first value.
    pub(super) fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }
}

/// A word with its line.
struct Word {
    line: usize,
    text: String,
    quoted: bool,
}

/// The attributes of `text`, called `file`. What cannot be read is told and left out.
pub(super) fn read(text: &str, file: &str, include: Include<'_>, errors: &mut Vec<String>) -> Vec<Attribute> {
    let mut reader = Reader { include, errors, list: Vec::new(), clause: "".into(), number: 0 };
    reader.file(text, file, 0);
    reader.list
}

struct Reader<'a> {
    include: Include<'a>,
    errors: &'a mut Vec<String>,
    list: Vec<Attribute>,
    clause: Rc<str>,
    number: usize,
}

impl Reader<'_> {
    fn file(&mut self, text: &str, file: &str, depth: usize) {
        let file: Rc<str> = file.into();
        let mut words = words(text).into_iter().peekable();
        while let Some(word) = words.next() {
            let spot = Spot { file: Rc::clone(&file), line: word.line };
            let Some(name) = word.text.strip_suffix(':').filter(|_| !word.quoted) else {
                self.errors.push(
                    spot.says(format_args!(
                        "syntax error: '{}' is no keyword; keywords end in ':'",
                        word.text
                    )),
                );
                continue;
            };
            if CLAUSES.contains(&name) {
                self.clause = name.into();
                self.number += 1;
                continue;
            }
            let count = SEVERAL.iter().find(|(several, _)| *several == name).map_or(1, |(_, count)| *count);
            let mut values = Vec::new();
            while values.len() < count
                && let Some(value) = words.next_if(|word| word.quoted || !is_keyword(&word.text))
            {
                values.push(value.text);
            }
            if values.len() < count {
                let what = if count == 1 { "a value" } else { "more values" };
                self.errors.push(spot.says(format_args!("'{name}' needs {what}")));
                continue;
            }
            if self.list.len() == MAX_ATTRIBUTES {
                self.errors.push(spot.says("too many attributes"));
                return;
            }
            self.attribute(spot, name, values, depth);
        }
    }

    fn attribute(&mut self, spot: Spot, name: &str, values: Vec<String>, depth: usize) {
        if !["include", "include-toplevel"].contains(&name) {
            if self.clause.is_empty() {
                self.errors
                    .push(spot.says(format_args!("'{name}' stands outside of a clause such as server:")));
                return;
            }
            let (clause, number) = (Rc::clone(&self.clause), self.number);
            self.list.push(Attribute { spot, clause, number, name: name.to_owned(), values });
            return;
        }
        if depth == MAX_DEPTH {
            self.errors.push(spot.says("files include each other too deep; does one include itself?"));
            return;
        }
        let pattern = values.first().map_or("", String::as_str);
        match (self.include)(pattern) {
            Ok(files) => {
                for (file, text) in files {
                    self.file(&text, &file, depth + 1);
                }
            }
            Err(error) => self.errors.push(spot.says(format_args!("cannot include {pattern}: {error}"))),
        }
    }
}

/// Whether a word can only be a keyword: a name of small letters, digits and dashes with a colon behind it.
fn is_keyword(word: &str) -> bool {
    let name = word.strip_suffix(':').unwrap_or_default();
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        // `fe80:` and the like may be parts of nothing else, but no keyword has hexadecimal digits alone.
        && !name.chars().all(|c| c.is_ascii_hexdigit())
}

fn words(text: &str) -> Vec<Word> {
    let mut list = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let (text, quoted, end) = match first {
                '#' => break,
                '"' | '\'' => {
                    let body = &rest[1..];
                    let length = body.find(first).unwrap_or(body.len());
                    (&body[..length], true, (length + 2).min(rest.len()))
                }
                _ => {
                    let ends = |c: char| c.is_whitespace() || c == '"';
                    let blank = rest.find(ends).unwrap_or(rest.len());
                    // `name:value` without a blank is two words.
                    let length = split_keyword(&rest[..blank]).unwrap_or(blank);
                    (&rest[..length], false, length)
                }
            };
            list.push(Word { line: index + 1, text: text.to_owned(), quoted });
            rest = rest[end..].trim_start();
        }
    }
    list
}

/// Where the keyword at the start of `word` ends, if something follows its colon.
fn split_keyword(word: &str) -> Option<usize> {
    let end = word.find(':')? + 1;
    (end < word.len() && is_keyword(&word[..end])).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<String>, Vec<String>) {
        let mut errors = Vec::new();
        let mut include = |pattern: &str| match pattern {
            "*.conf" => Ok(vec![
                ("a.conf".into(), "server: port: 54".into()),
                ("b.conf".into(), "verbosity: 1".into()),
            ]),
            "loop" => Ok(vec![("loop".into(), "include: loop".into())]),
            _ => Err("no such file".to_owned()),
        };
        let list = read(text, "unbound.conf", &mut include, &mut errors);
        let shown = |one: &Attribute| {
            format!(
                "{}:{} {}{} {}={}",
                one.spot.file,
                one.spot.line,
                one.clause,
                one.number,
                one.name,
                one.values.join("|")
            )
        };
        (list.iter().map(shown).collect(), errors)
    }

    #[test]
    fn attributes_have_their_clause_and_may_share_a_line() {
        let text = "server:\n port: 53 # c\n  access-control: 10.0.0.0/8 allow\nforward-zone: name: \".\"\n\
            forward-addr:2001:db8::1@853#a.example\nforward-zone:\nname: 'x y'";
        let expect = [
            "unbound.conf:2 server1 port=53",
            "unbound.conf:3 server1 access-control=10.0.0.0/8|allow",
            "unbound.conf:4 forward-zone2 name=.",
        ];
        let (list, errors) = parse(text);
        assert_eq!(list[..3], expect);
        assert_eq!(list[4], "unbound.conf:7 forward-zone3 name=x y");
        assert_eq!(errors, [""; 0]);
    }

    #[test]
    fn files_stand_where_they_are_included() {
        let (list, errors) = parse("include: *.conf");
        assert_eq!(
            (list, errors.len()),
            (vec!["a.conf:1 server1 port=54".into(), "b.conf:1 server1 verbosity=1".into()], 0)
        );
        assert_eq!(parse("include: x").1, ["unbound.conf:1: cannot include x: no such file"]);
        assert!(parse("include: loop").1[0].contains("does one include itself?"));
    }

    #[test]
    fn what_is_no_attribute_is_told_and_the_rest_is_read() {
        let (list, errors) = parse("port: 1\nserver: foo\n access-control: 10.0.0.0/8\n port:\n port: 2");
        assert_eq!(list, ["unbound.conf:5 server1 port=2"]);
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert_eq!(errors[0], "unbound.conf:1: 'port' stands outside of a clause such as server:");
        assert!(errors[1].contains("'foo' is no keyword"));
    }
}
