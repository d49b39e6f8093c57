//! One running causeway-proxy with a gateway.toml of its own.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long any condition may take to come true on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `probe` gives something.
pub(crate) fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        // Leaves the processor to those who are waited for.
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A port that is free on both loopback addresses, outside the range that systems take for outgoing connections, and
/// given out once as long as this process lives, whatever other tests run beside it.
pub(crate) fn free_port() -> u16 {
    static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());
    let mut blocks = BLOCKS.lock().unwrap();
    loop {
        let Some(port) = blocks.last_mut().and_then(|block| block.ports.next()) else {
            blocks.push(Block::claim());
            continue;
        };
        let six = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        if six.is_ok() && four.is_ok() {
            return port;
        }
    }
}

/// Ports that this process has to itself for as long as it holds the claim: a name that ends with its holder, and
/// that is known as far as the ports are, in one network namespace.
struct Block {
    ports: Range<u16>,
    _claim: UnixListener,
}

impl Block {
    const PORTS: u16 = 100;
    const COUNT: u16 = 200;

    fn claim() -> Self {
        let first = std::process::id() % u32::from(Self::COUNT);
        let first = u16::try_from(first).expect("below the count");
        let claim = |step: u16| {
            let start = 10_000 + (first + step) % Self::COUNT * Self::PORTS;
            let name = UnixAddr::from_abstract_name(format!("causeway-tests-ports-{start}")).ok()?;
            Some(Self { ports: start..start + Self::PORTS, _claim: UnixListener::bind_addr(&name).ok()? })
        };
        (0..Self::COUNT).find_map(claim).expect("some block is nobody's")
    }
}

pub(crate) fn v6(port: u16) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, port).into()
}

