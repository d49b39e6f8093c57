//! Why an opening came to nothing. Pure.

use crate::client_hello::Malformed;
use crate::counts::Failure;
use crate::record;
use rustls::Error as TlsError;
use service::tls;
use std::io;

/// Whose fault it is, and what.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it did not come within proxy.timeout.handshake")]
    Late,
    #[error("{0}")]
    Hello(#[from] Malformed),
    #[error("{}", in_words(.0))]
    Tls(TlsError),
    #[error("the connection ended: {0}")]
    Gone(#[from] io::Error),
}

impl Fault {
    /// What an error of a handshake is.
    pub(super) fn of(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            Some(error) => Self::Tls(error.clone()),
            None => Self::Gone(error),
        }
    }

    /// What the line about the connection tells.
    pub(super) fn line(&self) -> record::Fault {
        match self {
            Self::Late => record::Fault::LateHandshake,
            Self::Gone(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                record::Fault::ClosedHandshake
            }
            Self::Hello(_) | Self::Tls(_) | Self::Gone(_) => record::Fault::FailedHandshake,
        }
    }

    /// How it is counted.
    pub(super) const fn failure(&self) -> Failure {
        match self {
            Self::Late => Failure::SlowHandshake,
            Self::Hello(_) => Failure::TlsMalformed,
            Self::Gone(_) => Failure::ClientGone,
            Self::Tls(error) => match error {
                TlsError::AlertReceived(_) => Failure::TlsAlert,
                TlsError::PeerIncompatible(_) | TlsError::NoApplicationProtocol => Failure::TlsIncompatible,
                TlsError::NoCertificatesPresented | TlsError::InvalidCertificate(_) => {
                    Failure::TlsClientCertificate
                }
                TlsError::InappropriateMessage { .. }
                | TlsError::InappropriateHandshakeMessage { .. }
                | TlsError::InvalidMessage(_)
                | TlsError::PeerMisbehaved(_)
                | TlsError::PeerSentOversizedRecord
                | TlsError::DecryptError => Failure::TlsMalformed,
                _ => Failure::TlsInternal,
            },
        }
    }
}

/// The library's own words, but for what it only has a name for.
fn in_words(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(error) if tls::is_version_1(error) => {
            format!("the client's certificate is of X.509 version 1; {}", tls::SIGN_ANEW)
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_hello::Reason;
    use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

    #[test]
    fn faults_are_told_apart() {
        let check = |fault: Fault, expect: Failure| assert_eq!(fault.failure(), expect, "{fault}");
        let of = |error: TlsError| Fault::of(io::Error::new(io::ErrorKind::InvalidData, error));
        check(Fault::Late, Failure::SlowHandshake);
        check(Fault::Hello(Reason::Fields.into()), Failure::TlsMalformed);
        check(Fault::of(io::ErrorKind::UnexpectedEof.into()), Failure::ClientGone);
        check(of(TlsError::AlertReceived(AlertDescription::UnknownCA)), Failure::TlsAlert);
        check(of(TlsError::NoApplicationProtocol), Failure::TlsIncompatible);
        let old = PeerIncompatible::Tls12NotOfferedOrEnabled;
        check(of(TlsError::PeerIncompatible(old)), Failure::TlsIncompatible);
        check(of(TlsError::NoCertificatesPresented), Failure::TlsClientCertificate);
        check(of(TlsError::InvalidCertificate(CertificateError::Expired)), Failure::TlsClientCertificate);
        check(of(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)), Failure::TlsMalformed);
        check(of(TlsError::FailedToGetRandomBytes), Failure::TlsInternal);
    }
}
