//! The three daemons on the gateway, and the one file they read.

use crate::admin::Admin;
use crate::binaries::Binaries;
use crate::namespace::Namespace;
use crate::program::{Launch, Program};
use crate::topology::{ALPHA, BETA, NAMES, POOL, PREF64, PROXY, RESOLVER, TRANSLATOR, TRANSLATOR_V4};
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a log that say why a daemon ended.
const LAST_WORDS: usize = 12;

/// One of the three daemons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// causeway-nat64.
    Nat64,
    /// causeway-dns64.
    Dns64,
    /// causeway-proxy.
    Proxy,
}

impl Role {
    /// All of them, in the order they are started in.
    pub const ALL: [Self; 3] = [Self::Nat64, Self::Dns64, Self::Proxy];

    /// The program's name.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Nat64 => "causeway-nat64",
            Self::Dns64 => "causeway-dns64",
            Self::Proxy => "causeway-proxy",
        }
    }
}

/// The folder of one lab: the file, the admin sockets, the state and the logs.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

/// One daemon that was started.
pub struct Daemon {
    /// Which one.
    pub role: Role,
    /// Its process.
    pub program: Program,
    /// Its admin socket.
    pub admin: Admin,
}

impl Files {
    /// Lays out `folder`.
    pub fn lay_out(folder: &Path) -> Result<Self> {
        let files = Self { folder: folder.to_path_buf() };
        for path in [files.admin(), files.state(), files.logs()] {
            fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["dns.example".to_owned(), RESOLVER.to_string()])?;
        fs::write(files.certificate(), cert.pem() + &signing_key.serialize_pem())
            .context("cannot write the certificate")?;
        fs::write(files.resolv_conf(), format!("nameserver {RESOLVER}\noptions timeout:2 attempts:2\n"))
            .context("cannot write resolv.conf")?;
        Ok(files)
    }

    /// gateway.toml.
    pub fn config(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    /// dns64's certificate and key.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("dns.pem")
    }

    /// A resolv.conf that knows dns64 and nobody else.
    pub fn resolv_conf(&self) -> PathBuf {
        self.folder.join("resolv.conf")
    }

    /// The folder of admin sockets.
    pub fn admin(&self) -> PathBuf {
        self.folder.join("admin")
    }

    /// nat64's state.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The folder of logs.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// Writes gateway.toml in one step, as an editor would.
    pub fn write_config(&self, text: &str) -> Result<()> {
        let new = self.folder.join("gateway.toml.new");
        fs::write(&new, text).with_context(|| format!("cannot write {}", new.display()))?;
        fs::rename(&new, self.config()).context("cannot put gateway.toml in place")
    }

    /// The lab's configuration. Health checks are quick, so that tests need not wait long for a verdict.
    pub fn configuration(&self) -> String {
        let (state, admin, certificate) = (self.state(), self.admin(), self.certificate());
        format!(
            r#"[prefix]
pref64 = "{PREF64}"

[nat64]
ipv4_addr = "{TRANSLATOR_V4}"
ipv6_addr = "{TRANSLATOR}"
dynamic_pool = "{POOL}"
state_dir = "{state}"

[dns64]
listen = ["[{RESOLVER}]:53"]
listen_tls = ["[{RESOLVER}]:853"]
tls = {{ certificates = ["{certificate}"] }}
upstream = ["{NAMES}"]

[[proxy.listener]]
name = "web"
bind = ["[{PROXY}]:80"]
mode = "http"
pool = "web"

[[proxy.listener]]
name = "echo"
bind = ["[{PROXY}]:7"]
mode = "tcp"
pool = "echo"

[[proxy.pool]]
name = "web"
check = {{ interval = "200ms", timeout = "200ms", rise = 1, fall = 2 }}
[[proxy.pool.member]]
name = "alpha"
address = "{ALPHA}:80"
[[proxy.pool.member]]
name = "beta"
address = "{BETA}:80"

[[proxy.pool]]
name = "echo"
check = {{ interval = "200ms", timeout = "200ms", rise = 1, fall = 2 }}
[[proxy.pool.member]]
name = "alpha"
address = "{ALPHA}:7"
[[proxy.pool.member]]
name = "beta"
address = "{BETA}:7"

[admin]
socket = "{admin}"
"#,
            state = state.display(),
            admin = admin.display(),
            certificate = certificate.display(),
        )
    }
}

impl Daemon {
    /// What starts the daemon `role` with the file of `files`; tests take something away from it before they do.
    pub fn launch(role: Role, binaries: &Binaries, files: &Files) -> Result<Launch> {
        let name = role.program();
        Ok(Launch::new(name, binaries.path(name)?)
            .args([Path::new("--config"), &files.config(), Path::new("run")])
            .env_remove("NOTIFY_SOCKET")
            .log_to(files.logs().join(format!("{name}.log"))))
    }

    /// Starts it inside `gateway`, without waiting for it.
    pub fn start(role: Role, launch: Launch, gateway: &Namespace, files: &Files) -> Result<Self> {
        let admin = Admin::new(files.admin().join(format!("{}.sock", role.program())));
        Ok(Self { role, program: launch.start(gateway)?, admin })
    }

    /// Waits until it says that it serves.
    ///
    /// # Errors
    /// It ended, or is not ready in time; with its last words.
    pub fn wait_until_ready(&self) -> Result<()> {
        until(PATIENCE, &format!("{} ready", self.role.program()), || {
            if let Some(end) = self.obituary() {
                bail!(end);
            }
            Ok(self.admin.get("/ready").ok().filter(|reply| reply.status == 200).map(drop))
        })
        .map_err(|cause| anyhow!("{cause:#}; {}", self.last_words()))
    }

    /// How it ended and what it said last, if it ended.
    pub fn obituary(&self) -> Option<String> {
        let status = self.program.exited()?;
        Some(format!("{} ended ({status})", self.role.program()))
    }

    /// The last lines of its log.
    pub fn last_words(&self) -> String {
        let lines = self.program.tail(LAST_WORDS);
        let log = self.program.log().unwrap_or(Path::new("its log")).display();
        if lines.is_empty() {
            return format!("{log} is empty");
        }
        format!("the end of {log}:\n    {}", lines.join("\n    "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_valid_for_every_daemon() {
        let files = Files { folder: PathBuf::from("/tmp/lab") };
        let loaded = config::parse(&files.configuration(), "gateway.toml").unwrap();
        for section in [config::Section::Nat64, config::Section::Dns64, config::Section::Proxy] {
            assert!(loaded.model.has(section), "{}", section.name());
        }
    }
}