pub(crate) fn v4(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A `[proxy]` section in the making.
#[derive(Clone, Default)]
pub(crate) struct Config {
    text: String,
}

impl Config {
    /// With these lines at the top of `[proxy]`.
    pub(crate) fn new(lines: &str) -> Self {
        Self { text: format!("[proxy]\n{lines}\n") }
    }

    pub(crate) fn timeouts(mut self, lines: &str) -> Self {
        write!(self.text, "[proxy.timeout]\n{lines}\n").unwrap();
        self
    }

    /// A listener on the IPv6 loopback address, and on the IPv4 one at the same port.
    pub(crate) fn listener(self, name: &str, mode: &str, port: u16, pool: &str, lines: &str) -> Self {
        self.bound(name, mode, &format!("\"{}\", \"{}\"", v6(port), v4(port)), pool, lines)
    }

    /// A listener bound to these, in quotes and with commas between them.
    pub(crate) fn bound(mut self, name: &str, mode: &str, bind: &str, pool: &str, lines: &str) -> Self {
        write!(
            self.text,
            "[[proxy.listener]]\nname = \"{name}\"\nmode = \"{mode}\"\nbind = [{bind}]\npool = \"{pool}\"\n{lines}\n"
        )
        .unwrap();
        self
    }

    /// A pool; `lines` may set `balance` and `check`.
    pub(crate) fn pool(self, name: &str, lines: &str, members: &[SocketAddr]) -> Self {
        let plain: Vec<_> = members.iter().map(|address| (*address, "")).collect();
        self.pool_of(name, lines, &plain)
    }

    /// A pool whose members have lines of their own.
    pub(crate) fn pool_of(mut self, name: &str, lines: &str, members: &[(SocketAddr, &str)]) -> Self {
        write!(self.text, "[[proxy.pool]]\nname = \"{name}\"\n{lines}\n").unwrap();
        for (place, (address, lines)) in members.iter().enumerate() {
            write!(
                self.text,
                "[[proxy.pool.member]]\nname = \"m{place}\"\naddress = \"{address}\"\n{lines}\n"
            )
            .unwrap();
        }
        self
    }
}

/// Members count as up without checks: back-ends see clients only.
pub(crate) const UNCHECKED: &str = "check = { kind = \"off\" }";
/// Checks that notice at once.
pub(crate) const QUICK: &str = "check = { interval = \"50ms\", rise = 1, fall = 1 }";

/// A running daemon. Dropping it ends it.
pub(crate) struct Gateway {
    child: Child,
    dir: TempDir,
}

impl Gateway {
    /// Starts and waits until it is ready.
    pub(crate) fn start(config: &Config) -> Self {
        Self::start_by(config, Command::new(env!("CARGO_BIN_EXE_causeway-proxy")))
    }

    /// The same with at most this many open files.
    pub(crate) fn start_with_files(config: &Config, files: u32) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_causeway-proxy")]);
        Self::start_by(config, shell)
    }

    /// Takes open files from the running daemon: it may have this many from here on.
    pub(crate) fn limit_files(&self, files: u32) {
        let limit = format!("--nofile={files}:");
        let status = Command::new("prlimit").args(["--pid", &self.child.id().to_string(), &limit]).status();
        assert!(status.expect("prlimit of util-linux").success());
    }

    /// Leaves the running daemon room for this many more open files.
    pub(crate) fn leave_files(&self, room: usize) {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs");
        let open: Vec<u32> = open.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok()).collect();
        let last = (0..).filter(|file| !open.contains(file)).nth(room).expect("files are numbered upwards");
        self.limit_files(last);
    }

    pub(crate) fn start_by(config: &Config, mut command: Command) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        write_config(&dir, config);
        let log = std::fs::File::create(dir.path().join("log")).expect("a log file");
        let child = command
            .arg("--config")
            .arg(dir.path().join("gateway.toml"))
            .arg("run")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        let mut gateway = Self { child, dir };
        wait_for("the daemon to be ready", || {
            if let Some(status) = gateway.child.try_wait().expect("the child can be waited for") {
                panic!("the daemon ended: {status}\n{}", gateway.log());
            }
            gateway.try_admin("GET", "/ready").filter(|(status, _)| *status == 200)
        });
        gateway
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("causeway-proxy.sock")
    }

    fn try_admin(&self, method: &str, path: &str) -> Option<(u16, String)> {
        let mut stream = UnixStream::connect(self.socket()).ok()?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    }

    /// Runs a command of the program with this daemon's file.
    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_causeway-proxy"));
        program.arg("--config").arg(self.dir.path().join("gateway.toml")).args(arguments);
        program.output().expect("the program runs")
    }

    /// What a command that must succeed prints.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What the admin interface answers.
    pub(crate) fn admin(&self, method: &str, path: &str) -> (u16, String) {
        self.try_admin(method, path).expect("the admin interface answers")
    }

    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.admin("GET", path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// The state of a member of a pool: `up`, `down` or `unchecked`.
    pub(crate) fn state(&self, pool: &str, member: &str) -> String {
        let named = |list: &serde_json::Value, name: &str| {
            list.as_array().unwrap().iter().find(|item| item["name"] == name).cloned().unwrap()
        };
        named(&named(&self.json("/pools"), pool)["members"], member)["state"].as_str().unwrap().to_owned()
    }

    /// The value of one sample, such as `failures_total{listener="web",reason="no_member"}`.
    pub(crate) fn metric(&self, sample: &str) -> u64 {
        let (_, text) = self.admin("GET", "/metrics");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix("causeway_proxy_")?.strip_prefix(sample)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no sample {sample} in\n{text}")).parse().expect("a number")
    }

    /// Waits until a sample has this value: the daemon counts when it has closed, and the client sees that first.
    pub(crate) fn counts(&self, sample: &str, expect: u64) {
        wait_for(&format!("{sample} to be {expect}"), || (self.metric(sample) == expect).then_some(()));
    }

    /// Writes another configuration and asks for it.
    pub(crate) fn reload(&self, config: &Config) -> (u16, String) {
        write_config(&self.dir, config);
        self.admin("POST", "/reload")
    }

    /// The same, and it must succeed.
    pub(crate) fn change(&self, config: &Config) {
        let (status, body) = self.reload(config);
        assert_eq!(status, 200, "{body}\n{}", self.log());
    }

    /// Bytes of memory that the daemon has in use (`VmRSS` of `proc_pid_status(5)`).
    pub(crate) fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line for memory");
        let kibibytes = line.trim().trim_end_matches(" kB");
        kibibytes.parse::<usize>().expect("a number") << 10
    }

    pub(crate) fn terminate(&self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM).expect("our own child");
    }

    /// Waits for the end and says whether it was a good one.
    pub(crate) fn ended_well(&mut self) -> bool {
        wait_for("the daemon to end", || self.child.try_wait().expect("the child can be waited for"))
            .success()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(dir: &TempDir, config: &Config) {
    let text =
        format!("[admin]\nsocket = \"{}\"\n[log]\nlevel = \"debug\"\n{}", dir.path().display(), config.text);
    std::fs::write(dir.path().join("gateway.toml"), text).expect("the folder is ours");
}
