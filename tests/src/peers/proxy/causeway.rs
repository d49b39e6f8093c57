//! causeway-proxy.

use super::product::Place;
use super::setting::{BEHIND, CORES, ECHO, Listener, Log, SYSLOG};
use crate::binaries::Binaries;
use crate::gateway::{Daemon, Files, Role};
use crate::namespace::Namespace;
use anyhow::{Context, Result, ensure};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fmt::Write as _;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// What stands before the count of lost lines.
const LOST: &str = "causeway_proxy_log_lost_total ";

/// One that was started.
pub(super) struct Causeway {
    pub(super) daemon: Daemon,
    files: Files,
    place: Place,
    /// What its standard output is.
    _memory: OwnedFd,
}

/// Starts one, and waits until it serves.
pub(super) fn start(place: Place, binaries: &Binaries, host: &Namespace) -> Result<Causeway> {
    let files = Files::lay_out(&place.folder)?;
    files.write_config(&text(&place, &files.admin(), 0))?;
    let memory = memfd_create("log", MFdFlags::MFD_CLOEXEC).context("no file in memory")?;
    // A disk is not always ready for a file that grows so fast, and is not what is measured.
    let log = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let launch = Daemon::launch(Role::Proxy, binaries, &files)?.log_to(log.into());
    let daemon = Daemon::start(Role::Proxy, launch, host, &files)?;
    daemon.wait_until_ready()?;
    Ok(Causeway { daemon, files, place, _memory: memory })
}

impl Causeway {
    /// Lines about requests that it has lost.
    pub(super) fn lost_lines(&self) -> Result<u64> {
        let metrics = self.daemon.admin.get("/metrics")?.text();
        let line =
            metrics.lines().find_map(|line| line.strip_prefix(LOST)).context("no count of lost lines")?;
        line.trim().parse().context("a count of lost lines")
    }

    /// Puts the configuration with this number in force.
    pub(super) fn change(&self, number: u32) -> Result<()> {
        self.files.write_config(&text(&self.place, &self.files.admin(), number))?;
        let reply = self.daemon.admin.post("/reload")?;
        ensure!(reply.status == 200, "change {number} is not in force: {}", reply.text());
        Ok(())
    }
}

/// Its file. Each number gives the first member another weight than the number before.
fn text(place: &Place, admin: &Path, number: u32) -> String {
    let Place { setting, address, certificate, .. } = place;
    let mut text = format!(
        r#"[admin]
socket = "{admin}"

[proxy]
workers = {CORES}
[proxy.timeout]
client = "1h"
server = "1h"
keep_alive = "1h"
{log}"#,
        admin = admin.display(),
        log = log(setting.log),
    );
    if setting.only.is_none() {
        // No formatting into a string fails.
        let _ = write!(
            text,
            r#"
[[proxy.listener]]
name = "echo"
bind = ["[{address}]:{ECHO}"]
mode = "udp"
pool = "echo"
[[proxy.pool]]
name = "echo"
check = {{ kind = "off" }}
[[proxy.pool.member]]
name = "behind"
address = "{BEHIND}:{ECHO}"
"#
        );
    }
    for Listener { name, front, back, mode, tls } in setting.listeners(number) {
        let tls = if tls {
            format!("tls = {{ certificates = [\"{}\"] }}", certificate.display())
        } else {
            String::new()
        };
        // No formatting into a string fails.
        let _ = write!(
            text,
            r#"
[[proxy.listener]]
name = "{name}"
bind = ["[{address}]:{front}"]
mode = "{mode}"
pool = "{name}"
{tls}
[[proxy.pool]]
name = "{name}"
check = {{ kind = "off" }}
[[proxy.pool.member]]
name = "behind"
address = "{BEHIND}:{back}"
weight = {weight}
"#,
            mode = mode.name(),
            weight = 1 + number % 100,
        );
    }
    text
}

/// What asks for these lines.
fn log(log: Log) -> String {
    let (format, to) = match log {
        Log::Off => return String::new(),
        Log::Httplog => ("httplog", "stdout".to_owned()),
        Log::Json => ("json", "stdout".to_owned()),
        Log::Syslog => ("httplog", format!("udp://{BEHIND}:{SYSLOG}")),
    };
    format!("[proxy.log]\nformat = \"{format}\"\nto = \"{to}\"\n")
}

#[cfg(test)]
mod tests {
    use super::super::setting::{LOGGED, Setting, TLS, UNLOGGED, USUAL};
    use super::*;
    use config::model::Proxy;

    fn model(setting: &'static Setting, number: u32) -> Proxy {
        let (folder, certificate) = ("/tmp".into(), "/tmp/web.pem".into());
        let place = Place { setting, address: setting.address(1), folder, certificate };
        let text = text(&place, Path::new("/tmp/admin"), number);
        config::parse(&text, "gateway.toml").unwrap().model.proxy.unwrap()
    }

    #[test]
    fn files_are_valid_and_each_differs_from_the_next() {
        for number in 0..3 {
            let model = model(&USUAL, number);
            assert_eq!(model.workers, 1);
            assert_eq!(model.listener.len(), if number == 1 { 7 } else { 6 });
        }
        let secure = model(&TLS, 0).listener.into_iter().filter(|listener| listener.tls.is_some());
        assert_eq!(secure.count(), 2);
        let formats: Vec<_> = LOGGED.iter().map(|logged| model(logged, 0).log).collect();
        for (place, log) in formats.iter().enumerate() {
            assert!(*log != model(&UNLOGGED, 0).log && !formats[..place].contains(log), "{log:?}");
        }
        assert_ne!(model(&USUAL, 0).pool[1].member[0].weight, model(&USUAL, 2).pool[1].member[0].weight);
    }
}
