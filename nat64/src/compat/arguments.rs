//! Tayga's command line, with the manners of `getopt_long(3)`: options in any order, short ones together, long ones
//! abbreviated, other words passed over.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// Where the file is unless the command line says otherwise.
const CONFIG: &str = "/etc/tayga.conf";

/// What the command line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// `-c`: the file.
    pub config: PathBuf,
    /// What is to be done.
    pub task: Task,
    /// Where the log goes.
    pub log: Log,
    /// `-d`: debug messages.
    pub debug: bool,
    /// Neither `-n` nor `-d`: the daemon leaves its terminal.
    pub detach: bool,
    /// `-u`.
    pub user: Option<String>,
    /// `-g`.
    pub group: Option<String>,
    /// `-r`: the daemon locks itself into `data-dir`.
    pub chroot: bool,
    /// `-p`.
    pub pid_file: Option<PathBuf>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Translate.
    Run,
    /// `--mktun`.
    MakeTun,
    /// `--rmtun`.
    RemoveTun,
}

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// `--stdout`, and whatever ends at once.
    Stdout,
    /// `--syslog`, and without any of the three.
    Syslog,
    /// `--journal`.
    Journal,
}

/// Why nothing is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// `-h`.
    Help,
    /// A word that is no option; the message follows the program's name.
    Option(String),
    /// Options that do not go together.
    Together(String),
}

/// What an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Config,
    Debug,
    NoDetach,
    User,
    Group,
    Chroot,
    PidFile,
    Syslog,
    Stdout,
    Journal,
    Help,
    MakeTun,
    RemoveTun,
}

/// One option.
struct Spec {
    name: Name,
    short: Option<u8>,
    long: &'static str,
    has_value: bool,
}

const fn spec(name: Name, short: Option<u8>, long: &'static str, has_value: bool) -> Spec {
    Spec { name, short, long, has_value }
}

const OPTIONS: &[Spec] = &[
    spec(Name::Config, Some(b'c'), "config", true),
    spec(Name::Debug, Some(b'd'), "debug", false),
    spec(Name::NoDetach, Some(b'n'), "nodetach", false),
    spec(Name::User, Some(b'u'), "user", true),
    spec(Name::Group, Some(b'g'), "group", true),
    spec(Name::Chroot, Some(b'r'), "chroot", false),
    spec(Name::PidFile, Some(b'p'), "pidfile", true),
    spec(Name::Syslog, None, "syslog", false),
    spec(Name::Stdout, None, "stdout", false),
    spec(Name::Journal, None, "journal", false),
    spec(Name::Help, Some(b'h'), "help", false),
    spec(Name::MakeTun, None, "mktun", false),
    spec(Name::RemoveTun, None, "rmtun", false),
];

const USAGE: &str = "\
Usage: tayga [-c|--config FILE] [-d|--debug] [-n|--nodetach] [-u|--user USER]
             [-g|--group GROUP] [-r|--chroot] [-p|--pidfile FILE]
             [--syslog|--stdout|--journal] [-h|--help]
       tayga [-c|--config FILE] --mktun
       tayga [-c|--config FILE] --rmtun

This is causeway-nat64 with the command line and the file of Tayga.

-c, --config FILE   read this file (default: /etc/tayga.conf)
-d, --debug         log to standard output, with debug messages; stay in the foreground
-n, --nodetach      stay in the foreground
-u, --user USER     become this user once the device is attached
-g, --group GROUP   become this group once the device is attached
-r, --chroot        lock the process into the file's data-dir
-p, --pidfile FILE  write the number of the process to FILE
--syslog            log to the syslog daemon (default)
--stdout            log to standard output
--journal           log to the journal, and tell systemd when the daemon is ready
--mktun             make the file's tun-device, persistent, and end
--rmtun             remove the file's tun-device, and end
-h, --help          print this and end with status 1
";

impl Wrong {
    /// What is printed; `program` is the name that it was called by.
    pub fn text(&self, program: &str) -> String {
        match self {
            Self::Help => USAGE.to_owned(),
            Self::Option(message) => {
                format!("{program}: {message}\nTry `{program} --help' for more information.\n")
            }
            Self::Together(message) => format!("{message}\n"),
        }
    }
}

