//! What a daemon does at once when it is told to, by a command of its own such as `flush`.
//!
//! This end only carries, as [`crate::Explain`] does: the command's words and flags go as one text to a route of the
//! daemon's, which reads it, does it, and answers as text or as JSON. A text that the daemon cannot read comes back with
//! status 400 and what is wrong with it.

use crate::client::{self, Call, ClientError};
use clap::{Arg, ArgAction, ArgMatches, Command};
use hyper::StatusCode;
use std::path::Path;
use thiserror::Error;

/// A command that tells the running daemon to do something.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The command's name.
    pub name: &'static str,
    /// Other names that it goes by.
    pub aliases: &'static [&'static str],
    /// What it is about, as it stands in the usage: `NAME`.
    pub subject: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// How the subject is written, with examples.
    pub grammar: &'static str,
    /// Flags without values: name and one sentence for `--help`. The daemon finds `--NAME` behind the subject's words.
    pub flags: &'static [(&'static str, &'static str)],
    /// Where `POST` takes the text.
    pub route: &'static str,
}

/// Why nothing was done.
#[derive(Debug, Error)]
pub(crate) enum OrderError {
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    Client(ClientError),
}

/// The id of the subject's words.
const WORDS: &str = "SUBJECT";

impl Order {
    /// Makes `command` this order's.
    pub(crate) fn dress(self, command: Command) -> Command {
        let names: Vec<_> = self.subject.split(' ').collect();
        let words = Arg::new(WORDS).num_args(0..=names.len()).value_names(names).help(self.subject);
        let flag = |(name, about)| Arg::new(name).long(name).action(ArgAction::SetTrue).help(about);
        let flags = self.flags.iter().map(|(name, about)| (*name, *about)).map(flag);
        let command = command.visible_aliases(self.aliases);
        command.about(self.about).after_help(self.grammar).arg(words).args(flags)
    }

    /// What was given, as the daemon reads it.
    pub(crate) fn given(self, matches: &ArgMatches) -> String {
        let words = matches.get_many::<String>(WORDS).into_iter().flatten().cloned();
        let flags = self.flags.iter().filter(|(name, _)| matches.get_flag(name));
        words.chain(flags.map(|(name, _)| format!("--{name}"))).collect::<Vec<_>>().join(" ")
    }

    /// Tells the daemon behind `socket`.
    pub(crate) fn give(self, socket: &Path, text: String, json: bool) -> Result<String, OrderError> {
        let accept = if json { "application/json" } else { "text/plain" };
        let answer = client::block_on(Call::post(self.route, accept, text).send(socket));
        answer.map(whole_lines).map_err(|error| match error {
            ClientError::Status { status: StatusCode::BAD_REQUEST, text, .. } => OrderError::Unreadable(text),
            error => OrderError::Client(error),
        })
    }
}

/// The same with the end of its last line, which JSON comes without.
fn whole_lines(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_words_are_taken_as_the_subject_has() {
        for (subject, usage, most) in [("A", "[A]", 1), ("A N", "[A] [N]", 2)] {
            let order = Order { subject, ..FLUSH };
            let program = || Command::new("x").subcommand(order.dress(Command::new("flush")));
            let line = |words: usize| [vec!["x", "flush"], vec!["a"; words]].concat();
            assert!(program().try_get_matches_from(line(most)).is_ok());
            assert!(program().try_get_matches_from(line(most + 1)).is_err());
            let help = program().try_get_matches_from(["x", "flush", "--help"]).unwrap_err().to_string();
            assert!(help.contains(&format!("flush [OPTIONS] {usage}\n")), "{help}");
        }
    }

    #[test]
    fn every_answer_ends_its_last_line() {
        assert_eq!(whole_lines("{}".to_owned()), "{}\n");
        assert_eq!(whole_lines("done\n".to_owned()), "done\n");
    }

    const FLUSH: Order = Order {
        name: "flush",
        aliases: &["forget"],
        subject: "NAME",
        about: "Forget",
        grammar: "",
        flags: &[("subtree", "And all below"), ("all", "Everything")],
        route: "/flush",
    };

    #[test]
    fn words_and_flags_become_one_text() {
        let check = |arguments: &[&str], expect: &str| {
            let program = || Command::new("x").subcommand(FLUSH.dress(Command::new("flush")));
            for name in ["flush", "forget"] {
                let matches = program().try_get_matches_from([&["x", name], arguments].concat()).unwrap();
                let (found, matches) = matches.subcommand().expect("a command");
                assert_eq!((found, FLUSH.given(matches).as_str()), ("flush", expect));
            }
        };
        check(&["example.com"], "example.com");
        check(&["--subtree", "example.com"], "example.com --subtree");
        check(&["--all"], "--all");
        check(&[], "");
    }
}
