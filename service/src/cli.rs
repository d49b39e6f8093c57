//! The command line that every daemon shares, and the exit codes behind it.

use crate::daemon::Daemon;
use crate::error::chain;
use crate::explain::{self, ExplainError, Subject};
use crate::file::{self, FileError};
use crate::order::{Order, OrderError};
use crate::terms::Terms;
use crate::{admin, run, status};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use config::import::{KINDS, Kind};
use config::{Refusal, Style};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The version of all causeway programs; they are built from one tree.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Bad usage or bad configuration: nothing was started.
const BAD_INPUT: u8 = 2;

#[derive(Debug, Parser)]
#[command(version = VERSION)]
struct Cli {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/causeway/gateway.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Default, Subcommand)]
enum Command {
    /// Run the daemon in the foreground (the default)
    #[default]
    Run,
    /// Print every error of the configuration file, or that it is fine
    Check,
    /// Print the configuration with every default filled in
    ShowConfig,
    /// Print the gateway.toml that says what another program's file says, and what it cannot say
    Import {
        /// The program
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(KINDS.iter().map(|kind| kind.name)))]
        kind: String,
        /// Its file
        #[arg(value_name = "FILE")]
        import: PathBuf,
    },
    /// Ask the running daemon how it is; fails unless it is ready
    Status(Asking),
}

/// How the running daemon is asked.
#[derive(Clone, Debug, Args)]
struct Asking {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Look for its socket here, and not where `[admin] socket` of the file says
    #[arg(long, value_name = "DIR")]
    socket: Option<PathBuf>,
}

/// The command of the daemons that explain something.
#[derive(Debug, Args)]
struct ExplainCommand {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    asking: Asking,
}