impl Arguments {
    /// Reads the words behind the program's name.
    ///
    /// # Errors
    /// [`Wrong`]; the first error counts.
    pub fn parse(words: impl Iterator<Item = OsString>) -> Result<Self, Wrong> {
        let given = options(words)?;
        let is_given = |name: Name| given.iter().any(|(one, _)| *one == name);
        // Of an option that is given twice the last one counts.
        let value =
            |name: Name| given.iter().rev().find(|(one, _)| *one == name).map(|(_, value)| value.clone());
        if is_given(Name::Help) {
            return Err(Wrong::Help);
        }
        let task = match (is_given(Name::MakeTun), is_given(Name::RemoveTun)) {
            (false, false) => Task::Run,
            (true, false) => Task::MakeTun,
            (false, true) => Task::RemoveTun,
            (true, true) => {
                return Err(Wrong::Together("Error: both --mktun and --rmtun specified".to_owned()));
            }
        };
        if task != Task::Run {
            for (name, words) in [
                (Name::User, "-u or --user"),
                (Name::Group, "-g or --group"),
                (Name::Chroot, "-r or --chroot"),
            ] {
                if is_given(name) {
                    return Err(Wrong::Together(format!(
                        "Error: cannot specify {words} with mktun/rmtun operation"
                    )));
                }
            }
        }
        let debug = is_given(Name::Debug);
        let text = |name: Name| value(name).map(|value| value.to_string_lossy().into_owned());
        Ok(Self {
            config: value(Name::Config).map_or_else(|| PathBuf::from(CONFIG), PathBuf::from),
            task,
            log: if debug || task != Task::Run { Log::Stdout } else { log(&given) },
            debug,
            detach: !debug && !is_given(Name::NoDetach),
            user: text(Name::User),
            group: text(Name::Group),
            chroot: is_given(Name::Chroot),
            pid_file: value(Name::PidFile).map(PathBuf::from),
        })
    }
}

/// The last of the three options.
fn log(given: &[(Name, OsString)]) -> Log {
    let logs = given.iter().rev().find_map(|(name, _)| match name {
        Name::Syslog => Some(Log::Syslog),
        Name::Stdout => Some(Log::Stdout),
        Name::Journal => Some(Log::Journal),
        _ => None,
    });
    logs.unwrap_or(Log::Syslog)
}

/// The options in their order, each with its value or an empty one.
fn options(mut words: impl Iterator<Item = OsString>) -> Result<Vec<(Name, OsString)>, Wrong> {
    let mut given = Vec::new();
    while let Some(word) = words.next() {
        let bytes = word.into_vec();
        match bytes.as_slice() {
            b"--" => break,
            [b'-', b'-', long @ ..] => given.push(long_option(long, &mut words)?),
            [b'-', short @ ..] if !short.is_empty() => short_options(short, &mut words, &mut given)?,
            // A word that is no option means nothing to Tayga.
            _ => {}
        }
    }
    Ok(given)
}

fn long_option(word: &[u8], words: &mut impl Iterator<Item = OsString>) -> Result<(Name, OsString), Wrong> {
    let (name, value) = match word.iter().position(|byte| *byte == b'=') {
        Some(at) => (&word[..at], Some(OsString::from_vec(word[at + 1..].to_vec()))),
        None => (word, None),
    };
    let shown = String::from_utf8_lossy(name);
    let exact = OPTIONS.iter().find(|option| option.long.as_bytes() == name);
    let near: Vec<&Spec> = OPTIONS.iter().filter(|option| option.long.as_bytes().starts_with(name)).collect();
    let option = match (exact, near.as_slice()) {
        (Some(option), _) => option,
        (None, [option]) => *option,
        (None, []) => return Err(Wrong::Option(format!("unrecognized option '--{shown}'"))),
        (None, several) => {
            let names: Vec<String> = several.iter().map(|option| format!(" '--{}'", option.long)).collect();
            let message = format!("option '--{shown}' is ambiguous; possibilities:{}", names.concat());
            return Err(Wrong::Option(message));
        }
    };
    let long = option.long;
    match (option.has_value, value) {
        (false, None) => Ok((option.name, OsString::new())),
        (false, Some(_)) => Err(Wrong::Option(format!("option '--{long}' doesn't allow an argument"))),
        (true, value) => value
            .or_else(|| words.next())
            .map(|value| (option.name, value))
            .ok_or_else(|| Wrong::Option(format!("option '--{long}' requires an argument"))),
    }
}

