//! TLS as one listener speaks it: its certificates, whom it believes, its keys for resumed sessions.
//!
//! Read from the files when a configuration is prepared, and kept as it is while the files and the keys of the listener
//! say the same. A session resumes by a ticket that only the termination that gave it can read: never at another
//! listener, which may ask more of its clients, nor after anything here has changed. Nothing is taken from a client
//! before its handshake is done (no 0-RTT, RFC 8470). Whatever is not replaced serves on: connections keep what they
//! began with.

use crate::error::Error;
use config::Refusal;
use config::model::{ClientAuth, Listener, Proxy, Tls, TlsVersion};
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use service::tls::{self, AuthorityError, Bundle, CertificateErrors, Certificates};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What a listener with `tls` needs, ready to serve.
pub(crate) struct Termination {
    model: Tls,
    pub(crate) bundles: Vec<Bundle>,
    /// Whose certificates clients may show.
    authorities: Arc<RootCertStore>,
    pub(crate) acceptor: TlsAcceptor,
}

/// By the name of the listener.
pub(crate) type Terminations = BTreeMap<String, Arc<Termination>>;

/// Why a listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TerminationError {
    /// Certificates of the listener.
    #[error("cannot use a certificate: {0}")]
    Certificates(CertificateErrors),
    /// The authorities of clients.
    #[error("cannot use client_ca {}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        fault: AuthorityError,
    },
    /// The TLS library.
    #[error("cannot set up TLS")]
    Library(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TerminationError {
    fn library(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Library(Box::new(error))
    }
}

impl Termination {
    fn load(model: &Tls) -> Result<Self, TerminationError> {
        let bundles = tls::load(&model.certificates).map_err(TerminationError::Certificates)?;
        let authorities = Arc::new(match asked(model) {
            Some(file) => tls::authorities(file)
                .map_err(|fault| TerminationError::Authorities { file: file.to_owned(), fault })?,
            None => RootCertStore::empty(),
        });
        let config = server_config(model, bundles.clone(), &authorities)?;
        Ok(Self { model: model.clone(), bundles, authorities, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Whether both would serve clients alike.
    fn is_same(&self, other: &Self) -> bool {
        self.model == other.model
            && self.authorities.roots == other.authorities.roots
            && self.bundles.len() == other.bundles.len()
            && self.bundles.iter().zip(&other.bundles).all(|(one, other)| one.is_same(other))
    }

    /// What the files of `model` say otherwise, one line each.
    fn changed(&self, name: &str, model: &Tls) -> Vec<String> {
        let at = format!("proxy.listener \"{name}\": ");
        let Ok(new) = Self::load(model) else {
            // What is wrong is said when they are loaded to be served.
            return vec![format!("{at}a file of tls was replaced")];
        };
        let fresh = |bundle: &&Bundle| !self.bundles.iter().any(|known| known.is_same(bundle));
        let line = |bundle: &Bundle| format!("{at}{} has another certificate", bundle.file.display());
        let mut lines: Vec<_> = new.bundles.iter().filter(fresh).map(line).collect();
        if new.authorities.roots != self.authorities.roots {
            lines.push(format!("{at}client_ca names other authorities"));
        }
        lines
    }

    /// Says in the log what is served from here on.
    pub(crate) fn announce(&self) {
        for bundle in &self.bundles {
            bundle.announce();
        }
    }
}

impl std::fmt::Debug for Termination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Termination").field("bundles", &self.bundles).finish_non_exhaustive()
    }
}

/// The file of authorities, where certificates of clients are asked for.
fn asked(model: &Tls) -> Option<&Path> {
    model.client_ca.as_deref().filter(|_| model.client_auth != ClientAuth::Off)
}

const SINCE_1_2: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const SINCE_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];

fn server_config(
    model: &Tls,
    bundles: Vec<Bundle>,
    authorities: &Arc<RootCertStore>,
) -> Result<ServerConfig, TerminationError> {
    let versions = match model.min_version {
        TlsVersion::V1_2 => SINCE_1_2,
        TlsVersion::V1_3 => SINCE_1_3,
    };
    let builder = ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(versions)
        .map_err(TerminationError::library)?;
    let verifier = || WebPkiClientVerifier::builder_with_provider(Arc::clone(authorities), tls::provider());
    let builder = match model.client_auth {
        ClientAuth::Off => builder.with_no_client_auth(),
        ClientAuth::Optional => builder.with_client_cert_verifier(
            verifier().allow_unauthenticated().build().map_err(TerminationError::library)?,
        ),
        ClientAuth::Required => {
            builder.with_client_cert_verifier(verifier().build().map_err(TerminationError::library)?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Certificates::new(bundles)));
    config.alpn_protocols = model.alpn.iter().map(|protocol| protocol.clone().into_bytes()).collect();
    config.ticketer = Ticketer::new().map_err(TerminationError::library)?;
    // What a session needs to be resumed is in the client's ticket.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The listeners that speak TLS, with their place in the file.
fn encrypted(proxy: &Proxy) -> impl Iterator<Item = (usize, &Listener, &Tls)> {
    proxy
        .listener
        .iter()
        .enumerate()
        .filter_map(|(place, listener)| Some((place, listener, listener.tls.as_ref()?)))
}

/// Reads what every listener with TLS needs; one that would serve as it did in `current` is kept.
pub(crate) fn load(proxy: &Proxy, current: Option<&Terminations>) -> Result<Terminations, Error> {
    let mut all = Terminations::new();
    for (_, listener, model) in encrypted(proxy) {
        let new = Termination::load(model)
            .map_err(|source| Error::Tls { listener: listener.name.clone(), source })?;
        let old = current.and_then(|current| current.get(&listener.name)).filter(|old| old.is_same(&new));
        all.insert(listener.name.clone(), old.map_or_else(|| Arc::new(new), Arc::clone));
    }
    Ok(all)
}

/// The files that cannot be used.
pub(crate) fn refusals(proxy: &Proxy) -> Vec<Refusal> {
    let mut all = Vec::new();
    for (place, _, model) in encrypted(proxy) {
        let at = format!("proxy.listener[{place}].tls");
        all.extend(tls::refusals(&format!("{at}.certificates"), &model.certificates));
        let Some((file, fault)) = asked(model).and_then(|file| Some((file, tls::authorities(file).err()?)))
        else {
            continue;
        };
        let cause = std::error::Error::source(&fault).map(|cause| format!(": {cause}")).unwrap_or_default();
        all.push(Refusal {
            path: format!("{at}.client_ca"),
            message: format!("{}: {fault}{cause}", file.display()),
            help: fault.help().to_owned(),
        });
    }
    all
}

/// What an operator should know of the certificates, though they can be served.
pub(crate) fn warnings(proxy: &Proxy) -> Vec<String> {
    let files: std::collections::BTreeSet<_> =
        encrypted(proxy).flat_map(|(_, _, model)| model.certificates.iter().cloned()).collect();
    tls::warnings(&Vec::from_iter(files))
}

/// What the files say otherwise than `served`, one line each.
pub(crate) fn changed(proxy: &Proxy, served: &Terminations) -> Vec<String> {
    encrypted(proxy)
        .filter_map(|(_, listener, model)| Some((listener, model, served.get(&listener.name)?)))
        .flat_map(|(listener, model, served)| served.changed(&listener.name, model))
        .collect()
}

#[cfg(test)]
mod tests;
