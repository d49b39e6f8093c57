//! `proxy.listener.tls`: what is shown to clients, and what is asked of them.

use super::super::shared::certificates;
use super::super::{Read, Table, Value, values};
use crate::defaults;
use crate::model::{ClientAuth, Mode, Tls};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The longest protocol name of ALPN (RFC 7301 §3.1).
const ALPN_LENGTH: RangeInclusive<usize> = 1..=255;

pub(super) fn read(table: &Table<'_>, mode: Read<Mode>) -> Read<Tls> {
    let served = match mode {
        Ok(Mode::Udp) => Err(table.at.refuse("TLS runs over TCP, and the mode is \"udp\"", "leave out tls")),
        Ok(Mode::Tcp | Mode::Http) | Err(_) => Ok(()),
    };
    let certificates = certificates(table);
    let alpn = table.list("alpn", protocol).map(|list| match (list, mode) {
        (Some(list), _) => values(list),
        (None, Ok(Mode::Http)) => defaults::HTTP_ALPN.map(str::to_owned).into(),
        (None, _) => Vec::new(),
    });
    let client_ca = table.maybe("client_ca", Value::path);
    let client_auth = client_auth(table, &client_ca);
    let min_version = table.or("min_version", defaults::MIN_TLS, Value::choice);
    let tls = Tls {
        certificates: certificates?,
        alpn: alpn?,
        client_ca: client_ca?,
        client_auth: client_auth?,
        min_version: min_version?,
    };
    served.map(|()| tls)
}

fn client_auth(table: &Table<'_>, client_ca: &Read<Option<PathBuf>>) -> Read<ClientAuth> {
    let given = table.maybe("client_auth", Value::choice)?;
    // What could not be read was given all the same.
    let has_authority = !matches!(client_ca, Ok(None));
    match given {
        Some(ClientAuth::Optional | ClientAuth::Required) if !has_authority => {
            if let Some(reported) = table.slip("client_ca") {
                return Err(reported);
            }
            Err(table.spot("client_auth").lacks(
                "nothing says whose certificates of clients are valid",
                "add client_ca = \"/etc/causeway/clients.pem\", a file with the authorities' certificates",
            ))
        }
        Some(given) => Ok(given),
        None => Ok(defaults::client_auth(has_authority)),
    }
}

fn protocol(value: &Value<'_>) -> Read<String> {
    let text = value.text("the name of a protocol such as \"http/1.1\"")?;
    if ALPN_LENGTH.contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(value.mismatch("the name of a protocol, 1 to 255 bytes long"))
}
