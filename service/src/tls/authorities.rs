//! Whose certificates a daemon believes, read from a PEM file.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use std::path::Path;

/// Why a file names no authorities.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The file, or its PEM.
    #[error("cannot be read")]
    Unreadable(#[source] pem::Error),
    /// Something else, or nothing.
    #[error("holds no certificate")]
    Empty,
    /// A certificate that cannot be anybody's issuer.
    #[error("holds a certificate, number {number}, that cannot vouch for anyone")]
    Useless {
        /// Its place in the file, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
}

impl AuthorityError {
    /// What to do about it.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "give the path of a PEM file that the daemon's user may read",
            Self::Empty => {
                "write the authorities' certificates into it in PEM; each begins with -----BEGIN CERTIFICATE-----"
            }
            Self::Useless { .. } => "take it out, or ask for it again where it came from",
        }
    }
}

/// The authorities in `file`.
///
/// # Errors
/// See [`AuthorityError`].
pub fn authorities(file: &Path) -> Result<RootCertStore, AuthorityError> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(AuthorityError::Unreadable)?;
    for (place, certificate) in certificates.enumerate() {
        let certificate = certificate.map_err(AuthorityError::Unreadable)?;
        let useless = |source| AuthorityError::Useless { number: place + 1, source };
        roots.add(certificate).map_err(useless)?;
    }
    if roots.is_empty() { Err(AuthorityError::Empty) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn read(text: &str) -> Result<RootCertStore, AuthorityError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, text).unwrap();
        authorities(&file)
    }

    #[test]
    fn all_certificates_of_a_file_are_authorities() {
        let one = || {
            let params = CertificateParams::new(vec!["ca.example".to_owned()]).unwrap();
            params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
        };
        assert_eq!(read(&(one() + &one())).unwrap().len(), 2);
    }

    #[test]
    fn whatever_is_wrong_with_a_file_is_told_apart() {
        let check = |result: Result<RootCertStore, AuthorityError>, expect: fn(&AuthorityError) -> bool| {
            let error = result.unwrap_err();
            assert!(expect(&error) && !error.help().is_empty(), "{error:?}");
        };
        check(authorities(Path::new("/nonexistent/ca.pem")), |error| {
            matches!(error, AuthorityError::Unreadable(_))
        });
        check(read("hello"), |error| matches!(error, AuthorityError::Empty));
        check(read("-----BEGIN CERTIFICATE-----\n"), |error| matches!(error, AuthorityError::Unreadable(_)));
        check(read("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), |error| {
            matches!(error, AuthorityError::Useless { number: 1, .. })
        });
    }
}
