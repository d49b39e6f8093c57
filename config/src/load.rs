//! From a file to a validated model.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Gateway;
use crate::reader::{self, Problem, Problems};
use crate::source::{Source, Text};
use std::io;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, Error as SyntaxError};

/// A model and the file it came from.
#[derive(Clone)]
pub struct Loaded {
    /// The model.
    pub model: Gateway,
    /// Where its keys stand.
    pub source: Source,
}

/// Why a file gave no model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not UTF-8 text.
    #[error("{}:{line}: not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first line at fault, from 1.
        line: usize,
    },
    /// The text is wrong; every error with its place.
    #[error("{0}")]
    Invalid(Diagnostics),
}

/// Reads and validates the file at `path`.
///
/// # Errors
/// [`LoadError`]; [`LoadError::Invalid`] holds every error of the file at once.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let bytes =
        std::fs::read(path).map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        LoadError::NotText { path: path.to_owned(), line: good.split(|b| *b == b'\n').count() }
    })?;
    parse(&text, &path.display().to_string()).map_err(LoadError::Invalid)
}

/// Validates the text of a file; `file` is its name in errors. Pure.
///
/// # Errors
/// Every error of the text at once.
pub fn parse(text: &str, file: &str) -> Result<Loaded, Diagnostics> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let text = Text::new(file, text);
    let problems = Problems::new(text.clone());
    let model = reader::gateway(document.get_ref(), &problems);
    let mut problems = problems.into_inner();
    if let Some(first) = syntax.iter().filter_map(SyntaxError::span).map(|span| span.start).min() {
        keep_certain(&mut problems, &text, first);
    }
    match model {
        Ok(model) if syntax.is_empty() && problems.is_empty() => {
            Ok(Loaded { model, source: Source::new(text) })
        }
        Ok(_) | Err(_) => {
            let list =
                syntax_diagnostics(&text, &syntax).chain(problems.into_iter().map(|one| placed(&text, one)));
            Err(Diagnostics::new(text.clone(), list.collect()))
        }
    }
}

/// Behind a syntax error keys may have landed in the wrong table, and what is missing may stand in the part that was
/// not understood: only what is wrong before it is certain.
fn keep_certain(problems: &mut Vec<Problem>, text: &Text, first_syntax_error: usize) {
    let line = text.position(first_syntax_error).line;
    problems.retain(|problem| !problem.absence && text.position(problem.span.end).line < line);
}

/// Syntax errors beyond this number are consequences of the first ones.
const MOST_SYNTAX_ERRORS: usize = 20;

fn syntax_diagnostics(text: &Text, errors: &[SyntaxError]) -> impl Iterator<Item = Diagnostic> {
    let certain = errors.iter().enumerate().filter(|(at, error)| !is_guess(text, &errors[..*at], error));
    certain.take(MOST_SYNTAX_ERRORS).map(|(_, error)| {
        let span = error.span().unwrap_or(0..0);
        Diagnostic {
            path: String::new(),
            message: error.message().to_owned(),
            help: octal(text, span.start).map(|number| format!("write permissions in quotes: \"{number}\"")),
            position: Some(text.position(span.start)),
            span,
        }
    })
}

/// Whether this is said because of one of the errors before it: what follows a header that was not understood lands in
/// another table, and so may stand there twice. A key behind a whole header does not.
fn is_guess(text: &Text, before: &[SyntaxError], error: &SyntaxError) -> bool {
    let start = |error: &SyntaxError| error.span().map_or(0, |span| span.start);
    let Some(last) = before.iter().map(start).filter(|last| *last < start(error)).max() else { return false };
    if error.message() != "duplicate key" {
        return false;
    }
    let source = text.text();
    let line = source[..start(error)].rfind('\n').map_or(0, |end| end + 1);
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let between = source.get(last..line).unwrap_or_default();
    is_header(&source[line..]) || !between.lines().skip(1).any(is_header)
}

/// A number here that begins with a zero, as octal numbers are written elsewhere.
fn octal(text: &Text, start: usize) -> Option<&str> {
    let rest = text.text().get(start..)?;
    let number = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
    (number.len() > 2 && number.starts_with('0')).then_some(number)
}

fn placed(text: &Text, Problem { path, message, help, span, absence: _ }: Problem) -> Diagnostic {
    Diagnostic { path, message, help, position: Some(text.position(span.start)), span }
}
