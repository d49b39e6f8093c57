//! Debian's Unbound, tuned as its guide to performance says: a thread for each processor with sockets of its own, as many
//! slabs as threads (rounded up to a power of two), a message cache of half the record cache, and ports for thousands of
//! questions at a time.

use super::certificate::Certificate;
use super::product::Place;
use super::questions::PREFIX;
use crate::namespace::Namespace;
use crate::peers::foreign::Foreign;
use crate::program::Program;
use anyhow::Result;

/// The program.
pub(super) const UNBOUND: Foreign = Foreign { name: "unbound", program: "unbound", package: "unbound" };

/// Starts one.
pub(super) fn start(place: &Place<'_>, host: &Namespace) -> Result<Program> {
    UNBOUND.launch(&["-d", "-p", "-c"], &text(place), place.folder)?.start(host)
}

/// Its file. `chroot`, `username` and `pidfile` are empty since it lives in a private folder and network anyway.
fn text(place: &Place<'_>) -> String {
    let Place { setting, address, folder, certificate } = place;
    let slabs = setting.cores.next_power_of_two();
    let tls = certificate.as_ref().map_or_else(String::new, |Certificate { chain, key, .. }| {
        let (chain, key) = (chain.display(), key.display());
        format!("    interface: {address}@853\n    tls-service-pem: {chain}\n    tls-service-key: {key}\n")
    });
    format!(
        r#"server:
    username: ""
    chroot: ""
    pidfile: ""
    directory: "{folder}"
    use-syslog: no
    verbosity: 0
    interface: {address}
    access-control: ::/0 allow
    do-not-query-localhost: no
    module-config: "dns64 iterator"
    dns64-prefix: {PREFIX}
    num-threads: {cores}
    so-reuseport: yes
    outgoing-range: 8192
    num-queries-per-thread: 4096
    incoming-num-tcp: 1024
    msg-cache-slabs: {slabs}
    rrset-cache-slabs: {slabs}
    infra-cache-slabs: {slabs}
    key-cache-slabs: {slabs}
    msg-cache-size: {messages}
    rrset-cache-size: {records}
    cache-max-ttl: 86400
    cache-max-negative-ttl: 86400
    minimal-responses: yes
    prefetch: no
    serve-expired: no
    qname-minimisation: no
{tls}forward-zone:
    name: "."
    forward-addr: {upstream}
remote-control:
    control-enable: no
"#,
        folder = folder.display(),
        cores = setting.cores,
        messages = setting.cache / 3,
        records = setting.cache / 3 * 2,
        upstream = setting.upstream,
    )
}