/// Parses the process's arguments and does what they say.
pub(crate) fn main<D: Daemon>() -> ExitCode {
    let parsed = usage::<D>().try_get_matches().and_then(|matches| {
        if let Some((explain::NAME, own)) = matches.subcommand() {
            let config = own.get_one(CONFIG).cloned().unwrap_or_default();
            let mut command = ExplainCommand::from_arg_matches(own)?;
            command.subject.options = D::EXPLAIN.map(|explain| explain.given(own)).unwrap_or_default();
            return Ok((config, Chosen::Explain(command)));
        }
        let ordered = matches
            .subcommand()
            .and_then(|(name, own)| Some((D::ORDERS.iter().find(|order| order.name == name).copied()?, own)));
        if let Some((order, own)) = ordered {
            let config = own.get_one(CONFIG).cloned().unwrap_or_default();
            return Ok((config, Chosen::Order(order, order.given(own), Asking::from_arg_matches(own)?)));
        }
        let Cli { config, command } = Cli::from_arg_matches(&matches)?;
        Ok((config, Chosen::Common(command.unwrap_or_default())))
    });
    let (config, command) = match parsed {
        Ok(chosen) => chosen,
        Err(answer) => {
            // Help and version arrive here too; clap knows the stream and the status of each.
            let _ = answer.print();
            return u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    match command {
        Chosen::Common(Command::Run) => run::<D>(&config),
        Chosen::Common(Command::Check) => check::<D>(&config),
        Chosen::Common(Command::ShowConfig) => show_config(&config),
        Chosen::Common(Command::Import { kind, import: file }) => import::<D>(&kind, &file),
        Chosen::Common(Command::Status(asking)) => status::<D>(&config, asking),
        Chosen::Explain(command) => explain::<D>(&config, command),
        Chosen::Order(own, text, asking) => order::<D>(&config, own, text, asking),
    }
}

/// The name of the option that every command takes.
const CONFIG: &str = "config";

/// The command on the command line.
enum Chosen {
    Common(Command),
    Explain(ExplainCommand),
    Order(Order, String, Asking),
}

/// The command line of a daemon.
fn usage<D: Daemon>() -> clap::Command {
    let usage = Cli::command().name(D::NAME).bin_name(D::NAME).about(D::ABOUT);
    let explain =
        D::EXPLAIN.map(|own| own.dress(ExplainCommand::augment_args(clap::Command::new(explain::NAME))));
    let orders = D::ORDERS.iter().map(|own| own.dress(Asking::augment_args(clap::Command::new(own.name))));
    usage.subcommands(explain.into_iter().chain(orders))
}

fn run<D: Daemon>(config: &Path) -> ExitCode {
    match file::load::<D>(config) {
        Ok(model) => run::run::<D>(model, Terms::of_file::<D>(config)),
        Err(error) => refuse(&error),
    }
}

fn check<D: Daemon>(config: &Path) -> ExitCode {
    match file::load::<D>(config) {
        Ok(model) => {
            for advice in D::advise(&model) {
                complain(&format_args!("{}: warning: {advice}\n", config.display()));
            }
            print(&format_args!("{}: ok\n", config.display()), ExitCode::SUCCESS)
        }
        Err(error) => refuse(&error),
    }
}

fn show_config(config: &Path) -> ExitCode {
    match config::load(config) {
        Ok(loaded) => print(&config::show(&loaded.model), ExitCode::SUCCESS),
        Err(error) => refuse(&error.into()),
    }
}

/// Prints a file only if the daemon takes it: who reads it next should not have to mend it. Files that it names are not
/// read, since they may have to be made first, or stand on another machine. What is lost is told in any case.
fn import<D: Daemon>(kind: &str, file: &Path) -> ExitCode {
    let kind = Kind::find(kind).expect("the command line takes the names of kinds only");
    let imported = match kind.import(file) {
        Ok(imported) => imported,
        Err(error) => {
            complain(&format_args!("{}\n", chain(&error)));
            return ExitCode::from(BAD_INPUT);
        }
    };
    for note in &imported.notes {
        complain(&format_args!("{note}\n"));
    }
    let refusals = if imported.model.has(D::SECTION) { D::check(&imported.model) } else { Vec::new() };
    for Refusal { path, message, help } in &refusals {
        let place = imported.place(path).map_or_else(|| file.display().to_string(), str::to_owned);
        complain(&format_args!("{place}: {path}: {message}; {help}\n"));
    }
    if refusals.is_empty() {
        print(&config::show(&imported.model), ExitCode::SUCCESS)
    } else {
        ExitCode::from(BAD_INPUT)
    }
}

fn status<D: Daemon>(config: &Path, asking: Asking) -> ExitCode {
    let socket = match socket_of::<D>(config, asking.socket, "status") {
        Ok(socket) => socket,
        Err(code) => return code,
    };
    match status::ask(&socket, D::NAME) {
        Ok(status) => {
            let code = if status.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            if asking.json { print(&status.json(), code) } else { print(&status.text(), code) }
        }
        Err(error) => fail::<D>(&chain(&error)),
    }
}

fn explain<D: Daemon>(config: &Path, ExplainCommand { subject, asking }: ExplainCommand) -> ExitCode {
    let socket = match socket_of::<D>(config, asking.socket, explain::NAME) {
        Ok(socket) => socket,
        Err(code) => return code,
    };
    match explain::ask(&socket, &subject, asking.json) {
        Ok(answer) => print(&answer, ExitCode::SUCCESS),
        Err(error @ ExplainError::Unreadable(_)) => {
            complain(&format_args!("{error}\n"));
            ExitCode::from(BAD_INPUT)
        }
        Err(error) => fail::<D>(&error.chain()),
    }
}

fn order<D: Daemon>(config: &Path, order: Order, text: String, asking: Asking) -> ExitCode {
    let socket = match socket_of::<D>(config, asking.socket, order.name) {
        Ok(socket) => socket,
        Err(code) => return code,
    };
    match order.give(&socket, text, asking.json) {
        Ok(answer) => print(&answer, ExitCode::SUCCESS),
        Err(error @ OrderError::Unreadable(_)) => {
            complain(&format_args!("{error}\n"));
            ExitCode::from(BAD_INPUT)
        }
        Err(error @ OrderError::Client(_)) => fail::<D>(&chain(&error)),
    }
}

/// The daemon's socket in the directory that was given, or that the file names; otherwise the status to exit with.
fn socket_of<D: Daemon>(config: &Path, given: Option<PathBuf>, command: &str) -> Result<PathBuf, ExitCode> {
    let directory = given.map_or_else(|| Ok(config::load(config)?.model.admin.socket), Ok);
    directory.map(|directory| admin::socket_path(&directory, D::NAME)).map_err(|error: FileError| {
        let code = refuse(&error);
        complain(&format_args!(
            "The file says where the daemon's socket is; `{command} --socket DIR` asks without it.\n"
        ));
        code
    })
}

/// Says what went wrong while the daemon was asked.
fn fail<D: Daemon>(reason: &str) -> ExitCode {
    complain(&format_args!("{}: {reason}\n", D::NAME));
    ExitCode::FAILURE
}

fn refuse(error: &FileError) -> ExitCode {
    let style = if io::stderr().is_terminal() { Style::Colour } else { Style::Plain };
    complain(&format_args!("{}\n", error.render(style).trim_end()));
    ExitCode::from(BAD_INPUT)
}

/// Writes to standard output. A reader that has gone away, as `head` does, is no failure.
fn print(text: &dyn Display, code: ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            complain(&format_args!("cannot write to standard output: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard error, where nobody is left to hear of a failure.
fn complain(text: &dyn Display) {
    let _ = write!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_with_the_system_file_is_the_default() {
        let cli = Cli::parse_from(["causeway-x"]);
        assert_eq!(cli.config, Path::new("/etc/causeway/gateway.toml"));
        assert!(matches!(cli.command.unwrap_or_default(), Command::Run));
    }

    #[test]
    fn config_stands_before_or_behind_the_command() {
        for line in
            [["causeway-x", "--config", "a.toml", "check"], ["causeway-x", "check", "--config", "a.toml"]]
        {
            let cli = Cli::parse_from(line);
            assert_eq!(cli.config, Path::new("a.toml"));
            assert!(matches!(cli.command, Some(Command::Check)));
        }
    }
}
