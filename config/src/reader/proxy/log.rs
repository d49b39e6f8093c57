//! `[proxy.log]`: what is written about connections, and where to.

use super::super::address::{Socket, socket};
use super::super::{Read, Table, Value};
use super::endpoint::socket_path;
use crate::defaults;
use crate::keys;
use crate::model::{ConnectionLog, LogField, LogLineError, LogTarget, ProxyLog};
use std::net::SocketAddr;
use std::ops::RangeInclusive;

/// The port of syslog over UDP (RFC 5426 §3.3).
const SYSLOG_PORT: u16 = 514;
/// APP-NAME (RFC 5424 §6.2.5).
const TAG_LENGTH: RangeInclusive<usize> = 1..=48;

const FORMAT: &str =
    "\"off\", \"tcplog\", \"httplog\", \"json\", or \"custom:\" and a line of HAProxy's log-format";
const TARGET: &str = "\"stdout\", or syslog such as \"udp://192.0.2.14:514\" or \"unix:///dev/log\"";

pub(super) fn read(table: &Table<'_>) -> Read<ProxyLog> {
    let default = ProxyLog::default();
    let format = table.or("format", default.format, format);
    let to = table.or("to", default.to, target);
    let facility = table.or("facility", default.facility, Value::choice);
    let tag = table.or("tag", default.tag, tag);
    let mut fits = Ok(());
    let asked = [
        ("facility", facility.is_ok_and(|facility| facility != default.facility)),
        ("tag", tag.as_ref().is_ok_and(|tag| tag != defaults::TAG)),
    ];
    for (key, _) in asked.iter().filter(|(_, asked)| *asked && to == Ok(LogTarget::Stdout)) {
        let help = format!("set to = \"unix:///dev/log\", or leave out {key}");
        fits = Err(table.spot(key).refuse(format!("{key} is of syslog, and to is \"stdout\""), help));
    }
    fits?;
    Ok(ProxyLog { format: format?, to: to?, facility: facility?, tag: tag? })
}

fn format(value: &Value<'_>) -> Read<ConnectionLog> {
    let text = value.text(FORMAT)?;
    if let Some((_, format)) = ConnectionLog::WORDS.into_iter().find(|(word, _)| *word == text) {
        return Ok(format);
    }
    let Some(line) = text.strip_prefix(ConnectionLog::CUSTOM) else {
        let help = keys::nearest(text, ConnectionLog::WORDS.iter().map(|(word, _)| *word))
            .map_or(String::new(), |near| format!("did you mean {near:?}?"));
        return Err(value.mismatch_but(FORMAT, help));
    };
    line.parse().map(ConnectionLog::Custom).map_err(|error: LogLineError| {
        let help = match &error {
            LogLineError::Unknown(_) | LogLineError::Expression => {
                let known: Vec<_> = LogField::ALL.iter().map(|(name, _)| format!("%{name}")).collect();
                format!("the fields are {}", known.join(", "))
            }
            LogLineError::Lone => "write %% for a % that stands for itself".to_owned(),
            LogLineError::Open => "flags stand in braces: %{+Q}r".to_owned(),
            LogLineError::Flag(_) => "the flags are Q for quotes and E for escapes".to_owned(),
            LogLineError::Empty | LogLineError::Control => {
                "give a line such as \"custom:%ci [%tr] %ST %{+Q}r\"".to_owned()
            }
        };
        value.at.refuse(error.to_string(), help)
    })
}

fn target(value: &Value<'_>) -> Read<LogTarget> {
    let text = value.text(TARGET)?;
    if text == "stdout" {
        return Ok(LogTarget::Stdout);
    }
    if let Some(path) = text.strip_prefix("unix://") {
        return socket_path(value, path, TARGET).map(LogTarget::Unix);
    }
    let Some(address) = text.strip_prefix("udp://") else {
        return Err(value.mismatch(TARGET));
    };
    let address = match socket(address) {
        Some(Socket::Whole(address)) => address,
        Some(Socket::Address(ip)) => SocketAddr::new(ip, SYSLOG_PORT),
        None => {
            return Err(value.mismatch_but(TARGET, "names are not resolved here: give the address itself"));
        }
    };
    value.connectable(address).map(LogTarget::Udp)
}

fn tag(value: &Value<'_>) -> Read<String> {
    let expected = "a text of 1 to 48 visible ASCII characters without ':' and '['";
    let text = value.text(expected)?;
    let legal = |b: u8| b.is_ascii_graphic() && b != b':' && b != b'[';
    if TAG_LENGTH.contains(&text.len()) && text.bytes().all(legal) {
        return Ok(text.to_owned());
    }
    Err(value.mismatch(expected))
}
