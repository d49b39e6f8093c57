//! Where Unbound listens, and with which certificate, in our words.

use super::super::super::draft::Draft;
use super::super::conf::Conf;
use super::super::value::socket;
use crate::defaults::{DNS_HTTPS_PORT, DNS_PORT, DNS_TLS_PORT};
use crate::model::Dns64;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// A kind of encrypted listener: its key, and its list in the model.
type Kind = (&'static str, fn(&mut Dns64) -> &mut Vec<SocketAddr>);

const TLS: Kind = ("dns64.listen_tls", |dns64| &mut dns64.listen_tls);
const HTTPS: Kind = ("dns64.listen_https", |dns64| &mut dns64.listen_https);
const QUIC: Kind = ("dns64.listen_quic", |dns64| &mut dns64.listen_quic);

/// Which addresses serve what: Unbound tells by the port.
pub(super) fn listeners(draft: &mut Draft, conf: &Conf) {
    let port = conf.port.unwrap_or(DNS_PORT);
    let kinds = kinds(conf);
    let mut plain = Vec::new();
    for (spot, text) in &conf.interfaces {
        let Some(address) = socket(text, port) else {
            draft.lose(spot, "interface", format!("{text} is not honoured: give the address to listen at"));
            continue;
        };
        let own: Vec<_> = kinds.iter().filter(|(own, _)| *own == address.port() && *own != port).collect();
        for (_, (key, list)) in &own {
            draft.set(key, spot, |dns64| list(dns64).push(address));
        }
        if own.is_empty() {
            plain.push((spot, address));
        }
    }
    if let Some((spot, true)) = &conf.automatic {
        let every = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        plain = every.map(|ip| (spot, SocketAddr::new(ip, port))).into();
    }
    if let Some((spot, _)) = plain.first() {
        let list = plain.iter().map(|(_, address)| *address).collect();
        draft.set("dns64.listen", spot, |dns64| dns64.listen = list);
    } else if let Some(dns64) = &mut draft.model.dns64 {
        for address in &mut dns64.listen {
            address.set_port(port);
        }
        if let Some((spot, _)) = conf.interfaces.first() {
            let why =
                "no address is left for UDP and TCP: dns64.listen keeps its default, this machine alone";
            draft.lose(spot, "interface", why);
        }
    }
    certificate(draft, conf);
    if let Some((spot, path)) = &conf.http_endpoint {
        draft.set("dns64.https_path", spot, |dns64| dns64.https_path.clone_from(path));
    }
}

/// The ports of encrypted listeners. QUIC has one where it is given: most builds of Unbound do not speak it.
fn kinds(conf: &Conf) -> Vec<(u16, Kind)> {
    let tls =
        std::iter::once(conf.tls_port.unwrap_or(DNS_TLS_PORT)).chain(conf.more_tls_ports.iter().copied());
    let https = (conf.https_port.unwrap_or(DNS_HTTPS_PORT), HTTPS);
    tls.map(|port| (port, TLS)).chain([https]).chain(conf.quic_port.map(|port| (port, QUIC))).collect()
}

/// Chain and key, which stand in two files there.
fn certificate(draft: &mut Draft, conf: &Conf) {
    match (&conf.service_pem, &conf.service_key) {
        (Some((spot, pem)), Some((_, key))) if pem == key => {
            draft.set("dns64.tls", spot, |dns64| dns64.certificates = vec![pem.clone()]);
        }
        (Some((spot, pem)), Some((_, key))) => {
            let bundle = pem.with_extension("bundle.pem");
            let how = format!(
                "chain and key stand in one file here: `cat {} {} > {}`, readable by causeway alone",
                pem.display(),
                key.display(),
                bundle.display()
            );
            draft.lose(spot, "tls-service-pem", how);
            draft.set("dns64.tls", spot, |dns64| dns64.certificates = vec![bundle]);
        }
        (Some((spot, _)), None) => {
            draft.lose(spot, "tls-service-pem", "not honoured: there is no tls-service-key");
        }
        (None, Some((spot, _))) => {
            draft.lose(spot, "tls-service-key", "not honoured: there is no tls-service-pem");
        }
        (None, None) => {}
    }
}
