//! The whole program: started on a file of its own, asked over its sockets, told over its admin socket.

use crate::scripted::own_address;
use crate::world::{LONG, question};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{PipeReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream};
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_causeway-dns64");

/// A port below those that the kernel gives away.
const PORT: u16 = 5353;

/// A running program. Dropping it kills it.
pub(crate) struct Daemon {
    child: Option<Child>,
    folder: TempDir,
    notices: UnixDatagram,
}

/// A listening address of one test's own.
pub(crate) fn listener() -> SocketAddr {
    SocketAddr::new(own_address(), PORT)
}

/// The file's content.
pub(crate) fn file(pref64: &str, listen: &[SocketAddr], upstream: &[SocketAddr], more: &str) -> String {
    let list = |addresses: &[SocketAddr]| {
        addresses.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(", ")
    };
    let (listen, upstream) = (list(listen), list(upstream));
    format!(
        "[prefix]\npref64 = \"{pref64}\"\n[dns64]\nlisten = [{listen}]\nupstream = [{upstream}]\n{more}\n\
         [admin]\nsocket = \"FOLDER\"\n"
    )
}

fn write(folder: &TempDir, text: &str) {
    let text = text.replace("FOLDER", folder.path().to_str().unwrap());
    std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
}

fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--config").arg(folder.path().join("gateway.toml"));
    command
}

fn spawn(command: Command, folder: &TempDir) -> Child {
    let log = File::create(folder.path().join("log")).unwrap();
    spawn_logging(command, folder, log)
}

fn spawn_logging(mut command: Command, folder: &TempDir, log: impl Into<Stdio>) -> Child {
    command.env("NOTIFY_SOCKET", folder.path().join("notify")).stderr(log).spawn().unwrap()
}

/// What a program says that ends by itself.
pub(crate) fn doomed(text: &str, arguments: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    write(&folder, text);
    command(&folder).args(arguments).output().unwrap()
}

