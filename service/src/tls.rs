//! Certificates for daemons that serve TLS: read from PEM bundles, chosen by the name that a client asks for, replaced
//! while connections stand.
//!
//! A bundle is a file with a certificate, the chain behind it and the private key. Decides nothing about protocols:
//! whoever serves builds its own `ServerConfig` around [`Certificates`], with the provider of [`provider`]. Knows
//! nothing of what clients' certificates allow, and fetches none: what writes the files does.

mod authorities;
mod bundle;
mod certificates;

pub use authorities::{AuthorityError, authorities};
pub use bundle::{Bundle, BundleError};
pub use certificates::Certificates;

use config::Refusal;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// The cryptography that every connection of a daemon uses.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

/// What to do about a certificate of X.509 version 1, which is what `openssl x509 -req` makes when it is told of no
/// extensions.
pub const SIGN_ANEW: &str = "sign it anew with its names in a subjectAltName: \
     openssl x509 -req ... -extfile names.cnf, where names.cnf holds subjectAltName = DNS:web.example";

/// Whether the library refuses a peer's certificate because it is of X.509 version 1. It says so in this word alone.
pub fn is_version_1(error: &rustls::CertificateError) -> bool {
    matches!(error, rustls::CertificateError::Other(other) if other.0.to_string() == "UnsupportedCertVersion")
}

/// Why one of the files that a key lists cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", .file.display())]
pub struct CertificateError {
    /// Its place in the list, from 0.
    pub index: usize,
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    #[source]
    pub fault: BundleError,
}

/// Every file of a list that cannot be used; at least one.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|error| crate::error::chain(error)).collect::<Vec<_>>().join("; "))]
pub struct CertificateErrors(pub Vec<CertificateError>);

/// Reads every file of a list.
///
/// # Errors
/// Every file that cannot be used.
pub fn load(files: &[PathBuf]) -> Result<Vec<Bundle>, CertificateErrors> {
    let mut bundles = Vec::new();
    let mut errors = Vec::new();
    for (index, file) in files.iter().enumerate() {
        match Bundle::load(file) {
            Ok(bundle) => bundles.push(bundle),
            Err(fault) => errors.push(CertificateError { index, file: file.clone(), fault }),
        }
    }
    if errors.is_empty() { Ok(bundles) } else { Err(CertificateErrors(errors)) }
}

/// What a daemon cannot serve of the certificates that the key `path` lists, for its check of the file.
pub fn refusals(path: &str, files: &[PathBuf]) -> Vec<Refusal> {
    let refusal = |error: CertificateError| Refusal {
        path: format!("{path}[{}]", error.index),
        message: format!("{}: {}", error.file.display(), crate::error::chain(&error.fault)),
        help: error.fault.help().to_owned(),
    };
    load(files).err().into_iter().flat_map(|errors| errors.0).map(refusal).collect()
}

/// What an operator should know of the certificates that a key lists, though they can be served: one sentence each.
pub fn warnings(files: &[PathBuf]) -> Vec<String> {
    let now = SystemTime::now();
    let bundles = files.iter().filter_map(|file| Bundle::load(file).ok());
    bundles.filter_map(|bundle| bundle.warning(now)).collect()
}