fn short_options(
    mut word: &[u8],
    words: &mut impl Iterator<Item = OsString>,
    given: &mut Vec<(Name, OsString)>,
) -> Result<(), Wrong> {
    while let [letter, rest @ ..] = word {
        let shown = char::from(*letter);
        let option = OPTIONS.iter().find(|option| option.short == Some(*letter));
        let option = option.ok_or_else(|| Wrong::Option(format!("invalid option -- '{shown}'")))?;
        if option.has_value {
            let value = if rest.is_empty() { words.next() } else { Some(OsString::from_vec(rest.to_vec())) };
            let missing = || Wrong::Option(format!("option requires an argument -- '{shown}'"));
            given.push((option.name, value.ok_or_else(missing)?));
            return Ok(());
        }
        given.push((option.name, OsString::new()));
        word = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, Wrong> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    fn plain() -> Arguments {
        Arguments {
            config: CONFIG.into(),
            task: Task::Run,
            log: Log::Syslog,
            debug: false,
            detach: true,
            user: None,
            group: None,
            chroot: false,
            pid_file: None,
        }
    }

    #[track_caller]
    fn check(line: &str, expect: Arguments) {
        assert_eq!(parse(line), Ok(expect), "{line}");
    }

    #[test]
    fn options_mean_what_they_mean_to_tayga() {
        check("", plain());
        check("-c a.conf -n", Arguments { config: "a.conf".into(), detach: false, ..plain() });
        check("--config=a.conf --nodetach", Arguments { config: "a.conf".into(), detach: false, ..plain() });
        let debug = Arguments { log: Log::Stdout, debug: true, detach: false, ..plain() };
        check("-d", debug.clone());
        check("--debug --syslog", debug);
        check("--stdout", Arguments { log: Log::Stdout, ..plain() });
        check("--journal", Arguments { log: Log::Journal, ..plain() });
        let named = Arguments {
            user: Some("nobody".into()),
            group: Some("nogroup".into()),
            chroot: true,
            pid_file: Some("/run/tayga.pid".into()),
            ..plain()
        };
        check("-unobody -g nogroup -rp /run/tayga.pid", named.clone());
        check("--user nobody --group=nogroup --chroot --pidfile /run/tayga.pid", named);
    }

    #[test]
    fn making_the_device_talks_to_the_caller() {
        check("--mktun", Arguments { task: Task::MakeTun, log: Log::Stdout, ..plain() });
        check(
            "--rmtun -c x",
            Arguments { task: Task::RemoveTun, log: Log::Stdout, config: "x".into(), ..plain() },
        );
    }

    #[test]
    fn long_options_may_be_abbreviated() {
        check("--conf x --nodet", Arguments { config: "x".into(), detach: false, ..plain() });
        check("--m", Arguments { task: Task::MakeTun, log: Log::Stdout, ..plain() });
    }

    #[test]
    fn the_last_of_several_counts_and_other_words_are_passed_over() {
        check("word -c a -c b word", Arguments { config: "b".into(), ..plain() });
        check("--stdout --journal", Arguments { log: Log::Journal, ..plain() });
        check("-n -- -d", Arguments { detach: false, ..plain() });
        check("-", plain());
    }

    #[test]
    fn wrong_options_have_the_words_of_getopt() {
        for (line, message) in [
            ("-x", "invalid option -- 'x'"),
            ("-dx", "invalid option -- 'x'"),
            ("-c", "option requires an argument -- 'c'"),
            ("--config", "option '--config' requires an argument"),
            ("--chroot=x", "option '--chroot' doesn't allow an argument"),
            ("--bogus", "unrecognized option '--bogus'"),
            ("--s", "option '--s' is ambiguous; possibilities: '--syslog' '--stdout'"),
        ] {
            assert_eq!(parse(line), Err(Wrong::Option(message.into())), "{line}");
        }
        let text = Wrong::Option("invalid option -- 'x'".into()).text("tayga");
        assert_eq!(text, "tayga: invalid option -- 'x'\nTry `tayga --help' for more information.\n");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (line, message) in [
            ("--mktun --rmtun", "Error: both --mktun and --rmtun specified"),
            ("--mktun -u x", "Error: cannot specify -u or --user with mktun/rmtun operation"),
            ("--rmtun -g x", "Error: cannot specify -g or --group with mktun/rmtun operation"),
            ("--mktun -r", "Error: cannot specify -r or --chroot with mktun/rmtun operation"),
        ] {
            assert_eq!(parse(line), Err(Wrong::Together(message.into())), "{line}");
        }
        assert_eq!(parse("-h"), Err(Wrong::Help));
        assert_eq!(parse("-d --help"), Err(Wrong::Help));
    }
}
