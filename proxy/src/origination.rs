//! TLS as this proxy speaks it to the members of one pool: whom it believes, which name it asks for, what it shows.
//!
//! Read from the files when a configuration is prepared, and kept as it is while the files and `proxy.pool.tls` say the
//! same; so are connections that are kept for another request, and sessions to resume. A session resumes with the
//! member that gave it, and never once anything here has changed. Checks resume none: each of them sees the
//! certificate. Nothing is sent ahead of the handshake (no 0-RTT, RFC 8470), but for a PROXY header, which is in plain.

mod fault;
mod unverified;

pub(crate) use fault::{OriginationError, alert};

use crate::error::Error;
use crate::shortage::Seldom;
use crate::stream::{Socket, Stream};
use addr::fold_mapped;
use config::model::{HttpVersion, Pool, PoolTls, Proxy};
use config::{Domain, Refusal};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use service::tls::{self, Bundle};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio_rustls::TlsConnector;
use unverified::Unverified;

/// Sessions of one member that are kept to be resumed; TLS 1.3 keeps several tickets for each.
const SESSIONS: usize = 8;

/// How the members of a pool with `tls` are spoken to.
pub(crate) struct Origination {
    model: PoolTls,
    /// What is spoken inside TLS.
    protocol: HttpVersion,
    /// What members are asked for; without it, their address is verified.
    name: Option<ServerName<'static>>,
    /// Whose certificates members may show; nobody's where nothing is verified.
    roots: RootCertStore,
    bundle: Option<Bundle>,
    config: ClientConfig,
}

/// By the name of the pool.
pub(crate) type Originations = BTreeMap<String, Arc<Origination>>;

/// What a connection to one member needs.
#[derive(Debug)]
pub(crate) struct Secured {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// Handshakes that failed, as far as the log tells of them.
    failures: Mutex<Seldom>,
}

impl Origination {
    fn load(model: &PoolTls, protocol: HttpVersion, system: &mut System) -> Result<Self, OriginationError> {
        let name = model.server_name.as_ref().map(server_name).transpose()?;
        let roots = match &model.ca {
            _ if !model.verify => RootCertStore::empty(),
            Some(file) => authorities(file)?,
            None => system.roots()?,
        };
        let bundle = model.certificate.as_deref().map(certificate).transpose()?;
        let mut config = client_config(model.verify, &roots, bundle.as_ref())?;
        offer(&mut config, protocol);
        Ok(Self { model: model.clone(), protocol, name, roots, bundle, config })
    }

    /// Whether both would speak to members alike.
    fn is_same(&self, other: &Self) -> bool {
        let same_bundle = match (&self.bundle, &other.bundle) {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.model == other.model
            && self.protocol == other.protocol
            && self.roots.roots == other.roots.roots
            && same_bundle
    }

    /// For the connections of clients to the member at this address.
    pub(crate) fn to_member(&self, address: IpAddr) -> Secured {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Secured::new(config, self.name.clone().unwrap_or_else(|| verified(address)))
    }

    /// For checks that ask for this name, or else verify this address, and speak this inside TLS, or else what clients do.
    pub(crate) fn to_check(
        &self,
        (name, address): (Option<&Domain>, IpAddr),
        protocol: Option<HttpVersion>,
    ) -> io::Result<Secured> {
        let mut config = self.config.clone();
        offer(&mut config, protocol.unwrap_or(self.protocol));
        Secured::named(config, name, address).map_err(io::Error::other)
    }

    /// What the files of `model` say otherwise, one line each.
    fn changed(&self, pool: &str, model: &PoolTls, system: &mut System) -> Vec<String> {
        let at = format!("proxy.pool \"{pool}\": ");
        let Ok(new) = Self::load(model, self.protocol, system) else {
            // What is wrong is said when they are loaded to be used.
            return vec![format!("{at}a file of tls was replaced")];
        };
        let mut lines = Vec::new();
        if new.roots.roots != self.roots.roots {
            lines.push(format!("{at}other authorities are trusted"));
        }
        if let (Some(new), Some(old)) = (&new.bundle, &self.bundle)
            && !new.is_same(old)
        {
            lines.push(format!("{at}{} has another certificate", new.file.display()));
        }
        lines
    }
}

impl std::fmt::Debug for Origination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origination").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Secured {
    /// For checks of a pool that does not speak TLS: whoever answers will do.
    pub(crate) fn unverified(name: Option<&Domain>, address: IpAddr) -> io::Result<Self> {
        let config = client_config(false, &RootCertStore::empty(), None);
        config.and_then(|config| Self::named(config, name, address)).map_err(io::Error::other)
    }

    fn named(config: ClientConfig, name: Option<&Domain>, address: IpAddr) -> Result<Self, OriginationError> {
        let name = name.map_or_else(|| Ok(verified(address)), server_name)?;
        Ok(Self::new(config, name))
    }

    fn new(config: ClientConfig, name: ServerName<'static>) -> Self {
        Self { config: Arc::new(config), name, failures: Mutex::default() }
    }

