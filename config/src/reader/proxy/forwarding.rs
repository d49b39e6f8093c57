//! The keys of `[[proxy.listener]]` about what members are told of the client.

use super::super::{Read, Table, Value, unique, values};
use crate::defaults;
use crate::model::{ClientAuth, ForwardedField, ForwardedFor, Forwarding, Mode, Tls};
use ipnet::IpNet;
use std::ops::RangeInclusive;

/// More proxies in a row than any request passes.
const HOPS_RANGE: RangeInclusive<u8> = 1..=32;
/// Longer than any name in use.
const LONGEST_NAME: usize = 64;

/// Fields that mean something else to HTTP, and to the proxy itself.
const TAKEN: [&str; 14] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "expect",
    "max-forwards",
    "cookie",
    "authorization",
    "forwarded",
];

/// Keys that are about requests, and so need HTTP.
const OF_HTTP: [&str; 7] = [
    "client_certificate_headers",
    "forwarded_for_header",
    "forwarded_for_except",
    "forwarded_for_if_none",
    "forwarded_headers",
    "trusted_hops",
    "forwarded_for",
];

pub(super) fn read(table: &Table<'_>, mode: Read<Mode>, tls: &Read<Option<Tls>>) -> Read<Forwarding> {
    let fits = no_http(table, mode);
    let forwarded_for = table.maybe("forwarded_for", Value::choice).and_then(|given| {
        let mode = mode?;
        Ok(given.unwrap_or_else(|| defaults::forwarded_for(mode)))
    });
    let except = networks(table, "forwarded_for_except");
    let if_none = table.or("forwarded_for_if_none", defaults::FORWARDED_FOR_IF_NONE, Value::boolean);
    let fields = fields(table, forwarded_for);
    let header = table.or("forwarded_for_header", defaults::FORWARDED_FOR_HEADER.to_owned(), |value| {
        header(value, fields.as_deref().unwrap_or_default())
    });
    let certificate = certificate(table, tls);
    let trusted_proxies = networks(table, "trusted_proxies");
    let trusted_hops = hops(table, &trusted_proxies);
    fits?;
    Ok(Forwarding {
        forwarded_for: forwarded_for?,
        header: header?,
        except: except?,
        if_none: if_none?,
        fields: fields?,
        certificate: certificate?,
        trusted_proxies: trusted_proxies?,
        trusted_hops: trusted_hops?,
    })
}

/// Refuses what asks for a field where there is none.
fn no_http(table: &Table<'_>, mode: Read<Mode>) -> Read<()> {
    if let Ok(Mode::Http) | Err(_) = mode {
        return Ok(());
    }
    let mut outcome = Ok(());
    for key in OF_HTTP {
        let Some(value) = table.value(key) else { continue };
        let asks = key != "forwarded_for" || !matches!(value.choice(), Ok(ForwardedFor::Off) | Err(_));
        if asks {
            outcome = Err(value.at.refuse(
                "only HTTP has a header for the client's address",
                format!("set mode = \"http\", or leave {key} out"),
            ));
        }
    }
    outcome
}

fn networks(table: &Table<'_>, key: &str) -> Read<Vec<IpNet>> {
    table.list(key, Value::client_network).map(|list| list.map(values).unwrap_or_default())
}

fn fields(table: &Table<'_>, forwarded_for: Read<ForwardedFor>) -> Read<Vec<ForwardedField>> {
    let Some(list) = table.list("forwarded_headers", Value::choice::<ForwardedField>)? else {
        return forwarded_for.map(|mode| defaults::forwarded_headers(mode).to_vec());
    };
    unique(
        &list,
        |field| Some(*field),
        |field, first| {
            let message = format!("{} already stands at {}", field.name(), first.at.place());
            (message, "remove one of the two".to_owned())
        },
    )?;
    Ok(values(list))
}

fn header(value: &Value<'_>, fields: &[ForwardedField]) -> Read<String> {
    let expected = "the name of a header such as \"X-Forwarded-For\"";
    let name = value.text(expected)?;
    // Underscores would be taken for hyphens by some servers, and other marks by others.
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(legal) {
        let help = format!("a name has 1 to {LONGEST_NAME} ASCII letters, digits and '-'");
        return Err(value.mismatch_but(expected, help));
    }
    if TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
        let help = if name.eq_ignore_ascii_case("forwarded") {
            "add \"forwarded\" to forwarded_headers: its values have a form of their own (RFC 7239)"
        } else {
            "name a header of your own, such as \"X-Client\""
        };
        return Err(value.at.refuse(format!("{name} means something else in a request"), help));
    }
    if let Some(same) = fields.iter().find(|field| name.eq_ignore_ascii_case(field.name())) {
        let message = format!("{} is one of forwarded_headers", same.name());
        return Err(value.at.refuse(message, "name another header, or take it out of forwarded_headers"));
    }
    Ok(name.to_owned())
}

fn certificate(table: &Table<'_>, tls: &Read<Option<Tls>>) -> Read<bool> {
    let key = "client_certificate_headers";
    let given = table.or(key, defaults::CLIENT_CERTIFICATE_HEADERS, Value::boolean)?;
    match tls {
        Ok(tls) if given && tls.as_ref().is_none_or(|tls| tls.client_auth == ClientAuth::Off) => {
            Err(table.spot(key).lacks(
                "no client is asked for a certificate",
                "add client_ca = \"/etc/causeway/clients.pem\" to tls, or leave the key out",
            ))
        }
        Ok(_) | Err(_) => Ok(given),
    }
}

fn hops(table: &Table<'_>, trusted: &Read<Vec<IpNet>>) -> Read<Option<u8>> {
    let hops = table.maybe("trusted_hops", |value| value.integer(HOPS_RANGE))?;
    match trusted {
        Ok(trusted) if hops.is_some() && trusted.is_empty() => {
            if let Some(reported) = table.slip("trusted_proxies") {
                return Err(reported);
            }
            Err(table.spot("trusted_hops").lacks(
                "nobody is trusted whose hops could count",
                "add trusted_proxies with the networks of the proxies that connect here",
            ))
        }
        Ok(_) | Err(_) => Ok(hops),
    }
}
