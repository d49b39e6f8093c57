//! One PEM bundle: a certificate, the chain behind it and its private key, checked and measured.

use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

/// How long before its end an operator hears that a certificate ends: renewal should have happened by then, whatever
/// the certificate's whole life is.
const SOON: Duration = Duration::from_secs(7 * 86_400);

/// A larger file holds something else.
const LARGEST: u64 = 1 << 20;

/// A certificate that can be served.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Where it came from.
    pub file: PathBuf,
    /// Its subject.
    pub subject: String,
    /// The names it holds for, in lower case; the leftmost label of a wildcard is `*`.
    pub names: Vec<String>,
    /// The addresses it holds for.
    pub addresses: Vec<IpAddr>,
    /// When it begins to hold.
    pub not_before: SystemTime,
    /// When it ends to hold.
    pub not_after: SystemTime,
    pub(super) key: Arc<CertifiedKey>,
}

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file.
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    /// More than a bundle can be.
    #[error("has {0} bytes, which is more than any bundle")]
    TooLarge(u64),
    /// The PEM.
    #[error("is not PEM")]
    NotPem(#[source] pem::Error),
    /// Only keys, or nothing.
    #[error("holds no certificate")]
    NoCertificate,
    /// Only certificates.
    #[error("holds no private key")]
    NoKey,
    /// More than one.
    #[error("holds {0} private keys")]
    SeveralKeys(usize),
    /// The certificate itself.
    #[error("holds a certificate that cannot be read")]
    Unintelligible,
    /// A certificate without extensions, and so without names.
    #[error("holds a certificate of X.509 version 1, which names no server")]
    Version1,
    /// A key of a kind that is not served, or an encrypted one.
    #[error("holds a private key that cannot be used")]
    UnusableKey(#[source] TlsError),
    /// Two that do not belong together.
    #[error("holds a private key that does not belong to its first certificate")]
    Mismatch,
}

impl BundleError {
    /// What to do about it.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "give the path of a file that the daemon's user may read",
            Self::TooLarge(_) | Self::NotPem(_) => {
                "write certificate, chain and private key one behind the other in PEM: \
                 cat fullchain.pem privkey.pem > bundle.pem"
            }
            Self::NoCertificate => "put the certificate and the chain behind it into the same file",
            Self::NoKey => {
                "put the private key into the same file: cat fullchain.pem privkey.pem > bundle.pem"
            }
            Self::SeveralKeys(_) => "leave only the key of the file's first certificate",
            Self::Unintelligible => "ask for the certificate again where it came from",
            Self::Version1 => super::SIGN_ANEW,
            Self::UnusableKey(_) => {
                "give an RSA, ECDSA or Ed25519 key without a passphrase: openssl pkey -in key.pem"
            }
            Self::Mismatch => {
                "put the server's own certificate first and take the key that it was asked for with; \
                 openssl x509 -pubkey and openssl pkey -pubout show the same for both"
            }
        }
    }
}

