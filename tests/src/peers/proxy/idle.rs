//! Connections that are open and silent, and what they cost.

use super::nginx::SMALL;
use super::setting::CROWD;
use crate::http::Reader;
use crate::namespace::Namespace;
use crate::peers::ends::STALLED;
use crate::peers::memory::resident_of;
use anyhow::{Context, Result, ensure};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

/// Opens a connection, and asks and hears something through it.
pub(super) fn exchange_once(host: &Namespace, server: SocketAddr) -> Result<()> {
    host.run(|| open(server)).map(drop)
}

/// How long a crowd is silent before it counts as idle: proxies need not let go of anything between two requests.
const SILENCE: Duration = Duration::from_secs(3);

/// Bytes that the process `proxy` grows by for each of [`CROWD`] connections through it, each of which has been used twice
/// and is silent by then.
pub(super) fn memory(host: &Namespace, server: SocketAddr, proxy: i32) -> Result<f64> {
    let before = resident_of(proxy)?;
    let mut crowd = host.run(|| {
        let one = |number| open(server).with_context(|| format!("connection {number} of {CROWD}"));
        (1..=CROWD).map(one).collect::<Result<Vec<_>>>()
    })?;
    for connection in &mut crowd {
        exchange(connection).context("all connections stay")?;
    }
    sleep(SILENCE);
    let grown = resident_of(proxy)?.saturating_sub(before);
    ensure!(grown > 0, "{CROWD} connections took no memory");
    #[expect(clippy::cast_precision_loss, reason = "no process has 2^53 bytes")]
    let grown = grown as f64;
    Ok(grown / f64::from(CROWD))
}

fn open(server: SocketAddr) -> Result<Reader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&server, STALLED)?;
    stream.set_read_timeout(Some(STALLED))?;
    let mut connection = Reader::new(stream);
    exchange(&mut connection)?;
    Ok(connection)
}

fn exchange(connection: &mut Reader<TcpStream>) -> Result<()> {
    let reply = connection.exchange("GET", "behind", SMALL, &[])?;
    ensure!(reply.status == 200, "the answer's status is {}", reply.status);
    Ok(())
}
