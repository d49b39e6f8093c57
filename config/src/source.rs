//! The file's text and where each key stands in it.

use crate::diagnostic::{Diagnostic, Diagnostics, Position, Refusal};
use miette::{NamedSource, SourceCode};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file's name and text; cheap to clone.
#[derive(Clone)]
pub(crate) struct Text {
    named: Arc<NamedSource<String>>,
    lines: Arc<[usize]>,
}

impl Text {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { named: Arc::new(NamedSource::new(file, text.to_owned())), lines: starts }
    }

    pub(crate) fn file(&self) -> &str {
        self.named.name()
    }

    pub(crate) fn text(&self) -> &str {
        self.named.inner()
    }

    pub(crate) fn source_code(&self) -> &dyn SourceCode {
        &*self.named
    }

    /// Line and column of a byte; one beyond the end counts as the end.
    pub(crate) fn position(&self, byte: usize) -> Position {
        let byte = self.floor(byte);
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = self.lines[line - 1];
        Position { line, column: self.text()[start..byte].chars().count() + 1 }
    }

    /// `span` cut to the text, to whole characters and to its first line, so that it can be underlined.
    pub(crate) fn underlined(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.floor(span.start);
        let end = self.floor(span.end.max(start));
        let line = &self.text()[start..end];
        start..start + line.find(['\r', '\n']).unwrap_or(line.len())
    }

    fn floor(&self, byte: usize) -> usize {
        let mut at = byte.min(self.text().len());
        while !self.text().is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// Where the keys of a parsed file stand, so that what a daemon refuses can be pointed at.
#[derive(Clone)]
pub struct Source {
    text: Text,
    places: Arc<HashMap<String, Range<usize>>>,
}

impl Source {
    pub(crate) fn new(text: Text, table: &DeTable<'_>) -> Self {
        let mut places = HashMap::new();
        enter_table(&mut places, "", table);
        Self { text, places: Arc::new(places) }
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
                    span: place.map_or(0..0, |span| self.text.underlined(span)),
                    path,
                    message,
                    help: Some(help).filter(|help| !help.is_empty()),
                }
            })
            .collect();
        Diagnostics::new(self.text.clone(), list)
    }

    fn place(&self, path: &str) -> Option<&Range<usize>> {
        let mut path = path;
        loop {
            if let Some(span) = self.places.get(path) {
                return Some(span);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

fn enter_table(places: &mut HashMap<String, Range<usize>>, path: &str, table: &DeTable<'_>) {
    for (key, value) in table {
        enter_value(places, join(path, key.get_ref()), value);
    }
}

fn enter_value(places: &mut HashMap<String, Range<usize>>, path: String, value: &Spanned<DeValue<'_>>) {
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
