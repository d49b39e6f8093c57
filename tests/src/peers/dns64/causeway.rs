//! causeway-dns64.

use super::product::Place;
use super::questions::PREFIX;
use crate::binaries::Binaries;
use crate::gateway::{Daemon, Files, Role};
use crate::namespace::Namespace;
use anyhow::Result;
use std::path::Path;

/// Starts one, and waits until it serves.
pub(super) fn start(place: &Place<'_>, binaries: &Binaries, host: &Namespace) -> Result<Daemon> {
    let files = Files::lay_out(place.folder)?;
    files.write_config(&text(place, &files.admin()))?;
    let launch = Daemon::launch(Role::Dns64, binaries, &files)?;
    let daemon = Daemon::start(Role::Dns64, launch, host, &files)?;
    daemon.wait_until_ready()?;
    Ok(daemon)
}

fn text(place: &Place<'_>, admin: &Path) -> String {
    let Place { setting, address, certificate, .. } = place;
    let tls = certificate.as_ref().map_or_else(String::new, |certificate| {
        let file = certificate.both.display();
        format!("listen_tls = [\"[{address}]:853\"]\ntls = {{ certificates = [\"{file}\"] }}\n")
    });
    format!(
        r#"[prefix]
pref64 = "{PREFIX}"

[dns64]
listen = ["[{address}]:53"]
upstream = ["{upstream}"]
workers = {cores}
cache_size = "{cache}B"
{tls}
[admin]
socket = "{admin}"
"#,
        upstream = setting.upstream,
        cores = setting.cores,
        cache = setting.cache,
        admin = admin.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::certificate::Certificate;
    use super::super::setting::{ONE, TLS_ONE};
    use super::*;

    #[test]
    fn file_is_valid_with_tls_and_without() {
        for setting in [&ONE, &TLS_ONE] {
            let folder = Path::new("/tmp/ours");
            let certificate = setting.tls.then(|| Certificate::at(folder));
            let place = Place { setting, address: setting.address(1), folder, certificate };
            let loaded = config::parse(&text(&place, Path::new("/tmp/admin")), "gateway.toml").unwrap();
            let model = loaded.model.dns64.unwrap();
            assert_eq!((model.workers, model.cache.size), (1, setting.cache));
            assert_eq!(model.listen_tls.is_empty(), !setting.tls);
        }
    }
}
