//! The cases of `httpwg` (RFC 9113) against the real daemon. The suite's own program wants `io_uring`; its cases do not.

use crate::backend::Backend;
use crate::gateway::{PATIENCE, v6};
use crate::http2::served;
use buffet::IntoHalves;
use buffet::bufpool::initialize_allocator_with_num_bufs;
use futures_util::stream::{self, StreamExt};
use httpwg::{BoxedTest, Config, Conn};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

/// So many cases has this version of the suite.
const CASES: usize = 107;
/// So many run at a time.
const AT_ONCE: usize = 8;
mod suite {
    use super::{Conn, HashMap, IntoHalves};

    httpwg_macros::gen_catalog!(catalog);
}

/// Runs one case on a connection of its own. The suite takes silence for the end of the connection, which fulfils many
/// cases: so its patience is longer than the one here.
async fn run(case: BoxedTest<TcpStream>, port: u16) -> Result<(), String> {
    let config = Config { timeout: PATIENCE * 10, ..Config::default() };
    let stream = TcpStream::connect(v6(port)).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let running = spawn_local(async move { case(Conn::new(Rc::new(config), stream)).await });
    match timeout(PATIENCE, running).await {
        Ok(Ok(end)) => end.map_err(|error| format!("{error:#}")),
        Ok(Err(panic)) => Err(panic.to_string()),
        Err(_) => Err("neither the frame that is waited for comes nor the end".to_owned()),
    }
}

#[test]
fn the_cases_of_httpwg_pass() {
    let backend = Backend::http("as many octets as any case asks for");
    let (_gateway, port) = served(&backend, "workers = 1", "", "");
    initialize_allocator_with_num_bufs(8 << 10).expect("buffers of this thread");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let cases = suite::catalog().into_values().flatten().flat_map(|(section, cases)| {
        cases.into_iter().map(move |(name, case)| (format!("{section}: {name}"), case))
    });
    let ends: BTreeMap<_, _> = LocalSet::new().block_on(&runtime, async {
        let running = cases.map(|(name, case)| async move { (name, run(case, port).await) });
        stream::iter(running).buffer_unordered(AT_ONCE).collect().await
    });
    let failed: Vec<_> =
        ends.iter().filter_map(|(name, end)| Some(format!("{name}: {}", end.as_ref().err()?))).collect();
    println!("httpwg: {} of {} cases pass", ends.len() - failed.len(), ends.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(ends.len(), CASES);
}
