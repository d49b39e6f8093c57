//! `[proxy.timeout]`, and `timeout` of a listener.

use super::super::{Read, Table};
use crate::model::ProxyTimeouts;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A day is longer than any wait on a network; 0 would mean to give up before trying.
pub(super) const RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(86400);

/// Those of the whole section.
pub(super) fn of_section(table: &Table<'_>) -> Read<ProxyTimeouts> {
    let timeout = read(table, ProxyTimeouts::default())?;
    let queue = if table.value("queue").is_some() { timeout.queue } else { timeout.connect };
    Ok(ProxyTimeouts { queue, ..timeout })
}

/// Those that the table has, and the `usual` ones.
pub(super) fn read(table: &Table<'_>, usual: ProxyTimeouts) -> Read<ProxyTimeouts> {
    let read = |key, usual| table.or(key, usual, |value| value.duration(RANGE));
    let connect = read("connect", usual.connect);
    let queue = read("queue", usual.queue);
    let client = read("client", usual.client);
    let server = read("server", usual.server);
    let tunnel = read("tunnel", usual.tunnel);
    let client_fin = read("client_fin", usual.client_fin);
    let server_fin = read("server_fin", usual.server_fin);
    let handshake = read("handshake", usual.handshake);
    let request_head = read("request_head", usual.request_head);
    let keep_alive = read("keep_alive", usual.keep_alive);
    let udp = read("udp", usual.udp);
    Ok(ProxyTimeouts {
        connect: connect?,
        queue: queue?,
        client: client?,
        server: server?,
        tunnel: tunnel?,
        client_fin: client_fin?,
        server_fin: server_fin?,
        handshake: handshake?,
        request_head: request_head?,
        keep_alive: keep_alive?,
        udp: udp?,
    })
}
