//! What is wrong with a file, where, and what to do: the errors of [`crate::parse`] and the refusals of the daemons.
//!
//! Owns the shape of one error and its two renderings: plain text for logs and HTTP bodies, colour for a terminal.
//! Does not decide what is wrong.

use crate::source::Text;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
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

    /// All errors with their source lines.
    pub fn render(&self, style: Style) -> String {
        let theme = match style {
            Style::Plain => GraphicalTheme::unicode_nocolor(),
            Style::Colour => GraphicalTheme::unicode(),
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(WIDTH)
            .with_context_lines(0)
            .with_links(false);
        let mut out = String::new();
        for one in &self.list {
            let report = Report { text: &self.text, one };
            if handler.render_report(&mut out, &report).is_err() {
                // The place could not be drawn; the error itself must not be lost.
                out.push_str(&format!("  × {one}\n"));
            }
        }
        out
    }
}

/// Columns that messages and helps are wrapped to.
const WIDTH: usize = 110;

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
        f.write_str(&self.render(Style::Plain))
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines()).finish()
    }
}

impl std::error::Error for Diagnostics {}

/// One error as miette wants it.
struct Report<'a> {
    text: &'a Text,
    one: &'a Diagnostic,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.one.fmt(f)
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.one, f)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.one.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.one.position.is_some().then(|| self.text.source_code())
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.one.position?;
        let Range { start, end } = self.one.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::new(None, start, end - start))))
    }
}