    /// Whether the log may tell of a handshake that failed, and how many it did not tell of since the last one.
    pub(crate) fn admit_failure(&self) -> Option<u64> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now())
    }

    /// Makes the handshake on a new connection.
    pub(crate) async fn handshake(&self, socket: Socket) -> io::Result<Stream> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let connected = connector.connect(self.name.clone(), socket).await;
        let stream = connected.map_err(|error| fault::explain(&error))?;
        let offered = self.config.alpn_protocols.first().map(Vec::as_slice);
        if offered.is_some() && stream.get_ref().1.alpn_protocol() != offered {
            return Err(fault::no_http2());
        }
        Ok(Stream::from(stream))
    }
}

/// Has the member choose this by ALPN (RFC 7301). To HTTP/1.1 servers no word need be said of it.
fn offer(config: &mut ClientConfig, protocol: HttpVersion) {
    config.alpn_protocols = match protocol {
        HttpVersion::H1 => Vec::new(),
        HttpVersion::H2 => vec![b"h2".to_vec()],
    };
}

/// The name to ask for and to verify.
fn server_name(name: &Domain) -> Result<ServerName<'static>, OriginationError> {
    ServerName::try_from(name.to_string()).map_err(|_| OriginationError::Name(name.clone()))
}

/// An address is verified, too, but never asked for (RFC 6066 §3).
fn verified(address: IpAddr) -> ServerName<'static> {
    ServerName::IpAddress(fold_mapped(address).into())
}

fn authorities(file: &Path) -> Result<RootCertStore, OriginationError> {
    tls::authorities(file).map_err(|fault| OriginationError::Authorities { file: file.to_owned(), fault })
}

fn certificate(file: &Path) -> Result<Bundle, OriginationError> {
    Bundle::load(file).map_err(|fault| OriginationError::Certificate { file: file.to_owned(), fault })
}

fn client_config(
    verify: bool,
    roots: &RootCertStore,
    bundle: Option<&Bundle>,
) -> Result<ClientConfig, OriginationError> {
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(OriginationError::Library)?;
    let builder = if verify {
        builder.with_root_certificates(roots.clone())
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified))
    };
    let mut config = match bundle {
        Some(bundle) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(bundle.certified_key())))
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Whom the system trusts, read when it is first asked for.
#[derive(Default)]
struct System(Option<RootCertStore>);

impl System {
    fn roots(&mut self) -> Result<RootCertStore, OriginationError> {
        let roots = self.0.get_or_insert_with(|| {
            let system = rustls_native_certs::load_native_certs();
            for error in system.errors {
                tracing::warn!(%error, "some certificates that the system trusts cannot be read");
            }
            let mut roots = RootCertStore::empty();
            // The system's own store may hold certificates that no client takes; the others are as good as before.
            roots.add_parsable_certificates(system.certs);
            roots
        });
        if roots.is_empty() { Err(OriginationError::Nobody) } else { Ok(roots.clone()) }
    }
}

/// The pools that speak TLS, with their place in the file.
fn encrypted(proxy: &Proxy) -> impl Iterator<Item = (usize, &Pool, &PoolTls)> {
    let pools = proxy.pool.iter().enumerate();
    pools.filter_map(|(place, pool)| Some((place, pool, pool.tls.as_ref()?)))
}

/// Reads what every pool with TLS needs; one that would speak as it did in `current` is kept.
pub(crate) fn load(proxy: &Proxy, current: Option<&Originations>) -> Result<Originations, Error> {
    let (mut all, mut system) = (Originations::new(), System::default());
    for (_, pool, model) in encrypted(proxy) {
        let new = Origination::load(model, pool.protocol, &mut system)
            .map_err(|source| Error::MemberTls { pool: pool.name.clone(), source })?;
        let old = current.and_then(|current| current.get(&pool.name)).filter(|old| old.is_same(&new));
        all.insert(pool.name.clone(), old.map_or_else(|| Arc::new(new), Arc::clone));
    }
    Ok(all)
}

/// The files that cannot be used.
pub(crate) fn refusals(proxy: &Proxy) -> Vec<Refusal> {
    let (mut all, mut system) = (Vec::new(), System::default());
    for (place, _, model) in encrypted(proxy) {
        let mut parts = vec![
            model.server_name.as_ref().map(server_name).transpose().err(),
            model.certificate.as_deref().map(certificate).transpose().err(),
        ];
        if model.verify {
            let roots = model.ca.as_deref().map_or_else(|| system.roots(), authorities);
            parts.push(roots.err());
        }
        all.extend(
            parts.into_iter().flatten().map(|fault| fault.refusal(&format!("proxy.pool[{place}].tls"))),
        );
    }
    all
}

/// What an operator should know of the certificates that members are shown, though they can be used.
pub(crate) fn warnings(proxy: &Proxy) -> Vec<String> {
    let files: BTreeSet<_> = encrypted(proxy).filter_map(|(_, _, model)| model.certificate.clone()).collect();
    tls::warnings(&Vec::from_iter(files))
}

/// What the files say otherwise than when `used` was read, one line each.
pub(crate) fn changed(proxy: &Proxy, used: &Originations) -> Vec<String> {
    let mut system = System::default();
    encrypted(proxy)
        .filter_map(|(_, pool, model)| Some((pool, model, used.get(&pool.name)?)))
        .flat_map(|(pool, model, used)| used.changed(&pool.name, model, &mut system))
        .collect()
}

#[cfg(test)]
mod tests;
