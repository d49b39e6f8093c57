//! What can be wrong with the files that TLS to members needs, and with a handshake.

use config::{Domain, Refusal};
use rustls::{AlertDescription, CertificateError};
use service::tls::{self, AuthorityError, BundleError};
use std::error::Error;
use std::io;
use std::path::PathBuf;

/// Why the members of a pool cannot be spoken to over TLS.
#[derive(Debug, thiserror::Error)]
pub enum OriginationError {
    /// The authorities of members.
    #[error("cannot use ca {}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        fault: AuthorityError,
    },
    /// The system trusts nobody, and the file names nobody.
    #[error("no certificate is trusted, so no member can be verified")]
    Nobody,
    /// The certificate to show.
    #[error("cannot use certificate {}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        fault: BundleError,
    },
    /// The name to ask for.
    #[error("{0} is not the name of a host")]
    Name(Domain),
    /// The TLS library.
    #[error("cannot set up TLS")]
    Library(#[source] rustls::Error),
}

/// What a member that speaks TLS and no HTTP/2 comes to.
pub(super) fn no_http2() -> io::Error {
    io::Error::other("the member does not choose HTTP/2 by ALPN, which proxy.pool.protocol asks for")
}

impl OriginationError {
    /// The refusal of the key below `at`, `proxy.pool.tls`, that is to blame.
    pub(super) fn refusal(&self, at: &str) -> Refusal {
        let named = |key: &str, file: &PathBuf, fault: &dyn Error, help: &'static str| {
            let cause = fault.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            (format!("{at}{key}"), format!("{}: {fault}{cause}", file.display()), help)
        };
        let (path, message, help) = match self {
            Self::Authorities { file, fault } => named(".ca", file, fault, fault.help()),
            Self::Certificate { file, fault } => named(".certificate", file, fault, fault.help()),
            Self::Nobody => (
                at.to_owned(),
                self.to_string(),
                "install the package ca-certificates, or set proxy.pool.tls.ca",
            ),
            Self::Name(_) => (
                format!("{at}.server_name"),
                self.to_string(),
                "labels neither begin nor end with a hyphen, and the last one is no number",
            ),
            Self::Library(_) => (at.to_owned(), self.to_string(), "report it with the log"),
        };
        Refusal { path, message, help: help.to_owned() }
    }
}

/// The same error, which says that it is of the handshake and what can be done.
pub(super) fn explain(error: &io::Error) -> io::Error {
    let why = match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => certificate(why),
        Some(other) => alert(error).unwrap_or_else(|| other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the member ends the connection instead".to_owned()
        }
        None => error.to_string(),
    };
    io::Error::new(error.kind(), format!("no TLS handshake: {why}"))
}

/// What a member says in TLS when it breaks off, and what can be done. With TLS 1.3 it looks at our certificate only
/// when the handshake is done for this side.
pub(crate) fn alert(error: &io::Error) -> Option<String> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())?;
    let rustls::Error::AlertReceived(alert) = inner else { return None };
    let help = match alert {
        AlertDescription::CertificateRequired => {
            "; it asks for a certificate: proxy.pool.tls.certificate is what it is shown"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => "; it was shown proxy.pool.tls.certificate",
        AlertDescription::NoApplicationProtocol => {
            "; it does not speak HTTP/2, which proxy.pool.protocol asks for"
        }
        _ => "",
    };
    Some(format!("the alert {alert:?}{help}"))
}

/// What is wrong with a member's certificate.
fn certificate(error: &CertificateError) -> String {
    match error {
        // The second: an issuer that is called like one of those, and has another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody who is trusted issued the member's certificate; proxy.pool.tls.ca names an issuer"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the member's certificate is made out to others ({error})")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the member's certificate has expired ({error})")
        }
        other if tls::is_version_1(other) => {
            format!("the member's certificate is of X.509 version 1; {}", tls::SIGN_ANEW)
        }
        other => format!("the member's certificate is no good: {other}"),
    }
}