impl Bundle {
    /// The bundle in `file`.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn load(file: &Path) -> Result<Self, BundleError> {
        let length = fs::metadata(file).map_err(BundleError::Unreadable)?.len();
        if length > LARGEST {
            return Err(BundleError::TooLarge(length));
        }
        let octets = fs::read(file).map_err(BundleError::Unreadable)?;
        Self::parse(file, &octets)
    }

    /// The bundle that `file` holds as `octets`.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn parse(file: &Path, octets: &[u8]) -> Result<Self, BundleError> {
        let (chain, key) = sections(octets)?;
        let leaf = chain.first().cloned().ok_or(BundleError::NoCertificate)?;
        let (_, parsed) = X509Certificate::from_der(&leaf).map_err(|_| BundleError::Unintelligible)?;
        if parsed.version() == X509Version::V1 {
            return Err(BundleError::Version1);
        }
        let key = CertifiedKey::from_der(chain, key, &super::provider()).map_err(|error| match error {
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => BundleError::Mismatch,
            TlsError::InvalidCertificate(_) => BundleError::Unintelligible,
            error => BundleError::UnusableKey(error),
        })?;
        let (names, addresses) = holders(&parsed);
        let validity = parsed.validity();
        Ok(Self {
            file: file.to_owned(),
            subject: parsed.subject().to_string(),
            names,
            addresses,
            not_before: time(validity.not_before.timestamp()),
            not_after: time(validity.not_after.timestamp()),
            key: Arc::new(key),
        })
    }

    /// Whether both hold the same certificates. Their keys are then the same, since each belongs to its certificate.
    pub fn is_same(&self, other: &Self) -> bool {
        self.file == other.file && self.key.cert == other.key.cert
    }

    /// The chain and its key, for whoever shows them to servers.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// Says in the log that it is served.
    pub fn announce(&self) {
        let (file, subject, names) = (self.file.display(), &self.subject, self.names.join(" "));
        tracing::info!(%file, subject, names, until = date(self.not_after), "certificate");
    }

    /// What an operator should know of it at `now`.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let (file, subject) = (self.file.display(), &self.subject);
        let state = if self.not_after < now {
            format!("ended on {}: clients refuse it", date(self.not_after))
        } else if self.not_before > now {
            format!("begins on {}: clients refuse it until then", date(self.not_before))
        } else if self.not_after < now + SOON {
            let left = self.not_after.duration_since(now).unwrap_or_default().as_secs() / 3600;
            format!("ends in {left} hours")
        } else {
            return None;
        };
        Some(format!("{file}: the certificate of {subject} {state}; renew it, write the file and reload"))
    }
}

/// The certificates of a PEM text in their order, and its one private key.
fn sections(octets: &[u8]) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), BundleError> {
    let mut chain = Vec::new();
    let mut keys = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(octets) {
        let (kind, der) = section.map_err(BundleError::NotPem)?;
        match kind {
            SectionKind::Certificate => chain.push(CertificateDer::from(der)),
            SectionKind::PrivateKey => keys.push(PrivateKeyDer::Pkcs8(der.into())),
            SectionKind::RsaPrivateKey => keys.push(PrivateKeyDer::Pkcs1(der.into())),
            SectionKind::EcPrivateKey => keys.push(PrivateKeyDer::Sec1(der.into())),
            // Parameters of a key and the like.
            _ => {}
        }
    }
    let count = keys.len();
    match (chain.is_empty(), keys.pop()) {
        (true, _) => Err(BundleError::NoCertificate),
        (false, None) => Err(BundleError::NoKey),
        (false, Some(_)) if count > 1 => Err(BundleError::SeveralKeys(count)),
        (false, Some(key)) => Ok((chain, key)),
    }
}

/// The names and addresses of a certificate's subjectAltName (RFC 5280 §4.2.1.6). The common name does not count
/// (RFC 9525 §2).
fn holders(certificate: &X509Certificate<'_>) -> (Vec<String>, Vec<IpAddr>) {
    let mut names = Vec::new();
    let mut addresses = Vec::new();
    let extension = certificate.subject_alternative_name().ok().flatten();
    for name in extension.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(name) => names.push(name.trim_end_matches('.').to_ascii_lowercase()),
            GeneralName::IPAddress(octets) => addresses.extend(address(octets)),
            _ => {}
        }
    }
    (names, addresses)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(octets).ok().map(IpAddr::from))
}

/// Unix time; a certificate of the time before counts from its beginning.
fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// As people read it, in UTC.
pub(super) fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let stamp = i64::try_from(seconds).ok().and_then(|seconds| ASN1Time::from_timestamp(seconds).ok());
    stamp.map_or_else(|| format!("second {seconds} of 1970"), |stamp| stamp.to_string())
}

#[cfg(test)]
pub(super) mod tests;
