//! Debian's HAProxy: one thread, room for all connections.

use super::product::Place;
use super::setting::{BEHIND, CHANGING, CORES, Listener, Log, Mode, SYSLOG};
use crate::namespace::Namespace;
use crate::peers::foreign::Foreign;
use crate::program::Program;
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The program.
pub(super) const HAPROXY: Foreign = Foreign { name: "haproxy", program: "haproxy", package: "haproxy" };

/// How bytes pass through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through its buffers.
    Buffers,
    /// Through pipes of the kernel, where it thinks that worth while.
    Pipes,
}

/// One that was started.
pub(super) struct Haproxy {
    pub(super) program: Program,
    place: Place,
    way: Way,
}

/// Starts one. One whose configuration is to change has a master, which starts a new worker for each change and passes the
/// listening sockets on to it; any other is a single process, so that its time and memory are the whole.
pub(super) fn start(place: Place, way: Way, host: &Namespace) -> Result<Haproxy> {
    let socket = master(&place.folder).display().to_string();
    let arguments: &[&str] =
        if *place.setting == CHANGING { &["-W", "-S", &socket, "-f"] } else { &["-db", "-f"] };
    let inner = place.folder.join("haproxy");
    let program = HAPROXY.launch(arguments, &text(&place, way, 0), &inner)?.start(host)?;
    Ok(Haproxy { program, place, way })
}

impl Haproxy {
    /// Puts the configuration with this number in force.
    pub(super) fn change(&self, number: u32) -> Result<()> {
        let folder = &self.place.folder;
        let file = folder.join("haproxy").join("config");
        fs::write(&file, text(&self.place, self.way, number))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let before = self.reloads()?.context("a master that tells how often it has reloaded")?;
        ask(&master(folder), "reload")?;
        until(PATIENCE, "a reload of haproxy", || {
            // The master takes no questions while it starts anew.
            let now = self.reloads().unwrap_or_default();
            Ok(now.filter(|now| *now > before).map(drop))
        })
    }

    /// How often the master has reloaded, once it has a worker.
    fn reloads(&self) -> Result<Option<u32>> {
        Ok(reloads(&ask(&master(&self.place.folder), "show proc")?))
    }
}

fn master(folder: &Path) -> PathBuf {
    folder.join("master.sock")
}

fn ask(socket: &Path, question: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("no {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    // It keeps a connection on which more may be asked.
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The third column of the master's line (HAProxy's management guide, `show proc`), if a worker's line follows.
fn reloads(processes: &str) -> Option<u32> {
    let mut lines = processes.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let count = lines.find(|line| line.get(1) == Some(&"master"))?.get(2)?.parse().ok()?;
    lines
        .take_while(|line| line.as_slice() != ["#", "old", "workers"])
        .find(|line| line.get(1) == Some(&"worker"))?;
    Some(count)
}

/// Its file. Each number gives the first server another weight than the number before.
fn text(place: &Place, way: Way, number: u32) -> String {
    let Place { setting, address, folder, certificate } = place;
    let splice = match way {
        Way::Buffers => "",
        Way::Pipes => "    option splice-auto\n",
    };
    // To standard output it writes by a call for each line, which nobody asks of it under load.
    let (receiver, log) = match setting.log {
        Log::Off | Log::Httplog | Log::Json => (String::new(), ""),
        Log::Syslog => {
            (format!("    log {BEHIND}:{SYSLOG} local0\n"), "    log global\n    option httplog\n")
        }
    };
    let mut text = format!(
        "global
    maxconn {room}
    nbthread {CORES}
    stats socket {socket} mode 600 level admin expose-fd listeners
{receiver}defaults
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
{log}{splice}",
        room = setting.room,
        socket = folder.join("stats.sock").display(),
    );
    for Listener { name, front, back, mode, tls } in setting.listeners(number) {
        let tls = match (tls, mode) {
            (false, _) => String::new(),
            (true, Mode::Tcp) => format!(" ssl crt {}", certificate.display()),
            (true, Mode::Http) => format!(" ssl crt {} alpn h2,http/1.1", certificate.display()),
        };
        // What ours tells of itself.
        let told = match (mode, tls.is_empty()) {
            (Mode::Tcp, _) => String::new(),
            (Mode::Http, plain) => format!(
                "    option forwardfor\n    http-request set-header X-Forwarded-Proto {}\n",
                if plain { "http" } else { "https" }
            ),
        };
        // No formatting into a string fails.
        let _ = write!(
            text,
            "listen {name}
    mode {mode}
{told}    bind [{address}]:{front}{tls}
    server behind {BEHIND}:{back} weight {weight}
",
            mode = mode.name(),
            weight = 1 + number % 100,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_is_over_when_there_is_a_new_worker() {
        let head = "#<PID>          <type>          <reloads>       <uptime>        <version>\n";
        let master = "1162            master          5               0d00h02m07s     2.6.12\n";
        let [new, old] = ["# workers\n", "# old workers\n"].map(|head| {
            format!("{head}1271            worker          0               0d00h00m00s     2.6.12\n")
        });
        assert_eq!(reloads(&format!("{head}{master}{new}{old}# programs\n\n")), Some(5));
        assert_eq!(reloads(&format!("{head}{master}# workers\n{old}# programs\n\n")), None);
        assert_eq!(reloads(""), None);
    }
}
