//! Where log lines go: a stream of the process, or a log daemon behind a socket.
//!
//! Speaks to the syslog daemon in the form of RFC 3164 §4.1, without a time, which the receiver then takes from its own
//! clock (§4.3.2), and to the journal in its native protocol (`systemd.journal-fields(7)`). A line that nobody takes is
//! lost, as with `syslog(3)`: a daemon does not end for want of a log. Errors go to standard error besides, so that
//! whoever called the program sees them.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Where the syslog daemon of the machine listens.
const SYSLOG: &str = "/dev/log";
/// Where the journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// `LOG_DAEMON` of `syslog.h`.
const FACILITY: u8 = 3;

/// Where log lines go.
#[derive(Clone, Debug)]
pub enum Sink {
    /// Standard error.
    Stderr,
    /// Standard output, without times.
    Stdout,
    /// A log daemon.
    Daemon(Arc<LogDaemon>),
}

/// A log daemon's socket, opened anew when the daemon was.
#[derive(Debug)]
pub struct LogDaemon {
    protocol: Protocol,
    /// Where it listens.
    place: PathBuf,
    /// What the program is called.
    name: &'static str,
    socket: Mutex<Option<UnixDatagram>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Syslog,
    Journal,
}

impl Sink {
    /// The syslog daemon; `name` is the program's.
    pub fn syslog(name: &'static str) -> Self {
        Self::Daemon(Arc::new(LogDaemon::new(Protocol::Syslog, SYSLOG, name)))
    }

    /// The journal; `name` is the program's.
    pub fn journal(name: &'static str) -> Self {
        Self::Daemon(Arc::new(LogDaemon::new(Protocol::Journal, JOURNAL, name)))
    }

    /// Writes one line of its own, before the process logs or beside it.
    pub fn line(&self, level: Level, line: &str) {
        let mut writer = self.writer(level);
        // Nobody is left to hear of a failure.
        let _ = writeln!(writer, "{line}").and_then(|()| writer.flush());
    }

    /// Whether a line carries its own time, as nobody behind gives it one.
    pub(super) const fn has_times(&self) -> bool {
        matches!(self, Self::Stderr)
    }

    fn writer(&self, level: Level) -> Box<dyn Write> {
        match self {
            Self::Stderr => Box::new(io::stderr()),
            Self::Stdout => Box::new(io::stdout()),
            Self::Daemon(daemon) => Box::new(Message { daemon: Arc::clone(daemon), level, text: Vec::new() }),
        }
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Box<dyn Write>;

    fn make_writer(&'a self) -> Self::Writer {
        self.writer(Level::INFO)
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        self.writer(*meta.level())
    }
}

impl LogDaemon {
    /// Connects at once: later the process may no longer see the socket.
    fn new(protocol: Protocol, place: impl Into<PathBuf>, name: &'static str) -> Self {
        let place = place.into();
        Self { protocol, name, socket: Mutex::new(connect(&place)), place }
    }

    fn send(&self, level: Level, text: &str) {
        let packet = self.protocol.packet(self.name, process::id(), level, text);
        let is_taken = self.deliver(&packet);
        // The journal has standard error as well, and would have it twice.
        if level == Level::ERROR && (self.protocol == Protocol::Syslog || !is_taken) {
            // Nobody is left to hear of a failure.
            let _ = writeln!(io::stderr(), "{}", text.trim_end());
        }
    }

    fn deliver(&self, packet: &str) -> bool {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = |socket: &UnixDatagram| socket.send(packet.as_bytes()).is_ok();
        if !socket.as_ref().is_some_and(sent) {
            *socket = connect(&self.place).filter(sent);
        }
        socket.is_some()
    }
}

fn connect(place: &Path) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(place).ok()?;
    // A daemon that does not read must not stop this one.
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

impl Protocol {
    fn packet(self, name: &str, process: u32, level: Level, text: &str) -> String {
        // The protocols count lines: a message has one.
        let text = text.trim_end().replace(['\n', '\0'], " ");
        let severity = severity(level);
        match self {
            Self::Syslog => format!("<{}>{name}[{process}]: {text}", FACILITY << 3 | severity),
            Self::Journal => format!(
                "PRIORITY={severity}\nSYSLOG_FACILITY={FACILITY}\nSYSLOG_IDENTIFIER={name}\n\
                 SYSLOG_PID={process}\nMESSAGE={text}\n"
            ),
        }
    }
}

/// The severity of RFC 3164 §4.1.1.
const fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// One message, sent when it is whole.
struct Message {
    daemon: Arc<LogDaemon>,
    level: Level,
    text: Vec<u8>,
}

impl Write for Message {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.daemon.send(self.level, &String::from_utf8_lossy(&self.text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syslog_messages_have_priority_name_and_process() {
        let packet = Protocol::Syslog.packet("tayga", 42, Level::WARN, "two\nlines\n");
        assert_eq!(packet, "<28>tayga[42]: two lines");
        assert!(Protocol::Syslog.packet("tayga", 42, Level::INFO, "x").starts_with("<30>"));
    }

    #[test]
    fn journal_messages_are_fields() {
        let packet = Protocol::Journal.packet("tayga", 42, Level::ERROR, "one\nMESSAGE=two");
        let expected = "PRIORITY=3\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=tayga\nSYSLOG_PID=42\nMESSAGE=one MESSAGE=two\n";
        assert_eq!(packet, expected);
    }

    #[test]
    fn lines_reach_a_daemon_that_comes_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("log");
        let sink = Sink::Daemon(Arc::new(LogDaemon::new(Protocol::Syslog, &place, "tayga")));
        sink.line(Level::INFO, "nobody is there");
        for text in ["first", "after a restart"] {
            let daemon = UnixDatagram::bind(&place).unwrap();
            sink.line(Level::ERROR, text);
            let mut packet = [0; 128];
            let length = daemon.recv(&mut packet).unwrap();
            let expected = format!("<27>tayga[{}]: {text}", process::id());
            assert_eq!(String::from_utf8_lossy(&packet[..length]), expected);
            std::fs::remove_file(&place).unwrap();
        }
    }
}
