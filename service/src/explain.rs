//! `explain`: what the running daemon would do with a packet, a query or a request, and why.
//!
//! This end only carries: the text goes to the daemon's own route `POST /explain`, which reads it, and answers as text
//! or as JSON, whichever the request accepts. A text that the daemon cannot read comes back with status 400 and what
//! is wrong with it.

use crate::client::{self, Call, ClientError};
use crate::error::chain;
use clap::{Arg, ArgMatches, Args, Command};
use hyper::header::ACCEPT;
use hyper::{HeaderMap, StatusCode};
use std::io::{self, Read as _};
use std::path::Path;
use thiserror::Error;

/// What a daemon explains. Whoever has one answers `POST /explain`: the request's body is the text, and the header
/// `Accept` says whether the answer is `text/plain` or `application/json`.
#[derive(Clone, Copy, Debug)]
pub struct Explain {
    /// What is explained, as it stands in the usage: `PACKET`.
    pub subject: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// How the subject is written, with examples.
    pub grammar: &'static str,
    /// Options besides. The daemon finds `--NAME VALUE` behind the subject's words.
    pub options: &'static [ExplainOption],
}

/// An option of `explain` with a value.
#[derive(Clone, Copy, Debug)]
pub struct ExplainOption {
    /// Its name without the dashes.
    pub name: &'static str,
    /// What its value is, as it stands in the usage: `ADDRESS`.
    pub value: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
}

/// The subcommand's name.
pub(crate) const NAME: &str = "explain";

const ROUTE: &str = "/explain";

/// The longest text, in bytes: above the hex of the longest packet with generous white space.
const LONGEST: u64 = 1 << 20;

/// What `explain` takes beside the place of the socket.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// What to explain, in one or several words; `-` reads it from standard input
    #[arg(required = true, id = "SUBJECT")]
    words: Vec<String>,
    /// The options of the daemon's own.
    #[arg(skip)]
    pub(crate) options: Vec<String>,
}

/// Why nothing was explained.
#[derive(Debug, Error)]
pub(crate) enum ExplainError {
    #[error("cannot read standard input")]
    Input(#[from] io::Error),
    #[error("standard input is longer than {LONGEST} bytes: give one subject")]
    TooLong,
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    Client(ClientError),
}

impl Explain {
    /// Makes the subcommand this daemon's.
    pub(crate) fn dress(self, command: Command) -> Command {
        let command = command.about(self.about).after_help(self.grammar);
        let command = command.mut_arg("SUBJECT", |arg| arg.value_name(self.subject));
        let option =
            |own: &ExplainOption| Arg::new(own.name).long(own.name).value_name(own.value).help(own.about);
        command.args(self.options.iter().map(option))
    }

    /// The options that were given, as the daemon reads them.
    pub(crate) fn given(self, matches: &ArgMatches) -> Vec<String> {
        let value = |own: &ExplainOption| matches.get_one::<String>(own.name).map(|value| (own.name, value));
        self.options.iter().filter_map(value).map(|(name, value)| format!("--{name} {value}")).collect()
    }
}

/// Asks the daemon behind `socket` to explain.
pub(crate) fn ask(socket: &Path, subject: &Subject, json: bool) -> Result<String, ExplainError> {
    let mut text = subject.words.join(" ");
    if text == "-" {
        text.clear();
        io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LONGEST {
            return Err(ExplainError::TooLong);
        }
    }
    for option in &subject.options {
        text.push(' ');
        text.push_str(option);
    }
    let accept = if json { "application/json" } else { "text/plain" };
    client::block_on(Call::post(ROUTE, accept, text).send(socket)).map_err(|error| match error {
        ClientError::Status { status: StatusCode::BAD_REQUEST, text, .. } => ExplainError::Unreadable(text),
        error => ExplainError::Client(error),
    })
}

/// Whether `Accept` names JSON, whatever else is named: text is for whoever does not ask (RFC 9110 §12.5.1).
pub fn accepts_json(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = ranges.flat_map(|value| value.split(','));
    ranges
        .filter_map(|range| range.split(';').next())
        .any(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

impl ExplainError {
    /// The error and its causes in one line.
    pub(crate) fn chain(&self) -> String {
        chain(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_given_to_whoever_names_it() {
        let check = |lines: &[&str], expect: bool| {
            let headers = lines.iter().map(|line| (ACCEPT, line.parse().unwrap())).collect();
            assert_eq!(accepts_json(&headers), expect, "{lines:?}");
        };
        check(&["application/json"], true);
        check(&["application/json, */*"], true);
        check(&["text/html;q=0.5,Application/JSON;q=0.9"], true);
        check(&["text/plain", "application/json"], true);
        check(&["*/*"], false);
        check(&["application/json-seq"], false);
        check(&[], false);
    }
}
