//! The certificate of all resolvers, and its key. Nobody verifies it: dnsperf does not.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Where they lie: as most programs want them, and in one file.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
    pub(super) both: PathBuf,
}

impl Certificate {
    /// Where they lie in `folder`.
    pub(super) fn at(folder: &Path) -> Self {
        let file = |name| folder.join(name);
        Self { chain: file("chain.pem"), key: file("key.pem"), both: file("both.pem") }
    }

    /// Makes them in `folder`: an elliptic curve key, which every resolver signs fastest with.
    pub(super) fn make(folder: &Path) -> Result<()> {
        let made = rcgen::generate_simple_self_signed(["dns.example".to_owned()]).context("a certificate")?;
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let files = Self::at(folder);
        for (path, text) in
            [(&files.chain, chain.clone()), (&files.key, key.clone()), (&files.both, chain + &key)]
        {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}
