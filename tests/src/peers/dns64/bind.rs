//! Debian's BIND, with nothing beside forwarding and DNS64: no validation, no control channel, no local zones, no log of
//! queries, and room for all questions and connections at a time.

use super::certificate::Certificate;
use super::product::Place;
use super::questions::PREFIX;
use crate::namespace::Namespace;
use crate::peers::foreign::Foreign;
use crate::program::Program;
use anyhow::Result;

/// The program.
pub(super) const BIND: Foreign = Foreign { name: "bind", program: "named", package: "bind9" };

/// Starts one.
pub(super) fn start(place: &Place<'_>, host: &Namespace) -> Result<Program> {
    let threads = place.setting.cores.to_string();
    BIND.launch(&["-f", "-n", &threads, "-c"], &text(place), place.folder)?.start(host)
}

/// Its file.
fn text(place: &Place<'_>) -> String {
    let Place { setting, address, folder, certificate } = place;
    let tls = certificate.as_ref().map_or_else(String::new, |Certificate { chain, key, .. }| {
        format!("tls own {{ cert-file \"{}\"; key-file \"{}\"; }};\n", chain.display(), key.display())
    });
    let listen_tls = if tls.is_empty() {
        String::new()
    } else {
        format!("    listen-on-v6 port 853 tls own {{ {address}; }};\n")
    };
    format!(
        r#"{tls}options {{
    directory "{folder}";
    pid-file none;
    lock-file none;
    session-keyfile none;
    listen-on {{ none; }};
    listen-on-v6 port 53 {{ {address}; }};
{listen_tls}    recursion yes;
    allow-query {{ any; }};
    allow-recursion {{ any; }};
    allow-query-cache {{ any; }};
    forward only;
    forwarders {{ {upstream}; }};
    dns64 {PREFIX} {{ clients {{ any; }}; }};
    dnssec-validation no;
    empty-zones-enable no;
    minimal-responses yes;
    querylog no;
    recursive-clients 100000;
    tcp-clients 1024;
    tcp-listen-queue 1024;
    max-cache-size {cache};
    max-cache-ttl 86400;
    max-ncache-ttl 86400;
}};
controls {{ }};
logging {{
    channel errors {{ stderr; severity error; }};
    category default {{ errors; }};
}};
"#,
        folder = folder.display(),
        upstream = setting.upstream,
        cache = setting.cache,
    )
}
