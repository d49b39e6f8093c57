//! Who is asked for what: from the model to upstreams.

use super::wire_name;
use crate::upstream::{Assignment, Place, Scheme, Trust, TrustError};
use config::Refusal;
use config::model::{Dns64, Upstream, UpstreamTransport};

/// The upstreams of the file, and who vouches for them. Reads the files of certificates.
pub(super) fn read(dns64: &Dns64) -> Result<Assignment, TrustError> {
    let places = |upstreams: &[Upstream]| upstreams.iter().map(place).collect::<Vec<_>>();
    let forward = dns64
        .forward
        .iter()
        .map(|forward| (forward.domains.iter().map(wire_name).collect(), places(&forward.upstream)));
    let trust = trust(dns64)?;
    Ok(Assignment { default: places(&dns64.upstream), forward: forward.collect(), trust })
}

/// Who vouches for upstreams, where there are any that somebody has to vouch for.
fn trust(dns64: &Dns64) -> Result<Option<Trust>, TrustError> {
    let mut all = dns64.forward.iter().flat_map(|forward| &forward.upstream).chain(&dns64.upstream);
    if !all.any(|upstream| upstream.transport.is_encrypted()) {
        return Ok(None);
    }
    Trust::load(dns64.upstream_ca.as_deref()).map(Some)
}

/// What cannot be served because nobody can vouch for upstreams.
pub(crate) fn untrusted(dns64: &Dns64) -> Option<Refusal> {
    let error = trust(dns64).err()?;
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Some(Refusal {
        path: "dns64.upstream_ca".to_owned(),
        message: format!("{error}{cause}"),
        help: "give a PEM file of certificates that this user may read".to_owned(),
    })
}

fn place(upstream: &Upstream) -> Place {
    let scheme = match &upstream.transport {
        UpstreamTransport::Plain => Scheme::Udp,
        UpstreamTransport::Tcp => Scheme::Tcp,
        UpstreamTransport::Tls { name } => Scheme::Tls { name: name.as_str().into() },
        UpstreamTransport::Https { name, path } => {
            Scheme::Https { name: name.as_str().into(), path: path.as_str().into() }
        }
    };
    Place { address: upstream.address, scheme }
}
