//! The web server behind all proxies: Debian's nginx, with a short answer and a long one, which it need not make anew.

use super::setting::{BEHIND, CROWD, WEB};
use crate::namespace::Namespace;
use crate::peers::cores::Places;
use crate::peers::foreign::Foreign;
use crate::program::Program;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The program.
pub(super) const NGINX: Foreign = Foreign { name: "nginx", program: "nginx", package: "nginx" };

/// The target of the short answer.
pub(super) const SMALL: &str = "/small";

/// The target of the long one, and its bytes.
pub(super) const LARGE: &str = "/large";
const LENGTH: usize = 1 << 20;

/// Starts one for each processor that the proxies leave, all at one port. Each is a single process: a worker of a master
/// would outlive both if this process were killed.
pub(super) fn start(host: &Namespace, places: &Places, folder: &Path) -> Result<Vec<Program>> {
    let large = folder.join(LARGE.trim_start_matches('/'));
    fs::write(&large, vec![b'x'; LENGTH]).with_context(|| format!("cannot write {}", large.display()))?;
    let prefix = folder.display().to_string();
    let arguments = ["-p", &prefix, "-e", "stderr", "-c"];
    let one = |number: usize| {
        let inner = folder.join(format!("{}.{number}", NGINX.name));
        NGINX.launch(&arguments, &text(folder, number), &inner)?.on_processors(places.rest).start(host)
    };
    (0..places.others).map(one).collect()
}

fn text(folder: &Path, number: usize) -> String {
    format!(
        r#"user root;
daemon off;
master_process off;
pid {folder}/nginx.{number}.pid;
error_log stderr crit;
events {{
    worker_connections {room};
}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=10;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_header_timeout 1h;
    client_body_temp_path {folder}/nginx.tmp;
    proxy_temp_path {folder}/nginx.tmp;
    fastcgi_temp_path {folder}/nginx.tmp;
    uwsgi_temp_path {folder}/nginx.tmp;
    scgi_temp_path {folder}/nginx.tmp;
    server {{
        listen {BEHIND}:{WEB} backlog=4096 reuseport;
        root {folder};
        location = {SMALL} {{
            return 200 "ok\n";
        }}
        location = {LARGE} {{
        }}
    }}
}}
"#,
        folder = folder.display(),
        room = u32::from(CROWD) * 2,
    )
}
