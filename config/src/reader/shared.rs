//! `[admin]` and `[log]`, which every daemon reads.

use super::{Placed, Read, Table, Value, all, not_empty, unique, values};
use crate::defaults;
use crate::model::{Admin, Log};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(super) fn admin(table: &Table<'_>) -> Read<Admin> {
    let socket = table.or("socket", PathBuf::from(defaults::ADMIN_SOCKET), Value::path);
    let listen = table.list("listen", |value| value.socket(None)).map(Option::unwrap_or_default);
    let token_file = table.maybe("token_file", Value::path);
    if let (Ok(listen), Ok(token_file)) = (&listen, &token_file) {
        let distinct = unique(listen, same_listener, twice);
        let open = listen.iter().find(|placed| !addr::fold_mapped_socket(placed.value).ip().is_loopback());
        if let (Some(open), None) = (open, token_file) {
            return Err(open.at.lacks(
                format!("{} can be reached from other hosts, and token_file is missing", open.value),
                "add token_file with the path of a file that holds a secret, or listen on [::1] or 127.0.0.1",
            ));
        }
        distinct?;
    }
    Ok(Admin { socket: socket?, listen: values(listen?), token_file: token_file? })
}

pub(super) fn log(table: &Table<'_>) -> Read<Log> {
    let level = table.or("level", defaults::LEVEL, Value::choice);
    let format = table.or("format", defaults::FORMAT, Value::choice);
    Ok(Log { level: level?, format: format? })
}

/// `certificates` of a table `tls`: PEM bundles of chain and key, whose files daemons read themselves.
pub(super) fn certificates(table: &Table<'_>) -> Read<Vec<PathBuf>> {
    let list = table.need("certificates", |value| {
        let list = all(value.elements()?.map(|element| Ok(element.at.with(element.path()?))))?;
        not_empty(&value.at, list, "path of a PEM bundle")
    })?;
    let shown = |path: &PathBuf, first: &Placed<'_, PathBuf>| {
        (
            format!("{} already stands at {}", path.display(), first.at.place()),
            "remove one of the two".to_owned(),
        )
    };
    unique(&list, |path| Some(path.clone()), shown)?;
    Ok(values(list))
}

/// What to say of an address that stands in a list twice.
pub(super) fn twice<T: Display>(value: &T, first: &Placed<'_, T>) -> (String, String) {
    (format!("{value} already stands at {}", first.at.place()), "remove one of the two".to_owned())
}

/// What two listeners must not share. Port 0 is a new port each time.
pub(super) fn same_listener(addr: &SocketAddr) -> Option<SocketAddr> {
    (addr.port() != 0).then(|| addr::fold_mapped_socket(*addr))
}
