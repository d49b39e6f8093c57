//! causeway-proxy.

use super::product::Place;
use super::setting::{BEHIND, BULK, CORES, ECHO, SECURE, SOMETIMES, WEB};
use crate::binaries::Binaries;
use crate::gateway::{Daemon, Files, Role};
use crate::namespace::Namespace;
use anyhow::{Result, ensure};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// One that was started.
pub(super) struct Causeway {
    pub(super) daemon: Daemon,
    files: Files,
    address: IpAddr,
    certificate: Option<PathBuf>,
}

/// Starts one, and waits until it serves.
pub(super) fn start(place: &Place<'_>, binaries: &Binaries, host: &Namespace) -> Result<Causeway> {
    let files = Files::lay_out(place.folder)?;
    files.write_config(&text(place.address, place.certificate, &files.admin(), 0))?;
    let launch = Daemon::launch(Role::Proxy, binaries, &files)?;
    let daemon = Daemon::start(Role::Proxy, launch, host, &files)?;
    daemon.wait_until_ready()?;
    Ok(Causeway {
        daemon,
        files,
        address: place.address,
        certificate: place.certificate.map(Path::to_path_buf),
    })
}

impl Causeway {
    /// Puts the configuration with this number in force.
    pub(super) fn change(&self, number: u32) -> Result<()> {
        self.files.write_config(&text(
            self.address,
            self.certificate.as_deref(),
            &self.files.admin(),
            number,
        ))?;
        let reply = self.daemon.admin.post("/reload")?;
        ensure!(reply.status == 200, "change {number} is not in force: {}", reply.text());
        Ok(())
    }
}

/// Its file. Each number gives the first member another weight than the number before, and every other one a listener more.
fn text(address: IpAddr, certificate: Option<&Path>, admin: &Path, number: u32) -> String {
    let mut text = format!(
        r#"[admin]
socket = "{admin}"

[proxy]
workers = {CORES}
[proxy.timeout]
client = "1h"
server = "1h"
"#,
        admin = admin.display(),
    );
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
    let sometimes = (number % 2 == 1).then_some(("sometimes", SOMETIMES, WEB));
    let secure = certificate.map(|_| ("secure", SECURE, WEB));
    let ports = [("web", WEB, WEB), ("bulk", BULK, BULK)].into_iter().chain(sometimes).chain(secure);
    for (name, front, back) in ports {
        let tls = certificate
            .filter(|_| front == SECURE)
            .map_or_else(String::new, |file| format!("tls = {{ certificates = [\"{}\"] }}", file.display()));
        let weight = 1 + number % 100;
        // No formatting into a string fails.
        let _ = write!(
            text,
            r#"
[[proxy.listener]]
name = "{name}"
bind = ["[{address}]:{front}"]
mode = "tcp"
pool = "{name}"
{tls}
[[proxy.pool]]
name = "{name}"
check = {{ kind = "off" }}
[[proxy.pool.member]]
name = "behind"
address = "{BEHIND}:{back}"
weight = {weight}
"#
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::setting::USUAL;
    use super::*;

    #[test]
    fn files_are_valid_and_each_differs_from_the_next() {
        let model = |number| {
            let text = text(USUAL.address(1), None, Path::new("/tmp/admin"), number);
            config::parse(&text, "gateway.toml").unwrap().model.proxy.unwrap()
        };
        for number in 0..3 {
            let model = model(number);
            assert_eq!(model.workers, 1);
            assert_eq!(model.listener.len(), if number == 1 { 4 } else { 3 });
        }
        let secure = text(USUAL.address(1), Some(Path::new("/tmp/web.pem")), Path::new("/tmp/admin"), 0);
        let model_of_tls = config::parse(&secure, "gateway.toml").unwrap().model.proxy.unwrap();
        assert!(model_of_tls.listener[3].tls.is_some());
        assert_ne!(model(0).pool[1].member[0].weight, model(2).pool[1].member[0].weight);
    }
}
