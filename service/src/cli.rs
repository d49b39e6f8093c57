//! The command line that every daemon shares, and the exit codes behind it.

use crate::daemon::Daemon;
use crate::error::chain;
use crate::file::{self, FileError};
use crate::{run, status};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use config::Style;
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
    /// Ask the running daemon how it is; fails unless it is ready
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// Look for its socket here, and not where `[admin] socket` of the file says
        #[arg(long, value_name = "DIR")]
        socket: Option<PathBuf>,
    },
}

/// Parses the process's arguments and does what they say.
pub(crate) fn main<D: Daemon>() -> ExitCode {
    let usage = Cli::command().name(D::NAME).bin_name(D::NAME).about(D::ABOUT);
    let parsed = usage.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let Cli { config, command } = match parsed {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and version arrive here too; clap knows the stream and the status of each.
            let _ = answer.print();
            return u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    match command.unwrap_or_default() {
        Command::Run => run::<D>(&config),
        Command::Check => check::<D>(&config),
        Command::ShowConfig => show_config(&config),
        Command::Status { json, socket } => status::<D>(&config, socket, json),
    }
}

fn run<D: Daemon>(config: &Path) -> ExitCode {
    match file::load::<D>(config) {
        Ok(model) => run::run::<D>(config, model),
        Err(error) => refuse(&error),
    }
}

fn check<D: Daemon>(config: &Path) -> ExitCode {
    match file::load::<D>(config) {
        Ok(_) => print(&format_args!("{}: ok\n", config.display()), ExitCode::SUCCESS),
        Err(error) => refuse(&error),
    }
}

fn show_config(config: &Path) -> ExitCode {
    match config::load(config) {
        Ok(loaded) => print(&config::show(&loaded.model), ExitCode::SUCCESS),
        Err(error) => refuse(&error.into()),
    }
}

fn status<D: Daemon>(config: &Path, socket: Option<PathBuf>, json: bool) -> ExitCode {
    let directory = match socket.map_or_else(|| socket_of(config), Ok) {
        Ok(directory) => directory,
        Err(error) => {
            let code = refuse(&error);
            complain(&"The file says where the daemon's socket is; `status --socket DIR` asks without it.\n");
            return code;
        }
    };
    match status::ask(&directory, D::NAME) {
        Ok(status) => {
            let code = if status.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            if json { print(&status.json(), code) } else { print(&status.table(), code) }
        }
        Err(error) => {
            complain(&format_args!("{}: {}\n", D::NAME, chain(&error)));
            ExitCode::FAILURE
        }
    }
}

fn socket_of(config: &Path) -> Result<PathBuf, FileError> {
    Ok(config::load(config)?.model.admin.socket)
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