impl Daemon {
    /// Starts the program and waits until it says that it is ready.
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_beside(text, &[]).await
    }

    /// The same with files in the folder that the text calls `FOLDER`: their names and contents.
    pub(crate) async fn start_beside(text: &str, files: &[(&str, &str)]) -> Self {
        Self::start_as(text, files, command).await
    }

    /// Starts it with at most so many open files.
    pub(crate) async fn start_with_files(text: &str, files: u32) -> Self {
        let limited = |folder: &TempDir| {
            let mut shell = Command::new("sh");
            let script = format!("ulimit -n {files}; exec \"$0\" --config \"$1\"");
            shell.args(["-c", &script, PROGRAM]).arg(folder.path().join("gateway.toml"));
            shell
        };
        Self::start_as(text, &[], limited).await
    }

    async fn start_as(text: &str, files: &[(&str, &str)], command: impl Fn(&TempDir) -> Command) -> Self {
        let folder = TempDir::new().unwrap();
        write(&folder, text);
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let notices = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let child = spawn(command(&folder), &folder);
        let daemon = Self { child: Some(child), folder, notices };
        daemon.notice("READY=1").await;
        daemon
    }

    /// Starts it with a log that has room for a few lines and is read by whoever has the pipe's other end.
    pub(crate) async fn start_logging_to_pipe(text: &str) -> (Self, PipeReader) {
        let folder = TempDir::new().unwrap();
        write(&folder, text);
        let notices = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let (log, pipe) = std::io::pipe().unwrap();
        fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let child = spawn_logging(command(&folder), &folder, pipe);
        let daemon = Self { child: Some(child), folder, notices };
        daemon.notice("READY=1").await;
        (daemon, log)
    }

    /// Kills it without a warning, and starts it again with the same file.
    pub(crate) async fn kill_and_restart(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        self.child = Some(spawn(command(&self.folder), &self.folder));
        self.notice("READY=1").await;
    }

    /// Octets of memory that it has in use.
    pub(crate) fn memory(&self) -> usize {
        let status = format!("/proc/{}/status", self.child.as_ref().unwrap().id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Waits until the program says so to its service manager.
    pub(crate) async fn notice(&self, line: &str) {
        let mut buffer = [0; 4096];
        let wait = async {
            loop {
                let length = self.notices.recv(&mut buffer).await.unwrap();
                if std::str::from_utf8(&buffer[..length]).unwrap().lines().any(|said| said == line) {
                    return;
                }
            }
        };
        timeout(LONG, wait).await.unwrap_or_else(|_| panic!("the program never said {line}"));
    }

    /// Changes the file and has it read again: the answer's status and body.
    pub(crate) async fn reload(&self, text: &str) -> String {
        write(&self.folder, text);
        self.admin("POST", "/reload").await
    }

    /// What `explain` prints.
    pub(crate) async fn explain(&self, words: &[&str]) -> String {
        self.command(&[&["explain"], words].concat()).await
    }

    /// What a command prints that asks it.
    pub(crate) async fn command(&self, arguments: &[&str]) -> String {
        let mut command = command(&self.folder);
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Replaces a file in the folder that the text calls `FOLDER`.
    pub(crate) fn put(&self, name: &str, content: &str) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// The same at one go, as whoever renames a finished file to its place.
    pub(crate) fn replace(&self, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        let beside = path.with_extension("new");
        std::fs::write(&beside, content).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    /// The processor time that the workers' threads have taken, and all threads, in nanoseconds.
    pub(crate) fn processor_time(&self) -> (u64, u64) {
        let threads = format!("/proc/{}/task", self.child.as_ref().unwrap().id());
        let (mut workers, mut all) = (0, 0);
        for thread in std::fs::read_dir(threads).unwrap() {
            let read = |file: &str| std::fs::read_to_string(thread.as_ref().unwrap().path().join(file));
            // A thread may end while it is looked at.
            let (Ok(name), Ok(time)) = (read("comm"), read("schedstat")) else { continue };
            let time: u64 = time.split(' ').next().unwrap().parse().unwrap();
            all += time;
            workers += if name.starts_with("dns64-") { time } else { 0 };
        }
        (workers, all)
    }

    /// One request to the admin socket.
    pub(crate) async fn admin(&self, method: &str, path: &str) -> String {
        let socket = self.folder.path().join("causeway-dns64.sock");
        let mut stream = UnixStream::connect(socket).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(LONG, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        answer
    }

    /// All that it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The value of the metric whose line begins so.
    pub(crate) async fn metric(&self, line: &str) -> String {
        let text = self.admin("GET", "/metrics").await;
        let found = text.lines().find_map(|found| found.strip_prefix(line));
        found.unwrap_or_else(|| panic!("{line} in\n{text}")).trim().to_owned()
    }

    /// Waits until the metric whose line begins so has that value.
    pub(crate) async fn metric_becomes(&self, line: &str, value: &str) {
        let wait = async {
            while self.metric(line).await != value {
                tokio::task::yield_now().await;
            }
        };
        let reached = timeout(LONG, wait).await.is_ok();
        assert!(reached, "{line} is {} and never {value}", self.metric(line).await);
    }

    /// Asks for a name until the only upstream, where nobody listens, counts as down.
    pub(crate) async fn ask_until_down(&self, address: SocketAddr) {
        let wait = async {
            for number in 0.. {
                if self.admin("GET", "/upstreams").await.contains(r#""up":false"#) {
                    break;
                }
                // Another name each time: a failure is remembered.
                let failed = ask_udp(address, &format!("v4-{number}.example."), RecordType::A).await;
                assert_eq!(failed.metadata.response_code, ResponseCode::ServFail);
            }
        };
        timeout(LONG, wait).await.expect("the upstream goes down");
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Asks it to read its file again.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.as_ref().unwrap().id()).unwrap()), signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        timeout(LONG, tokio::task::spawn_blocking(move || child.wait().unwrap()))
            .await
            .expect("an end")
            .unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Fails where it has ended, which is as well.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
            let _ = std::io::stderr().write_all(&log);
        }
    }
}

/// The reply over UDP, from the address that was asked and no other.
pub(crate) async fn ask_udp(server: SocketAddr, name: &str, qtype: RecordType) -> Message {
    let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(&question(name, qtype)).await.unwrap();
    let mut buffer = [0; 4096];
    let length = timeout(LONG, socket.recv(&mut buffer)).await.expect("a reply").unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

/// The reply over TCP.
pub(crate) async fn ask_tcp(server: SocketAddr, name: &str, qtype: RecordType) -> Message {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(&framed(&question(name, qtype))).await.unwrap();
    read_tcp(&mut stream).await
}

/// The next reply on a TCP connection.
pub(crate) async fn read_tcp(stream: &mut TcpStream) -> Message {
    read_framed(stream).await
}

/// The next reply on a stream.
pub(crate) async fn read_framed(stream: &mut (impl AsyncRead + Unpin)) -> Message {
    let read = async {
        let mut buffer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut buffer).await.unwrap();
        Message::from_vec(&buffer).unwrap()
    };
    timeout(LONG, read).await.expect("a reply")
}

/// A message behind its length.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}
