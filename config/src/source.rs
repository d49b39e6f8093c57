//! The file's text and where each key stands in it.

use crate::diagnostic::{Diagnostic, Diagnostics, Position, Refusal};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file's name and text; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    file: Arc<str>,
    content: Arc<str>,
    /// Where each line begins.
    lines: Arc<[usize]>,
}

/// The line of an error, fit to be printed.
pub(crate) struct Excerpt {
    pub(crate) text: String,
    /// Characters before the place.
    pub(crate) before: usize,
    /// Characters of the place, at least one.
    pub(crate) marked: usize,
}

/// Longer lines are cut on both sides of the place.
const LONGEST_LINE: usize = 120;
/// Characters that stay before the place where a line is cut.
const LEAD: usize = 30;

impl Text {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file: file.into(), content: text.into(), lines }
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn text(&self) -> &str {
        &self.content
    }

    /// Line and column of a byte; one beyond the end counts as the end.
    pub(crate) fn position(&self, byte: usize) -> Position {
        let byte = self.floor(byte);
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = self.lines[line - 1];
        Position { line, column: self.content[start..byte].chars().count() + 1 }
    }

    /// The line in which `span` begins. Control characters become blanks, so that columns agree and a terminal
    /// obeys nothing that stands in the file.
    pub(crate) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let Position { line, column } = self.position(span.start);
        let from = self.lines[line - 1];
        let to = self.lines.get(line).map_or(self.content.len(), |next| next - 1);
        let whole: Vec<char> = self.content[from..to].trim_end_matches('\r').chars().collect();
        let before = (column - 1).min(whole.len());
        let start = self.floor(span.start);
        let end = self.floor(span.end).min(to).max(start);
        let marked = self.content[start..end].chars().count().min(whole.len() - before);
        let skipped = if whole.len() > LONGEST_LINE { before.saturating_sub(LEAD) } else { 0 };
        let shown = whole.iter().skip(skipped).take(LONGEST_LINE);
        let text: String = shown.map(|c| if c.is_control() { ' ' } else { *c }).collect();
        Excerpt { text, before: before - skipped, marked: marked.clamp(1, LONGEST_LINE) }
    }

    fn floor(&self, byte: usize) -> usize {
        let mut at = byte.min(self.content.len());
        while !self.content.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Where the keys of a parsed file stand, so that what a daemon refuses can be pointed at.
#[derive(Clone)]
pub struct Source {
    text: Text,
    /// Found when something is first asked for: nobody asks about a file without faults.
    places: Arc<OnceLock<Places>>,
}

/// By key path.
type Places = HashMap<String, Range<usize>>;

impl Source {
    pub(crate) fn new(text: Text) -> Self {
        Self { text, places: Arc::default() }
    }

    /// The file's name as it was given.
    pub fn file(&self) -> &str {
        self.text.file()
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        self.text.text()
    }

    /// Where the value at a key path begins; of a path that is not in the file, where its nearest parent begins.
    pub fn position(&self, path: &str) -> Option<Position> {
        self.place(path).map(|span| self.text.position(span.start))
    }

    /// Gives refusals their places. A refusal of a key that is not in the file, because its default is refused, is
    /// placed at the table that lacks it.
    pub fn diagnose(&self, refusals: Vec<Refusal>) -> Diagnostics {
        let list = refusals
            .into_iter()
            .map(|Refusal { path, message, help }| {
                let place = self.place(&path);
                Diagnostic {
                    position: place.map(|span| self.text.position(span.start)),
                    span: place.map_or(0..0, Clone::clone),
                    path,
                    message,
                    help: Some(help).filter(|help| !help.is_empty()),
                }
            })
            .collect();
        Diagnostics::new(self.text.clone(), list)
    }

    fn place(&self, path: &str) -> Option<&Range<usize>> {
        let places = self.places.get_or_init(|| {
            let mut places = Places::new();
            enter_table(&mut places, "", DeTable::parse_recoverable(self.text.text()).0.get_ref());
            places
        });
        let mut path = path;
        loop {
            if let Some(span) = places.get(path) {
                return Some(span);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

fn enter_table(places: &mut Places, path: &str, table: &DeTable<'_>) {
    for (key, value) in table {
        enter_value(places, join(path, key.get_ref()), value);
    }
}

fn enter_value(places: &mut Places, path: String, value: &Spanned<DeValue<'_>>) {
    match value.get_ref() {
        DeValue::Table(table) => enter_table(places, &path, table),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                enter_value(places, format!("{path}[{index}]"), element);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
    places.insert(path, value.span());
}

/// The path of `key` in the table at `path`. Keys that TOML would quote are quoted.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let dot = if path.is_empty() { "" } else { "." };
    if bare { format!("{path}{dot}{key}") } else { format!("{path}{dot}{key:?}") }
}
