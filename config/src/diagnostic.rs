//! What is wrong with a file, where, and what to do: the errors of [`crate::parse`] and the refusals of the daemons.
//!
//! Owns the shape of one error and its two renderings: plain text for logs and HTTP bodies, colour for a terminal.
//! Does not decide what is wrong.

use crate::source::Text;
use std::fmt;
use std::ops::Range;

/// Something in a valid model that a daemon cannot serve. [`crate::Source::diagnose`] finds its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The key path, `proxy.listener[0].tls`; indices count from 0 in the order of the file.
    pub path: String,
    /// What cannot be served, lower case, without a full stop.
    pub message: String,
    /// What to do instead.
    pub help: String,
}

/// One error with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The key path, `proxy.pool[0].member[1].address`; empty for an error of TOML syntax.
    pub path: String,
    /// What was expected and what was found, lower case, without a full stop.
    pub message: String,
    /// The remedy, where one is known.
    pub help: Option<String>,
    /// Line and column in the file; `None` if nothing in the file can be pointed at.
    pub position: Option<Position>,
    pub(crate) span: Range<usize>,
}

/// A place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// Everything that is wrong with a file, in the order of the file; never empty.
///
/// `Display` is plain text: each error with its source line, the place underlined, and the remedy.
#[derive(Clone)]
pub struct Diagnostics {
    text: Text,
    list: Vec<Diagnostic>,
}

/// How diagnostics are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without escape sequences.
    Plain,
    /// With the colours of a terminal.
    Colour,
}

impl Diagnostics {
    pub(crate) fn new(text: Text, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|one| (one.position, one.span.start));
        Self { text, list }
    }

    /// The file's name as it was given.
    pub fn file(&self) -> &str {
        self.text.file()
    }

    /// The errors, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// How many errors there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is no error at all, which no function of this crate returns.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One line for each error, `file:line:column: path: message; help`, for logs and other machines.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.list.iter().map(|one| {
            let help = one.help.as_ref().map_or(String::new(), |help| format!("; {help}"));
            match one.position {
                Some(Position { line, column }) => format!("{}:{line}:{column}: {one}{help}", self.file()),
                None => format!("{}: {one}{help}", self.file()),
            }
        })
    }

    /// Each error as `file:line:column: path: message`, its source line with the place underlined, and the remedy.
    pub fn render(&self, style: Style) -> String {
        Rendered { diagnostics: self, style }.to_string()
    }

    fn write_one(&self, out: &mut fmt::Formatter<'_>, one: &Diagnostic, palette: Palette) -> fmt::Result {
        let Palette { place, mark, help, plain } = palette;
        let mut gutter = 0;
        if let Some(Position { line, column }) = one.position {
            let excerpt = self.text.excerpt(&one.span);
            let (before, under) = (" ".repeat(excerpt.before), "^".repeat(excerpt.marked));
            gutter = line.to_string().len();
            writeln!(out, "{place}{}:{line}:{column}:{plain} {one}", self.file())?;
            writeln!(out, "{:gutter$} |", "")?;
            writeln!(out, "{line} | {}", excerpt.text)?;
            writeln!(out, "{:gutter$} | {before}{mark}{under}{plain}", "")?;
        } else {
            writeln!(out, "{place}{}:{plain} {one}", self.file())?;
        }
        if let Some(remedy) = &one.help {
            writeln!(out, "{:gutter$} = {help}help:{plain} {remedy}", "")?;
        }
        writeln!(out)
    }
}

/// Diagnostics in a style.
struct Rendered<'a> {
    diagnostics: &'a Diagnostics,
    style: Style,
}

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { diagnostics, style } = self;
        diagnostics.list.iter().try_for_each(|one| diagnostics.write_one(f, one, style.palette()))
    }
}

/// The escape sequences of a style; all empty for plain text.
#[derive(Clone, Copy)]
struct Palette {
    place: &'static str,
    mark: &'static str,
    help: &'static str,
    plain: &'static str,
}

impl Style {
    const fn palette(self) -> Palette {
        match self {
            Self::Plain => Palette { place: "", mark: "", help: "", plain: "" },
            Self::Colour => {
                Palette { place: "\x1b[1m", mark: "\x1b[1;31m", help: "\x1b[36m", plain: "\x1b[0m" }
            }
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Rendered { diagnostics: self, style: Style::Plain }.fmt(f)
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines()).finish()
    }
}

impl std::error::Error for Diagnostics {}
