//! The one certificate that all proxies show: an elliptic curve key (P-256), which both sign fastest with.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The name it holds for.
pub(super) const NAME: &str = "web.example";

/// Certificate and key in one file, as both proxies read them.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("web.pem")
}

/// Makes it in `folder`.
pub(super) fn make(folder: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).context("a certificate")?;
    let file = file(folder);
    let both = made.cert.pem() + &made.signing_key.serialize_pem();
    fs::write(&file, both).with_context(|| format!("cannot write {}", file.display()))
}
