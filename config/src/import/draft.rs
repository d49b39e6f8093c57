//! A gateway.toml in the making: the model so far, where its keys come from, and what it does not say.

use super::{Imported, Note, invalid};
use crate::model::{Dns64, Gateway, Upstream, UpstreamTransport};
use crate::parse;
use std::net::SocketAddr;
use std::rc::Rc;

/// Where something stands in the file that is imported, or in one that it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) file: Rc<str>,
    /// From 1.
    pub(super) line: usize,
}

impl Spot {
    /// A message about this place.
    pub(super) fn says(&self, message: impl std::fmt::Display) -> String {
        format!("{}:{}: {message}", self.file, self.line)
    }

    /// A note about this place.
    pub(super) fn note(&self, directive: &'static str, text: impl Into<String>) -> Note {
        Note { file: self.file.to_string(), line: self.line, directive, text: text.into() }
    }
}

/// A resolver's file in the making. Begins with every default.
pub(super) struct Draft {
    /// The name of the file.
    file: String,
    pub(super) model: Gateway,
    pub(super) notes: Vec<Note>,
    pub(super) errors: Vec<String>,
    /// The beginning of a key's path, and where it comes from.
    places: Vec<(&'static str, Spot)>,
}

impl Draft {
    /// A file with a resolver that has no upstream yet.
    pub(super) fn resolver(file: &str, notes: Vec<Note>) -> Self {
        let text = "[prefix]\npref64 = \"64:ff9b::/96\"\n[dns64]\nupstream = [\"192.0.2.53\"]\n";
        let mut model = parse(text, "gateway.toml").map(|parsed| parsed.model).unwrap_or_default();
        if let Some(dns64) = &mut model.dns64 {
            dns64.upstream.clear();
        }
        Self { file: file.to_owned(), model, notes, errors: Vec::new(), places: Vec::new() }
    }

    /// Changes the resolver's section; the key that begins with `path` comes from `spot`.
    pub(super) fn set(&mut self, path: &'static str, spot: &Spot, change: impl FnOnce(&mut Dns64)) {
        self.places.push((path, spot.clone()));
        if let Some(dns64) = &mut self.model.dns64 {
            change(dns64);
        }
    }

    /// Says what the file lacks.
    pub(super) fn lacks(&mut self, message: &str) {
        self.errors.push(format!("{}: {message}", self.file));
    }

    /// Notes what is lost.
    pub(super) fn lose(&mut self, spot: &Spot, directive: &'static str, text: impl Into<String>) {
        self.notes.push(spot.note(directive, text));
    }

    /// The model and the notes, or every error.
    pub(super) fn finish(mut self) -> Result<Imported, Vec<String>> {
        // What is missing makes a model invalid a second time.
        if self.errors.is_empty() {
            self.errors = invalid(&self.model).iter().map(|(path, error)| self.placed(path, error)).collect();
        }
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        self.notes.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let place = |(key, spot): (&'static str, Spot)| (key, format!("{}:{}", spot.file, spot.line));
        let places = self.places.into_iter().map(place).collect();
        Ok(Imported { model: self.model, notes: self.notes, places })
    }

    fn placed(&self, path: &str, error: &str) -> String {
        match self.places.iter().find(|(key, _)| path.starts_with(key)) {
            Some((_, spot)) => spot.says(error),
            None => format!("{}: {path}: {error}", self.file),
        }
    }
}

/// An upstream that is asked over UDP.
pub(super) fn plain(address: &SocketAddr) -> Upstream {
    Upstream { transport: UpstreamTransport::Plain, address: *address }
}

/// The lines of gateway.toml that differ from a resolver's with every default.
#[cfg(test)]
pub(super) fn changed(model: &Gateway) -> Vec<String> {
    let default = crate::show(&Draft::resolver("", Vec::new()).model);
    let known: std::collections::HashSet<&str> = default.lines().collect();
    crate::show(model).lines().filter(|line| !known.contains(line)).map(str::to_owned).collect()
}
