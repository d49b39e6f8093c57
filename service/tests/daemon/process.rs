//! Starts fake daemons in directories of their own and waits for what they do.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A test and its name.
pub(crate) type Named = (&'static str, fn());

/// How long a test waits for what must happen. Generous: it is only reached by a failing test.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition is looked at that nothing announces.
const LOOK: Duration = Duration::from_millis(10);

const MARK: &str = "CAUSEWAY_TEST_DAEMON";

/// Whether this process was started by [`Home`].
pub(crate) fn is_daemon() -> bool {
    std::env::var_os(MARK).is_some()
}

/// A directory with a configuration file, and a place for the socket.
pub(crate) struct Home {
    directory: TempDir,
}

/// A running daemon; killed when dropped.
pub(crate) struct Process {
    child: Child,
    socket: PathBuf,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Home {
    /// With the file of [`Home::text`] without extra pools.
    pub(crate) fn new() -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        home.write(&home.text(&[]));
        home
    }

    /// With extra pools.
    pub(crate) fn with_pools(pools: &[&str]) -> Self {
        let home = Self::new();
        home.write(&home.text(pools));
        home
    }

    /// A configuration with the pool `web` and extra pools.
    pub(crate) fn text(&self, pools: &[&str]) -> String {
        let socket = self.socket();
        let mut text = format!("[admin]\nsocket = \"{}\"\n", socket.parent().unwrap().display());
        text += "[proxy]\n[[proxy.listener]]\nname = \"web\"\nbind = [\"127.0.0.1:8080\"]\n";
        text += "mode = \"tcp\"\npool = \"web\"\n";
        for name in [&["web"], pools].concat() {
            text += "[[proxy.pool]]\nname = \"";
            text += name;
            text += "\"\n[[proxy.pool.member]]\nname = \"a\"\naddress = \"192.0.2.11:8080\"\n";
        }
        text
    }

    /// Replaces the file.
    pub(crate) fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("gateway.toml")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("run/causeway-fake.sock")
    }

    /// The program with `--config` and arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "RUST_BACKTRACE"] {
            command.env_remove(variable);
        }
        command.env(MARK, "1").arg("--config").arg(self.file()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the daemon and waits until it serves.
    pub(crate) fn start(&self) -> Process {
        let mut process = self.spawn(self.command(&[]));
        process.wait_for(" ready");
        process
    }

    /// Starts a command of [`Home::command`] and does not wait.
    pub(crate) fn spawn(&self, mut command: Command) -> Process {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Process { child, socket: self.socket(), lines, seen: Vec::new() }
    }
}

impl Process {
    /// Waits for a log line that holds `text`, and returns it. Lines before it are passed over.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line with {text:?} after these:\n{}", self.seen.join("\n"));
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for the end and returns the exit code and everything that was logged.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut code = None;
        eventually("the daemon ends", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        self.seen.extend(self.lines.iter());
        (code.unwrap().code(), self.seen.join("\n"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.id()).unwrap()), signal).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        ask(&self.socket, "GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Answer {
        ask(&self.socket, "POST", path)
    }

    /// The value of a metric without labels, a whole number.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").body;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Asks over a unix socket.
pub(crate) fn ask(socket: &Path, method: &str, path: &str) -> Answer {
    exchange(UnixStream::connect(socket).unwrap(), method, path, "Host: localhost\r\n")
}

/// Asks over TCP, with header lines that each end in CR LF.
pub(crate) fn over_tcp(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    exchange(TcpStream::connect(address).unwrap(), method, path, headers)
}

fn exchange(mut stream: impl Read + Write, method: &str, path: &str, headers: &str) -> Answer {
    write!(stream, "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, body: body.to_owned() }
}

/// Waits until a condition holds that nothing announces.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(LOOK);
    }
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}
